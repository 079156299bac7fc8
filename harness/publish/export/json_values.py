"""The larger objects that ``--json`` prints, in the forms of :mod:`harness.commands.shared.json_forms`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.publish.common.frames import row_dicts
from harness.publish.compare import comparison as comparisons
from harness.publish.compare.sentences import sentences
from harness.publish.table.gates import Outcome
from harness.publish.table.render import as_written, parts
from harness.publish.table.run_table import RunTable


def table_values(table: RunTable, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what ``harness table --json`` prints of a table and of the gates that it was held against."""
    heading = table.heading
    groups = parts(table.rows, heading)
    return {
        "run": heading.run,
        "suite": heading.suite,
        "host": heading.host,
        "baseline": heading.baseline,
        "rows": records(as_written(table.rows)),
        "sentences": [*(sentence for part in groups for sentence in part.sentences), *table.beneath],
        "gates": [dataclasses.asdict(one) for one in outcomes],
    }


def compare_values(compared: comparisons.Comparison, failed: bool) -> dict[str, Any]:
    """Return what ``harness compare --json`` prints; `failed` says whether a cell failed while it was measured."""
    return {
        "runs": [run.name for run in compared.runs],
        "mode": compared.mode,
        "margin": compared.rule.margin,
        "floor": compared.rule.floor,
        "rows": records(compared.rows.astype(comparisons.COLUMNS)),
        "sentences": list(sentences(compared)),
        "unmatched": list(compared.unmatched),
        "regression": compared.is_regression,
        "failed": failed,
        "open": compared.is_open,
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as plain values: what is not known, or no finite number, is None."""
    return [{name: _plain(value) for name, value in row.items()} for row in row_dicts(frame)]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
