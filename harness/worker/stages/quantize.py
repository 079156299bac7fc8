"""The stage `quantize`: a cell's artefact from the shared FP32 checkpoint, made by the cell's backend."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.base import backend_class
from harness.data.seeding import seed_python
from harness.data.token_rows import load_rows
from harness.errors import StageError

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.ipc.report import Report


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Have the backend write the artefact into ``spec["out"]`` from checkpoint and training rows.

    The evaluation rows are not even read.

    Returns
    -------
    dict : the backend's provenance, and seconds.

    Raises
    ------
    StageError : ``bad_config`` when the backend does not support the cell; whatever the backend raises.
    """
    backend = backend_class(cell.backend.name)
    because = backend.supports(cell)
    if because is not None:
        raise StageError("bad_config", f"{cell.key}: {because}")
    seed_python(spec["seed"])
    train = load_rows(Path(spec["inputs"]["tokenised"]) / "train.npz")
    start = time.monotonic()
    report.progress("quantize", 0, 1, "loading")
    provenance = backend().quantize(Path(spec["inputs"]["checkpoint"]), cell, train, Path(spec["out"]), report)
    report.progress("quantize", 1, 1)
    return {**provenance, "seconds": time.monotonic() - start}
