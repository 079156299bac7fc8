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
from harness.backends.base import Tunable, TuningRequest
from harness.backends.common import export_network
from harness.backends.common.candidates import CandidateBuilder, CandidateSubject, cell_of, recipes
from harness.backends.common.export_costs import multiplications
from harness.backends.onnxruntime import export, quantizer
from harness.backends.onnxruntime.runtime import MODEL, session
from harness.config.schema import QuantizerConfig

if TYPE_CHECKING:
    from harness.config.schema import ApproachConfig
    from harness.tuning.recipe import Recipe

#: Activations that race against the approach's own.
_OTHERS = (
    QuantizerConfig(dtype="uint8"),
    QuantizerConfig(dtype="uint8", observer="kl"),
    QuantizerConfig(dtype="uint8", observer="percentile", percentile=99.99),
    QuantizerConfig(dtype="uint8", observer="percentile", percentile=99.9),
    QuantizerConfig(dtype="uint8", scheme="symmetric"),
)


def tunable(request: TuningRequest) -> Tunable:
    """See :meth:`harness.backends.base.Backend.tunable`."""
    cell, folder = request.cell, request.folder
    request.report.progress("tune", 0, len(request.evaluation), "exporting")
    network = export_network.load_network(request.checkpoint, cell)
    exported = folder / "exported.onnx"
    with contextlib.redirect_stdout(sys.stderr):
        export.export(network, exported)
        export_network.require_equal(network, lambda batch: session(exported).run(None, batch)[0])
        ready, products = export.preprocess(exported)
    calibration = choose(request.train.lengths, cell.approach.calibration)
    shown = export.Shown(request.train, calibration, network, request.report)
    work = multiplications(network, products, request.train, calibration)
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
                export.quantize_dynamic(ready, file, kept, approach)
            else:
                ranges = _calibrated(folder, approach, ready, shown)
                export.quantize_static(ready, file, kept, approach, shown, ranges)

    subject = CandidateSubject(request, CandidateBuilder(work, make))
    provenance = {"recipe": cell.approach.method, "calibration": calibration.provenance()}

    def save(recipe: Recipe, out: Path) -> dict[str, Any]:
        told = subject.save(recipe, out)
        for file in (exported, ready):
            file.unlink()
        return told

    return Tunable(subject, recipes(cell, _OTHERS, quantizer.OBSERVERS), save, provenance)


def _calibrated(folder: Path, approach: ApproachConfig, ready: Path, shown: export.Shown) -> Path:
    """Return the file of an observer's ranges, calibrated with every product quantized if it is not there yet."""
    observer = approach.activation
    share = f"-{observer.percentile:g}" if observer.observer == "percentile" else ""
    ranges = folder / f"ranges-{observer.observer}{share}.json"
    if not ranges.exists():
        unfinished, unwanted = ranges.with_suffix(".new"), folder / "calibration.onnx"
        unfinished.unlink(missing_ok=True)
        export.quantize_static(ready, unwanted, [], approach, shown, unfinished)
        unwanted.unlink()
        unfinished.rename(ranges)
    return ranges
