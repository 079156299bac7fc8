"""Post-training static quantization of a frozen graph by Intel Neural Compressor, 3.x and 2.x.

Both rewrite the products to quantized ones with activation ranges seen in calibration. Activations must be asymmetric:
symmetric ones become quint8 in SCALED mode, which clips every negative number.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.tensorflow_common.frozen_graph import OUTPUT
from harness.errors import StageError

if TYPE_CHECKING:
    from harness.approaches.calibration import Calibration
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

_FLOAT = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}

#: ``(graph, inputs, calibration, kept) -> graph``, where the products `kept` stay in FP32: one of the functions below.
Quantizer = Callable[[Any, Sequence[str], "Shown", Sequence[str]], Any]


class Shown:
    """The calibration rows in the form that Neural Compressor iterates over: ``(arrays in input order, label)``."""

    def __init__(self, train: AnyRows, chosen: Calibration, inputs: Sequence[str], report: Report):
        self.batch_size = len(chosen.batches[0])
        self.samples = len(chosen.rows)
        self._batches = chosen.batches
        self._train = train
        self._inputs = inputs
        self._report = report

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[tuple[np.ndarray, ...], int]]:
        for done, indices in enumerate(self._batches, start=1):
            batch = self._train.batch(indices)
            # The label is never read; a batch of one would be unpacked wrongly without it.
            yield tuple(batch[name].astype(np.int32) for name in self._inputs), 0
            self._report.progress("calibrate", done, len(self._batches))


def quantize_3(graph: Any, inputs: Sequence[str], calibration: Shown, kept: Sequence[str]) -> Any:
    """Return the graph quantized by Neural Compressor 3.x."""
    from neural_compressor.tensorflow import Model, StaticQuantConfig, quantize_model

    config = StaticQuantConfig(act_sym=False)
    for name in kept:
        config.set_local(f"{name}/MatMul", StaticQuantConfig(weight_dtype="fp32", act_dtype="fp32"))
    with _scratch_folder():
        model = Model(graph)
        model.input_tensor_names, model.output_tensor_names = list(inputs), [OUTPUT]
        return quantize_model(model, config, calibration, calib_iteration=len(calibration)).graph_def


def quantize_2(graph: Any, inputs: Sequence[str], calibration: Shown, kept: Sequence[str]) -> Any:
    """Return the graph quantized by Neural Compressor 2.x, also where the plug-in is installed.

    ``backend="default"`` there too: ``"itex"`` quantizes activations symmetrically.
    """
    from neural_compressor import PostTrainingQuantConfig, quantization, set_workspace

    config = PostTrainingQuantConfig(
        approach="static",
        backend="default",
        inputs=list(inputs),
        outputs=[OUTPUT],
        calibration_sampling_size=calibration.samples,
        op_type_dict={"MatMul": {"activation": {"scheme": ["asym"]}, "weight": {"granularity": ["per_tensor"]}}},
        op_name_dict={f"{name}/MatMul": _FLOAT for name in kept},
        quant_level=1,
    )
    with _scratch_folder() as folder:
        set_workspace(folder)
        quantized = quantization.fit(graph, config, calib_dataloader=calibration)
    if quantized is None:
        raise StageError("error", "Neural Compressor found no quantized graph")
    return quantized.graph_def


def quantized_products(graph: Any) -> int:
    """Return how many quantized products a graph has."""
    return sum("Quantized" in node.op and "MatMul" in node.op for node in graph.node)


@contextlib.contextmanager
def _scratch_folder() -> Iterator[str]:
    """Work in a folder of its own: Neural Compressor writes graphs and logs into the current one."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield folder
