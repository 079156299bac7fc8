"""A cell of ONNX Runtime as what a tuner searches.

The network is exported once, and calibrated once for each observer: ONNX Runtime's quantizer takes ranges from a file
that an earlier calibration has written. A candidate is the very file that ``quantize`` would make of its recipe; races
and the order of ops run those files too, since attention's own products are quantized here, which torch has no form of.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.approaches.calibration import choose
from harness.backends import export_network, onnxruntime_prepare, onnxruntime_recipe
from harness.backends.base import ToTune, Tunable
from harness.backends.candidate_tuning import CandidateSubject, Workshop, cell_of, recipes
from harness.backends.export_tuning import multiplications
from harness.backends.onnxruntime import MODEL, session
from harness.plan.config import QuantizerConfig

if TYPE_CHECKING:
    from harness.plan.config import ApproachConfig
    from harness.tuning.recipe import Recipe

#: Activations that race against the approach's own.
_OTHERS = (
    QuantizerConfig(dtype="uint8"),
    QuantizerConfig(dtype="uint8", observer="kl"),
    QuantizerConfig(dtype="uint8", observer="percentile", percentile=99.99),
    QuantizerConfig(dtype="uint8", observer="percentile", percentile=99.9),
    QuantizerConfig(dtype="uint8", scheme="symmetric"),
)


def tunable(asked: ToTune) -> Tunable:
    """See :meth:`harness.backends.base.Backend.tunable`."""
    cell, folder = asked.cell, asked.folder
    asked.report.progress("tune", 0, len(asked.evaluation), "exporting")
    network = export_network.load_network(asked.checkpoint, cell)
    exported = folder / "exported.onnx"
    with contextlib.redirect_stdout(sys.stderr):
        onnxruntime_prepare.export(network, exported)
        export_network.require_equal(network, lambda batch: session(exported).run(None, batch)[0])
        ready, products = onnxruntime_prepare.preprocess(exported)
    calibration = choose(asked.train.lengths, cell.approach.calibration)
    shown = onnxruntime_prepare.Shown(asked.train, calibration, network, asked.report)
    work = multiplications(network, products, asked.train, calibration)
    if cell.approach.method == "dynamic":  # which quantizes no product of activations
        work = {op: done for op, done in work.items() if op in export_network.linear_names(network)}

    def make(recipe: Recipe | None, out: Path) -> None:
        file = out / MODEL
        if recipe is None:
            file.write_bytes(exported.read_bytes())
            return
        approach = cell_of(cell, recipe).approach
        kept = export_network.kept_nodes(network, approach.fallback, products)
        with contextlib.redirect_stdout(sys.stderr):
            if approach.method == "dynamic":
                onnxruntime_prepare.quantize_dynamic(ready, file, kept, approach)
            else:
                ranges = _calibrated(folder, approach, ready, shown)
                onnxruntime_prepare.quantize_static(ready, file, kept, approach, shown, ranges)

    subject = CandidateSubject(asked, Workshop(work, make))
    provenance = {"recipe": cell.approach.method, "calibration": calibration.provenance()}

    def save(recipe: Recipe, out: Path) -> dict[str, Any]:
        told = subject.save(recipe, out)
        for file in (exported, ready):
            file.unlink()
        return told

    return Tunable(subject, recipes(cell, _OTHERS, onnxruntime_recipe.OBSERVERS), save, provenance)


def _calibrated(folder: Path, approach: ApproachConfig, ready: Path, shown: onnxruntime_prepare.Shown) -> Path:
    """Return the file of an observer's ranges, calibrated with every product quantized if it is not there yet."""
    observer = approach.activation
    share = f"-{observer.percentile:g}" if observer.observer == "percentile" else ""
    ranges = folder / f"ranges-{observer.observer}{share}.json"
    if not ranges.exists():
        unfinished, unwanted = ranges.with_suffix(".new"), folder / "calibration.onnx"
        unfinished.unlink(missing_ok=True)
        onnxruntime_prepare.quantize_static(ready, unwanted, [], approach, shown, unfinished)
        unwanted.unlink()
        unfinished.rename(ranges)
    return ranges
