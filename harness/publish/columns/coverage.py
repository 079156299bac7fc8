"""How much of a model really ran in INT8: the share of its matrix products' multiplications."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.publish.common.numbers import share

Record = Mapping[str, Any]

#: As :data:`harness.publish.table.rows.COLUMNS`; only a run whose records tell multiplications has it.
COLUMNS: dict[str, str] = {"int8_share": "Float64"}


def columns(executed: Record) -> dict[str, float]:
    """Return what an accuracy record's `executed` gives of :data:`COLUMNS`; nothing where the share is not known."""
    total = executed.get("multiplications")
    return {"int8_share": executed["int8_multiplications"] / total} if total else {}


def texts(group: pd.DataFrame) -> dict[str, tuple[str, Any]]:
    """Return the column that a person reads, name -> (title, function of a row); none where nothing is known."""
    if "int8_share" not in group or group["int8_share"].isna().all():
        return {}
    return {"int8_share": ("int8 %", lambda row: share(row["int8_share"]))}


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of the column, and of the status that goes with it."""
    if "int8_share" in frame and frame["int8_share"].notna().any():
        yield (
            "int8 %: share of the multiplications of all matrix products (linear layers, attention, convolutions) that "
            "ran in INT8. partial: the cell claims INT8, but less than half of them did; it is not ranked."
        )
