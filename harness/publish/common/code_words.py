"""Which code made a record, in words; what no git could tell is said to be unknown, and never taken for clean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: So much of a revision or a digest is shown.
_SHOWN = 12


def revision_words(code: Mapping[str, Any]) -> str:
    """Return the revision of a header's ``harness``, and whether it was changed: ``revision 0123abcd with ...``."""
    if code["revision"] is None:
        return "an unknown revision"
    state = {True: " with uncommitted changes", False: "", None: ", perhaps with changes"}[code["dirty"]]
    return f"revision {code['revision'][:_SHOWN]}{state}"


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two records are known to be of the same code: of one digest, or of one unchanged revision."""
    digests = [code.get("digest") for code in (one, other)]
    if None not in digests:
        return digests[0] == digests[1]
    return one["revision"] is not None and all(
        code["revision"] == one["revision"] and code["dirty"] is False for code in (one, other)
    )
