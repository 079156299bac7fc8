"""Locks are read as pip reads them; the packaging library, which pip uses itself, is the truth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from harness.errors import StageError
from harness.execute.pins import Pin, difference, lines, pins
from tests.backend_env import REPOSITORY

LOCKS = sorted((REPOSITORY / "conf" / "environment").glob("*.txt"))


def test_comments_continued_lines_and_order():
    text = """
# a comment
b==2  # why
a==1 \\
    --hash=sha256:00 \\
    --hash=sha256:11
c @ https://example.invalid/c.zip#sha256=22
"""
    assert lines(text) == [
        "b==2",
        "a==1 --hash=sha256:00 --hash=sha256:11",
        "c @ https://example.invalid/c.zip#sha256=22",
    ]


def test_pins_by_name_version_and_condition():
    entries = ["--prefer-binary", "Py_Yaml[x, y]==6.0", 'tomli==2.0 ; python_version<"3.11"', "a==1 --hash=sha256:00"]
    assert pins(entries, "lock") == [Pin("py-yaml", "6.0", False), Pin("tomli", "2.0", True), Pin("a", "1", False)]


@pytest.mark.parametrize(
    "line", ["torch", "torch>=2", "torch==2.*", "-r more.txt", "-e .", "c @ https://x.invalid/c.zip"]
)
def test_a_line_that_pins_nothing_is_refused(line):
    with pytest.raises(StageError, match=r"my\.txt: .* is no pin; write NAME==VERSION") as error:
        pins(["a==1", line], "my.txt")
    assert error.value.kind == "environment"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_the_shipped_locks_are_pins_and_nothing_else(lock):
    entries = lines(lock.read_text())
    for pin, line in zip(pins(entries, lock.name), entries, strict=True):
        requirement = Requirement(line.split(" --")[0])
        assert str(requirement.specifier) == f"=={pin.version}"
        assert not Version(pin.version).local, "a local version is to be had from one index only"


VERSIONS = st.builds(
    lambda release, local: ".".join(map(str, release)) + local,
    st.lists(st.integers(0, 20), min_size=1, max_size=4),
    st.sampled_from(["", "+cpu", "+cu130"]),
)


@given(VERSIONS, VERSIONS)
def test_a_pin_is_met_as_its_specifier_says(pinned, installed):
    met = Requirement(f"x=={pinned}").specifier.contains(installed)
    assert (difference([Pin("x", pinned, False)], {"X": installed}) is None) == met


def test_the_first_difference_is_named():
    wanted = [Pin("a", "1", False), Pin("b", "2", False), Pin("c", "3", True)]
    assert difference(wanted, {"A": "1", "b": "2"}) is None
    assert difference(wanted, {"A": "1", "b": "2.1"}) == "pinned is b==2, installed is 2.1"
    assert difference(wanted, {"A": "1"}) == "pinned is b==2, installed is none"
    assert difference(wanted, {"A": "1", "b": "2", "c": "4"}) == "pinned is c==3, installed is 4"
