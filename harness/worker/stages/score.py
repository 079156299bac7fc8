"""The stage `score`: predictions to the task's metric, in the one environment that all backends share for it.

A backend's environment then needs its framework only, and a metric's value cannot depend on which version of a metric
library that framework happens to tolerate.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.token_rows import load_rows
from harness.tasks.score import score

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.ipc.report import Report


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Return ``{"metric": {"name", "value", "greater_is_better"}}`` of ``spec["options"]["predictions"]``.

    Raises
    ------
    StageError : as :func:`harness.tasks.score.score`.
    """
    predictions = spec["options"]["predictions"]
    report.progress("score", 0, len(predictions), cell.task.metric)
    rows = load_rows(Path(spec["inputs"]["tokenised"]) / "evaluation.npz")
    references = rows.labels[: len(predictions)].tolist()
    return {"metric": score(cell.task.metric, predictions, references, cell.task)}
