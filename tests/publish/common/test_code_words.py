"""What git could not tell is said to be unknown, and is taken neither for clean nor for the same."""

from __future__ import annotations

from typing import Any

import pytest

from harness.publish.common.code_words import is_same, revision_words


def code(revision: str | None = "a" * 40, dirty: bool | None = False, **more: Any) -> dict[str, Any]:
    return {"version": "0.1.0", "revision": revision, "dirty": dirty, **more}


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (code(), "revision aaaaaaaaaaaa"),
        (code(dirty=True), "revision aaaaaaaaaaaa with uncommitted changes"),
        (code(dirty=None), "revision aaaaaaaaaaaa, perhaps with changes"),
        (code(None, None), "an unknown revision"),
    ],
)
def test_the_words(made, wanted):
    assert revision_words(made) == wanted


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (code(), code(), True),
        (code(), code("b" * 40), False),
        (code(), code(dirty=None), False),
        (code(dirty=True), code(dirty=True), False),
        (code(None, None), code(None, None), False),
        (code(None, None, digest="1"), code(None, None, digest="1"), True),
        (code(dirty=True, digest="1"), code(digest="1"), True),
        (code(digest="1"), code(digest="2"), False),
        (code(digest="1"), code(), True),
    ],
)
def test_the_same_is_only_what_is_known_to_be(one, other, wanted):
    assert is_same(one, other) is wanted and is_same(other, one) is wanted
