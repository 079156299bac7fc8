"""Makes OpenVINO's artefacts from the FP32 checkpoint. Needs torch and NNCF beside OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.approaches.calibration import choose
from harness.backends.common import export_network
from harness.backends.openvino import quantizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.approaches.calibration import Calibration
    from harness.config.cell import Cell
    from harness.config.schema import ApproachConfig
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

#: The operations that NNCF may lower: matrix products, attention that was joined to one, and looking up embeddings.
LOWERED = ("MatMul", "ScaledDotProductAttention", "Gather")


def make(openvino: Any, checkpoint: Path, cell: Cell, train: AnyRows, file: Path, report: Report) -> dict[str, Any]:
    """Write the cell's IR to `file` (and its weights beside it); return provenance.

    Raises
    ------
    StageError : ``error`` when the converted FP32 network's logits differ from PyTorch's, and as the network's loading.
    """
    report.progress("convert", 0, 1)
    network = export_network.load_network(checkpoint, cell)
    model = convert(openvino, network)
    difference = export_network.require_equal(network, lambda batch: logits(openvino, model, batch))
    provenance = {
        "recipe": cell.approach.method,
        "fallback": list(cell.approach.fallback),
        "largest_difference_from_pytorch": difference,
    }
    if cell.approach.method in ("static", "dynamic", "weight_only"):
        model, more = _lower(model, network, cell, train, report)
        provenance |= more
    openvino.save_model(model, file, compress_to_fp16=False)
    return provenance


def convert(openvino: Any, network: Any) -> Any:
    """Return the FP32 network as a model of OpenVINO."""
    import torch

    module, example = export_network.exportable(network)
    shape = openvino.PartialShape([-1, -1])
    with torch.no_grad():
        model = openvino.convert_model(
            module, example_input=tuple(example.values()), input=[(shape, openvino.Type.i64)] * len(example)
        )
    for port, name in zip(model.inputs, example, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)
    model.output(0).get_tensor().set_names({export_network.OUTPUT})
    return model


def logits(openvino: Any, model: Any, batch: dict[str, np.ndarray]) -> np.ndarray:
    """Return what a model gives for a batch in FP32."""
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(batch)[0]


def _lower(model: Any, network: Any, cell: Cell, train: AnyRows, report: Report) -> tuple[Any, dict[str, Any]]:
    approach = cell.approach
    kept = export_network.kept_nodes(network, approach.fallback, lowered_nodes(model))
    if approach.method != "static":
        return compressed(model, kept), {"kept_fp32": kept}
    calibration = choose(train.lengths, approach.calibration)
    shown = Shown(train, calibration, [port.any_name for port in model.inputs], report)
    return calibrated(model, kept, approach, shown), {"kept_fp32": kept, "calibration": calibration.provenance()}


def lowered_nodes(model: Any) -> list[str]:
    """Return the names of the nodes that NNCF may lower."""
    return [node.get_friendly_name() for node in model.get_ops() if node.get_type_name() in LOWERED]


def compressed(model: Any, kept: list[str]) -> Any:
    """Return the model with 8-bit weights, but for the nodes named in `kept`."""
    nncf = import_nncf()
    ignored = nncf.IgnoredScope(names=kept)
    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM, ignored_scope=ignored)


def calibrated(model: Any, kept: list[str], approach: ApproachConfig, shown: Shown, *, codes: bool = True) -> Any:
    """Return the model whose ranges come from the rows `shown`; nodes named in `kept` stay FP32.

    Parameters
    ----------
    codes : store weights as their codes; else in FP32 before their fake quantizers, which can be taken out again.
    """
    nncf = import_nncf()
    arguments = quantizer.static_arguments(approach)
    arguments["advanced_parameters"].backend_params["compress_weights"] = codes
    return nncf.quantize(
        model,
        nncf.Dataset(shown),
        subset_size=len(shown),
        ignored_scope=nncf.IgnoredScope(names=kept),
        **arguments,
    )


def store_codes(model: Any) -> None:
    """Store quantized weights as their codes, which is the last thing that NNCF does when it quantizes."""
    from openvino._offline_transformations import compress_quantize_weights_transformation

    compress_quantize_weights_transformation(model)


def import_nncf() -> Any:
    """Return NNCF, which tells errors only."""
    import logging

    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf


class Shown:
    """The calibration batches, which NNCF goes through once for each of its algorithms."""

    def __init__(self, train: AnyRows, calibration: Calibration, inputs: list[str], report: Report):
        self._train, self._calibration, self._inputs, self._report = train, calibration, inputs, report

    def __len__(self) -> int:
        return len(self._calibration.batches)

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        for done, indices in enumerate(self._calibration.batches, start=1):
            batch = self._train.batch(indices)
            yield {name: batch[name] for name in self._inputs}
            self._report.progress("calibrate", done, len(self))
