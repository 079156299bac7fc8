"""A cell of OpenVINO as what a tuner searches.

NNCF takes no ranges from outside, so it calibrates once for each recipe of the whole model, and a candidate is that
model with the fake quantizers of what falls back taken out again: NNCF's own accuracy control goes that way too. Where
only weights are quantized before the run, a candidate is compressed anew, which shows it no row.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.approaches.calibration import choose
from harness.backends.base import Tunable, TuningRequest
from harness.backends.common import export_network
from harness.backends.common.candidates import CandidateBuilder, CandidateSubject, cell_of, recipes
from harness.backends.common.export_costs import multiplications
from harness.backends.openvino import export, quantizer
from harness.backends.openvino.runtime import MODEL
from harness.config.schema import QuantizerConfig

if TYPE_CHECKING:
    from harness.tuning.recipe import Recipe

#: Activations that race against the approach's own.
_OTHERS = tuple(
    QuantizerConfig(dtype=dtype, scheme=scheme, observer=observer)
    for dtype, scheme in (("uint8", "affine"), ("int8", "symmetric"))
    for observer in ("minmax", "histogram")
)

#: Operations that move numbers and change none: a quantizer may stand before them.
_MOVES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Convert")

#: What stands between a weight's codes and the product that takes them.
_DECODING = ("Convert", "Subtract", "Multiply", *_MOVES)


def tunable(openvino: Any, request: TuningRequest) -> Tunable:
    """See :meth:`harness.backends.base.Backend.tunable`."""
    cell = request.cell
    request.report.progress("tune", 0, len(request.evaluation), "converting")
    network = export_network.load_network(request.checkpoint, cell)
    plain = export.convert(openvino, network)
    export_network.require_equal(network, lambda batch: export.logits(openvino, plain, batch))
    inputs = [port.any_name for port in plain.inputs]
    nodes = export.lowered_nodes(plain)
    calibration = choose(request.train.lengths, cell.approach.calibration)
    calibrated: dict[str, Any] = {}

    def lowered(recipe: Recipe) -> Any:
        approach = cell_of(cell, recipe).approach
        kept = export_network.kept_nodes(network, approach.fallback, nodes)
        if approach.method == "dynamic":
            return export.compressed(plain.clone(), kept)
        whole = recipe.falling_back(())
        if whole.digest not in calibrated:
            shown = export.Shown(request.train, calibration, inputs, request.report)
            model = export.calibrated(plain.clone(), [], approach, shown, codes=False)
            calibrated[whole.digest] = model
        return released(calibrated[whole.digest].clone(), kept)

    def make(recipe: Recipe | None, out: Path) -> None:
        model = plain.clone() if recipe is None else lowered(recipe)
        if cell.approach.method == "static" and recipe is not None:
            export.store_codes(model)
        openvino.save_model(model, out / MODEL, compress_to_fp16=False)

    tried = recipes(cell, _OTHERS, quantizer.OBSERVERS)
    there = set(quantized_nodes(lowered(tried[0])))
    work = multiplications(network, [node for node in nodes if node in there], request.train, calibration)
    subject = CandidateSubject(request, CandidateBuilder(work, make))
    provenance = {"recipe": cell.approach.method, "calibration": calibration.provenance()}
    return Tunable(subject, tried, subject.save, provenance)


def quantized_nodes(model: Any) -> list[str]:
    """Return the names of the products and look-ups that take a quantized input."""

    def quantized(output: Any) -> bool:
        node = output.get_node()
        kind = node.get_type_name()
        if kind in _DECODING:
            return quantized(node.input_value(0))
        return kind == "FakeQuantize" or (kind == "Constant" and output.get_element_type().to_dtype() == np.int8)

    nodes = [node for node in model.get_ops() if node.get_type_name() in export.LOWERED]
    return [node.get_friendly_name() for node in nodes if any(quantized(value) for value in node.input_values())]


def released(model: Any, kept: Iterable[str]) -> Any:
    """Let the nodes named in `kept` take FP32 again; changes `model` in place and returns it."""
    names = set(kept)
    for node in model.get_ops():
        if node.get_friendly_name() not in names:
            continue
        for place, value in enumerate(node.input_values()):
            before = _before_quantizer(value)
            if before is not None:
                node.input(place).replace_source_output(before)
    model.validate_nodes_and_infer_types()
    return model


def _before_quantizer(output: Any) -> Any | None:
    """Return what `output` is without its fake quantizer, or None when it has none.

    What only moves the numbers behind the quantizer is done again, for others may take it quantized.
    """
    from openvino.utils.node_factory import NodeFactory

    node = output.get_node()
    if node.get_type_name() == "FakeQuantize":
        return node.input_value(0)
    if node.get_type_name() not in _MOVES:
        return None
    before = _before_quantizer(node.input_value(0))
    if before is None:
        return None
    inputs = [before, *node.input_values()[1:]]
    return NodeFactory().create(node.get_type_name(), inputs, node.get_attributes()).output(output.get_index())
