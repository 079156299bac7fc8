"""The stage `quantize`: the cell's artefact from the shared FP32 checkpoint, by the cell's own backend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.base import backend_class
from harness.worker.rows import Rows

if TYPE_CHECKING:
    from harness.plan.cell import Cell
    from harness.worker.channel import Report


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Make the artefact in ``spec["out"]`` and return its provenance. Only training rows are within reach."""
    inputs = {name: Path(path) for name, path in spec["inputs"].items()}
    report.progress("quantize", 0, 1, "loading")
    train = Rows.load(inputs["tokenised"] / "train.npz")
    return backend_class(cell.backend.name)().quantize(inputs["checkpoint"], cell, train, Path(spec["out"]), report)
