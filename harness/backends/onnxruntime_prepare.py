"""Makes ONNX Runtime's artefacts from the FP32 checkpoint. Needs torch and onnx beside ONNX Runtime."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.approaches.calibration import choose
from harness.backends import export_network, onnxruntime_recipe
from harness.backends.onnxruntime import session

if TYPE_CHECKING:
    from harness.approaches.calibration import Calibration
    from harness.plan.cell import Cell
    from harness.worker.channel import Report
    from harness.worker.rows import Rows

#: The newest operator set that torch's TorchScript exporter writes natively for all layers of an encoder.
_OPERATOR_SET = 17


def make(checkpoint: Path, cell: Cell, train: Rows, file: Path, report: Report) -> dict[str, Any]:
    """Write the cell's ONNX model to `file`; return provenance.

    Raises
    ------
    StageError : ``error`` when the exported FP32 network's logits differ from PyTorch's, and as the network's loading.
    """
    approach = cell.approach
    report.progress("export", 0, 1)
    network = export_network.load_network(checkpoint, cell)
    provenance: dict[str, Any] = {"recipe": approach.method, "fallback": list(approach.fallback)}
    with tempfile.TemporaryDirectory(dir=file.parent) as folder, contextlib.redirect_stdout(sys.stderr):
        exported = file if approach.method == "none" else Path(folder) / "exported.onnx"
        _export(network, exported)
        provenance["largest_difference_from_pytorch"] = export_network.require_equal(
            network, lambda batch: session(exported).run(None, batch)[0]
        )
        if approach.method != "none":
            provenance |= _lower(exported, file, network, cell, train, report)
    return provenance


def _export(network: Any, file: Path) -> None:
    import torch

    module, example = export_network.exportable(network)
    sizes = {name: {0: "rows", 1: "tokens"} for name in example}
    with torch.no_grad():
        # dynamo=False: the graph of the newer exporter runs slower here.
        torch.onnx.export(
            module,
            tuple(example.values()),
            str(file),
            dynamo=False,
            opset_version=_OPERATOR_SET,
            input_names=list(example),
            output_names=[export_network.OUTPUT],
            dynamic_axes={**sizes, export_network.OUTPUT: {0: "rows"}},
        )


def _lower(exported: Path, file: Path, network: Any, cell: Cell, train: Rows, report: Report) -> dict[str, Any]:
    import onnx
    from onnxruntime.quantization import quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    approach = cell.approach
    ready = exported.with_name("ready.onnx")
    # The symbolic shapes are skipped: nothing needs them, and sympy takes long.
    quant_pre_process(str(exported), str(ready), skip_symbolic_shape=True)
    nodes = onnx.load(str(ready)).graph.node
    products = [node.name for node in nodes if node.op_type in ("MatMul", "Gemm")]
    kept = export_network.kept_nodes(network, approach.fallback, products)
    if approach.method == "dynamic":
        quantize_dynamic(
            str(ready),
            str(file),
            # It turns each Gemm into a MatMul of this name before it looks.
            nodes_to_exclude=[*kept, *(f"{name}_MatMul" for name in kept)],
            # Only products with weights: of two activations, one would be taken for a weight.
            extra_options={"WeightSymmetric": True, "MatMulConstBOnly": True},
            **onnxruntime_recipe.weight_arguments(approach),
        )
        return {"kept_fp32": kept}
    calibration = choose(train.lengths, approach.calibration)
    shown = _Shown(train, calibration, list(export_network.exportable(network)[1]), report)
    arguments = onnxruntime_recipe.static_arguments(approach)
    quantize_static(str(ready), str(file), shown, nodes_to_exclude=kept, **arguments)
    return {"kept_fp32": kept, "calibration": calibration.provenance()}


class _Shown:
    """The calibration batches as ONNX Runtime's calibrators ask for them: those of a range, then None."""

    def __init__(self, train: Rows, calibration: Calibration, inputs: list[str], report: Report):
        self._train, self._inputs, self._report = train, inputs, report
        self._batches = calibration.batches
        self._next, self._end = 0, len(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Show the batches from `start_index` up to `end_index`."""
        self._next, self._end = start_index, end_index

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, or None at the end of the range."""
        if self._next >= self._end:
            return None
        batch = self._train.batch(self._batches[self._next])
        self._next += 1
        self._report.progress("calibrate", self._next, len(self))
        return {name: batch[name] for name in self._inputs}
