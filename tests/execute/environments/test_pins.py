"""Locks are read as pip reads them; the packaging library, which pip uses itself, is the truth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from harness.errors import StageError
from harness.execute.environments.pins import Pin, difference, lines, pins, read, text, versions
from tests.backend_env import REPOSITORY

LOCKS = sorted((REPOSITORY / "conf" / "environment").glob("*.txt"))
STORED = sorted((REPOSITORY / "results" / "environments").glob("*.txt"))

HASH = "--hash=sha256:" + "0" * 64


def test_comments_continued_lines_and_order():
    found = lines(f"\n# a comment\nb==2  # why\r\na==1 \\\n    {HASH} \\\n    {HASH}\n".encode(), "lock")
    assert found == ["b==2", f"a==1 {HASH} {HASH}"]
    assert pins(found, "lock") == [Pin("b", "2"), Pin("a", "1")]
    assert pins(["Py_Yaml==6.0rc1", "torch==2.1.0+cpu"], "lock") == [
        Pin("py-yaml", "6.0rc1"),
        Pin("torch", "2.1.0+cpu"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        *("torch", "torch>=2", "torch==2.*", "torch===2", "torch == 2", "a==1, <2", "a==1 b==2", "==1", "a=="),
        *("-r more.txt", "-rmore.txt", "--requirement=more.txt", "-c more.txt", "--constraint more.txt"),
        *("-e .", "-e/tmp/x", "--edit /tmp/x", "--editable=/tmp/x"),
        *("--index-url https://x.invalid", "-i https://x.invalid", "--extra-index-url=https://x.invalid", "-f /tmp"),
        *(
            "--find-links /tmp",
            "--pre",
            "--no-index",
            "--trusted-host x.invalid",
            "--prefer-binary",
            "--no-binary :all:",
        ),
        *("c @ https://x.invalid/c.zip", "https://x.invalid/c.whl", "git+https://x.invalid/c", "file:///tmp/x"),
        *(
            "/tmp/x",
            "./x",
            "../x",
            ".",
            "~/x",
            "x/y==1",
            "a==1.zip",
            "a==1/../x",
            "a[x]==1",
            "a==1; python_version<'3'",
        ),
        *("a==1 --global-option=x", "a==1 --config-settings x=y", "a==1 --hash=md5:00", f"a==1 {HASH}0", f"{HASH}"),
        *("${HOME}==1", "a==${HOME}", "\u00e4==1", "a==\u0661", "a==1\xa0-e .", "\ufeffa==1", "# a", "a==1#b"),
    ],
)
def test_a_line_that_is_no_pin_is_refused(line):
    with pytest.raises(StageError, match=r"my\.txt: .* is no pin; write NAME==VERSION") as error:
        pins(["a==1", line], "my.txt")
    assert error.value.kind == "environment"


@pytest.mark.parametrize(
    "content",
    [
        # pip does not join what a comment that ends so is followed by.
        b"a==1\n# comment \\\n-e /tmp/x\n",
        b"a==1  # comment \\\n-e /tmp/x\n",
        b"a==1\n# comment \x0c-e /tmp/x\n",
        b"a==1\n# comment \r-e /tmp/x\n",
        "a==1\n# comment \u2028-e /tmp/x\n".encode(),
        "a==1\n# comment \x85-e /tmp/x\n".encode(),
        b"a==1\n# \0\n",
        b"# caf\xe9\na==1\n",
        b"\xff\xfea\0=\0=\x001\0",
        b"a==1\\\n-e /tmp/x\n",
        b"-e \\\n/tmp/x",
        b"a==1\\",
        b"\\",
        b"a==1\nA==1\n",
    ],
)
def test_a_file_that_two_programs_could_read_in_two_ways_is_refused(tmp_path, content):
    path = tmp_path / "my.txt"
    path.write_bytes(content)
    with pytest.raises(StageError, match=r"^my\.txt[:,]") as error:
        read(path)
    assert error.value.kind == "environment" and len(error.value.message.splitlines()) == 1


def test_a_lock_that_is_not_there_or_no_file(tmp_path):
    for path, kind in ((tmp_path / "none.txt", "missing_file"), (tmp_path, "environment")):
        with pytest.raises(StageError, match=str(path)) as error:
            read(path)
        assert error.value.kind == kind


#: What pip gives a meaning to, and what may stand around it.
PIECES = st.sampled_from(
    [
        *(
            "a",
            "Zope.Interface",
            "b-c",
            "==",
            "1",
            "2.0",
            "1.0rc1",
            "+cpu",
            " ",
            "\t",
            "\n",
            "\r\n",
            "\\\n",
            "\\",
            "#",
            " #",
        ),
        *(
            "-e",
            "-r",
            "--index-url",
            "/tmp/x",
            "@",
            ";",
            ",",
            "[x]",
            "https://x.invalid/x.whl",
            ".zip",
            HASH,
            "$",
            "\x0c",
        ),
        *("\u2028", "\0", "~", "*", "!", "'", '"', "a==1\n", "b==2.1 # why\n"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_whatever_is_accepted_is_exact_pins_to_pip_too(content):
    try:
        entries = lines(content.encode(), "lock")
        found = pins(entries, "lock")
    except StageError as error:
        assert error.kind == "environment"
        return
    # pip ends a line wherever Python does.
    installed = [line.split(" --hash=")[0] for line in text(entries).splitlines()]
    requirements = [Requirement(line) for line in installed]
    assert [str(one.specifier) for one in requirements] == [f"=={pin.version}" for pin in found]
    assert not any(one.url or one.marker or one.extras for one in requirements)
    for pin in found:
        Version(pin.version)


SPELLED = st.tuples(
    st.sampled_from(["", "1!", "3!"]),
    st.lists(st.integers(0, 30).map(str), min_size=1, max_size=4).map(".".join),
    st.sampled_from(["", "a1", "b2", "rc3", ".rc1", "-alpha.2"]),
    st.sampled_from(["", ".post1", "-1", "post"]),
    st.sampled_from(["", ".dev0", "dev12"]),
    st.sampled_from(["", "+cpu", "+cu130.g1f"]),
).map("".join)


@given(SPELLED)
def test_each_version_of_the_specification_is_a_pin(version):
    Version(version)
    assert pins([f"x=={version}"], "lock") == [Pin("x", version)]


@pytest.mark.parametrize("lock", [*LOCKS, *STORED], ids=lambda lock: lock.stem)
def test_the_shipped_and_the_stored_locks_are_pins_and_nothing_else(lock):
    found = read(lock)
    for pin, line in zip(found.pins, found.lines, strict=True):
        assert str(Requirement(line).specifier) == f"=={pin.version}"
        assert not Version(pin.version).local, "a local version is to be had from one index only"
    assert versions(lock) == {pin.name: pin.version for pin in found.pins}


VERSIONS = st.builds(
    lambda release, local: ".".join(map(str, release)) + local,
    st.lists(st.integers(0, 20), min_size=1, max_size=4),
    st.sampled_from(["", "+cpu", "+cu130"]),
)


@given(VERSIONS, VERSIONS)
def test_a_pin_is_met_as_its_specifier_says(pinned, installed):
    met = Requirement(f"x=={pinned}").specifier.contains(installed)
    assert (difference([Pin("x", pinned)], {"X": installed}) is None) == met


def test_the_first_difference_is_named():
    wanted = [Pin("a", "1"), Pin("b", "2")]
    assert difference(wanted, {"A": "1", "b": "2", "c": "3"}) is None
    assert difference(wanted, {"A": "1", "b": "2.1"}) == "pinned is b==2, installed is 2.1"
    assert difference(wanted, {"A": "1"}) == "pinned is b==2, installed is none"
