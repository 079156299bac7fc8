"""Makes ONNX Runtime's artefacts from the FP32 checkpoint. Needs torch and onnx beside ONNX Runtime."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.approaches.calibration import choose
from harness.backends.common import export_network
from harness.backends.onnxruntime import quantizer
from harness.backends.onnxruntime.runtime import session

if TYPE_CHECKING:
    from harness.approaches.calibration import Calibration
    from harness.config.cell import Cell
    from harness.config.schema import ApproachConfig
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

#: The newest operator set that torch's TorchScript exporter writes natively for all layers of an encoder.
_OPERATOR_SET = 17


def make(checkpoint: Path, cell: Cell, train: AnyRows, file: Path, report: Report) -> dict[str, Any]:
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
        export(network, exported)
        provenance["largest_difference_from_pytorch"] = export_network.require_equal(
            network, lambda batch: session(exported).run(None, batch)[0]
        )
        if approach.method != "none":
            ready, products = preprocess(exported)
            kept = export_network.kept_nodes(network, approach.fallback, products)
            provenance["kept_fp32"] = kept
            if approach.method == "dynamic":
                quantize_dynamic(ready, file, kept, approach)
            else:
                calibration = choose(train.lengths, approach.calibration)
                quantize_static(ready, file, kept, approach, Shown(train, calibration, network, report))
                provenance["calibration"] = calibration.provenance()
    return provenance


def export(network: Any, file: Path) -> None:
    """Write the FP32 network as ONNX."""
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


def preprocess(exported: Path) -> tuple[Path, list[str]]:
    """Write the model as the quantizers want it, beside `exported`; return its path and the names of its products."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = exported.with_name("ready.onnx")
    # The symbolic shapes are skipped: nothing needs them, and sympy takes long.
    quant_pre_process(str(exported), str(ready), skip_symbolic_shape=True)
    nodes = onnx.load(str(ready)).graph.node
    return ready, [node.name for node in nodes if node.op_type in ("MatMul", "Gemm")]


def quantize_dynamic(ready: Path, file: Path, kept: list[str], approach: ApproachConfig) -> None:
    """Write the model whose products find the range of their inputs at run time; nodes named in `kept` stay FP32."""
    from onnxruntime import quantization

    quantization.quantize_dynamic(
        str(ready),
        str(file),
        # It turns each Gemm into a MatMul of this name before it looks.
        nodes_to_exclude=[*kept, *(f"{name}_MatMul" for name in kept)],
        # Only products with weights: of two activations, one would be taken for a weight.
        extra_options={"WeightSymmetric": True, "MatMulConstBOnly": True},
        **quantizer.weight_arguments(approach),
    )


def quantize_static(
    ready: Path, file: Path, kept: list[str], approach: ApproachConfig, shown: Shown, ranges: Path | None = None
) -> None:
    """Write the model whose ranges come from the rows `shown`; nodes named in `kept` stay FP32.

    Parameters
    ----------
    ranges : where they are read from in place of calibrating, or written to if there is no such file.
    """
    from onnxruntime import quantization

    arguments = quantizer.static_arguments(approach)
    quantization.quantize_static(
        str(ready), str(file), shown, nodes_to_exclude=kept, calibration_cache_path=ranges, **arguments
    )


class Shown:
    """The calibration batches as ONNX Runtime's calibrators ask for them: those of a range, then None."""

    def __init__(self, train: AnyRows, calibration: Calibration, network: Any, report: Report):
        self._train, self._inputs, self._report = train, list(export_network.exportable(network)[1]), report
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
