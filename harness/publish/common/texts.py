"""Texts of a table as CSV may hold them: no program that opens the file obeys them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from harness.text.printable import plain

#: What makes a spreadsheet take a cell for a formula, or for a command to another program.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts are shown and none is a formula; numbers stay what they are.

    A text that begins as a formula gets an apostrophe before it, as a person would type it into a spreadsheet.
    """
    found: dict[str, pd.Series] = {}
    for name in frame.select_dtypes(["object", "string"]):
        # Not by map(), which would make floats of whole numbers beside nothing.
        values = [_safe(value) for value in frame[name]]
        found[str(name)] = pd.Series(values, index=frame.index, dtype=frame[name].dtype)
    return frame.assign(**found)


def _safe(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return f"'{plain(value)}" if value.startswith(_FORMULA) else plain(value)
