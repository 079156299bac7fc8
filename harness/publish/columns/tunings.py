"""The columns of a table that tuning gives, in runs in which a tuner has tried anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.publish.common.numbers import NOTHING, is_known, number

Record = Mapping[str, Any]

#: As :data:`harness.publish.table.rows.COLUMNS`; only a run with trials has them.
COLUMNS: dict[str, str] = {
    **dict.fromkeys(("tuning_trials", "tuning_chosen"), "Int64"),
    **dict.fromkeys(("tuning_evaluations", "tuning_seconds"), "Float64"),
    "tuning_fallback": "Int64",
    "tuning_end": "string",
}


def columns(trials: Sequence[Record], prepared: Record | None, rows: int | None) -> dict[str, Any]:
    """Return what a cell's `trial` records, and its `prepared` where there is one, give of :data:`COLUMNS`.

    Parameters
    ----------
    rows : evaluated; a trial that was decided on fewer than its tuner had counts for their share.
    """
    found: dict[str, Any] = {"tuning_trials": len(trials)}
    evaluated = [trial["rows"] for trial in trials if trial["rows"]]
    tuned = {} if prepared is None else prepared["provenance"].get("tuned", {})
    whole = tuned.get("rows", rows)
    if whole:
        found["tuning_evaluations"] = sum(evaluated) / whole
    if prepared is None:
        return found
    found["tuning_seconds"] = sum(stage["seconds"] for stage in prepared["stages"] if stage["stage"] == "tune")
    found["tuning_end"], chosen = tuned.get("reason"), tuned.get("chosen")
    for trial in trials:
        if trial["index"] == chosen:
            found |= {"tuning_chosen": chosen, "tuning_fallback": len(trial["fallback"])}
    return found


def texts(group: pd.DataFrame) -> dict[str, tuple[str, Any]]:
    """Return the columns that a person reads, name -> (title, function of a row); none where nothing was tuned."""
    if "tuning_trials" not in group or group["tuning_trials"].isna().all():
        return {}
    return {
        "trials": ("trials", lambda row: number(row["tuning_trials"])),
        "evaluations": ("evaluations", lambda row: _with_places(row["tuning_evaluations"], 1)),
        "tuning_seconds": ("tuning s", lambda row: number(row["tuning_seconds"])),
        "fallback": ("fall back", lambda row: number(row["tuning_fallback"])),
    }


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of these columns."""
    if "tuning_trials" in frame and frame["tuning_trials"].notna().any():
        yield (
            "trials: candidates that a tuner has evaluated; evaluations: their rows over those of a whole evaluation, "
            "for a trial ends once it is decided; fall back: ops that the chosen one does not quantize. A tuner "
            "decides on half of the evaluation rows, and accuracy and difference of its cell are of the other half; "
            "where there are too few rows for both, they are of the rows that it chose by, and the row says so."
        )


def _with_places(value: Any, places: int) -> str:
    return number(value, places) if is_known(value) else NOTHING
