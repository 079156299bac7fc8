"""Lines come out of a pipe whole, however it cuts them up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ipc.messages import Lines, MalformedMessage


@given(st.lists(st.binary(max_size=20)))
def test_lines_are_those_of_the_whole_text(chunks):
    lines = Lines()
    found = [line for chunk in chunks for line in lines.feed(chunk)]
    *whole, rest = b"".join(chunks).split(b"\n")
    assert found == [line for line in whole if line.strip()]
    assert lines.cut_off == bool(rest.strip())


def test_a_line_without_an_end_is_given_up():
    lines = Lines(longest_bytes=100)
    for _ in range(10):
        assert lines.feed(b"x" * 10) == []
    with pytest.raises(MalformedMessage, match="over 100 bytes"):
        lines.feed(b"x")
