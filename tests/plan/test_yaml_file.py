"""A YAML file gives plain values, or one line that says where it does not."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.plan.yaml_file import read_yaml

#: 9 lists of 9 lists ...: 10,000 times as many values as the file has.
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{below}'] * 9)}]\n" for below, name in ("ab", "bc", "cd", "de", "ef")
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name: gr\xf6\xdfe", "byte 9 is no UTF-8"),
        ("a: 1".encode("utf-16"), "is no UTF-8"),
        (b"a: b\0", "line"),
        (b"a: b: c", "line 1, column 5: mapping values are not allowed here"),
        (b"\tx: 1", "line 1, column 1"),
        (b"--- 1\n--- 2\n", "line 2, column 1"),
        (b"a: 1\nb: 2\na: 3\n", "line 3, column 1: key 'a' is there twice; want it once"),
        (b"x: {a: 1, a: 2}", "key 'a' is there twice"),
        (b"? [a]\n: b", "unhashable"),
        (b"1: a", "key 1 is no text; want it in quotes"),
        (b"null: a", "key None is no text"),
        (b"true: a", "key True is no text"),
        (b"a: &a [*a]", "an anchor within itself"),
        (b"a: &a {b: *a}", "an anchor within itself"),
        (LAUGHS.encode(), "20000 values at most"),
        (b"a: " + b"[" * 3000, "nested deeper than 40 levels"),
        (b"a: " + b"[" * 60 + b"]" * 60, "nested deeper than 40 levels"),
        (b"a: " + b"9" * 5000, "digits"),
        (b"a: .nan", "a: nan: want a finite number"),
        (b"a: [1, -.inf]", "a: -inf: want a finite number"),
        (b"a: !!binary aGVsbG8=", "a: a bytes is no plain value"),
        (b"a: !!set {b}", "a: a set is no plain value"),
        (b"a: !!timestamp 2020-01-01", "a: a date is no plain value"),
        (b"a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        (b"a: !!python/object/apply:pathlib.PosixPath [b]", "could not determine a constructor"),
        (b"a: !own b", "could not determine a constructor"),
        (b'a: "b\\0c"', r"a: b\x00c: want text without control characters"),
        (b'a: "\\e[31m"', r"a: \x1b[31m: want text"),
        (b'a: "\\u202Eb"', r"a: \u202eb: want text"),
        (b"<<: 1", "line 1"),
        (b"# " + b"x" * 70_000, "64 KiB at most"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(tmp_path, content, words):
    path = tmp_path / "some.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_yaml(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and words in message and "\n" not in message
    assert len(message) < 300 + len(str(path))


def test_what_cannot_be_opened_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")


def test_plain_values_come_as_they_are(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_bytes(
        b"\xef\xbb\xbfa: &x {b: [1, 2.5, true, null, '1']}\nc: {<<: *x, d: 2020-01-01}\ne: |\n  two\n  lines\n"
    )
    inner = {"b": [1, 2.5, True, None, "1"]}
    assert read_yaml(path) == {"a": inner, "c": {**inner, "d": "2020-01-01"}, "e": "two\nlines\n"}
    path.write_text("")
    assert read_yaml(path) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.binary(max_size=60) | st.text("ab:-{}[]&*!|>'\"#?,\n \t1", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    path = tmp_path / "some.yaml"
    path.write_bytes(content)
    try:
        read_yaml(path)
    except UserError as error:
        assert "\n" not in str(error)
