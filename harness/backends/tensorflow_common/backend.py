"""What the TensorFlow backends share: all but the framework they run in and the Neural Compressor they quantize by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.backends.base import Backend, ExecutedPrecision, Tunable, TuningRequest
from harness.backends.common import external_tuners
from harness.backends.tensorflow_common import frozen_graph, static
from harness.backends.tensorflow_common.encoder import ARCHITECTURES
from harness.config import instructions
from harness.errors import StageError, nearest

if TYPE_CHECKING:
    from harness.backends.tensorflow_common.encoder import Encoder
    from harness.config.cell import Cell
    from harness.config.schema import ApproachConfig
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

#: Of model.architecture: what :mod:`harness.backends.tensorflow_common.encoder` reads.

#: What each method executes.
_PRECISIONS = {"none": "fp32", "cast": "bf16", "static": "int8", "qat": "int8"}

#: What the quantized product (QuantizedMatMulWithBiasAndDequantize) and Neural Compressor can do, field by field.
_WEIGHT = {
    "dtype": (("int8",), "the INT8 product takes int8 weights only"),
    "scheme": (("symmetric",), "the INT8 product takes symmetric weights only"),
    "granularity": (("per_tensor",), "the INT8 product takes one scale for all weights of a layer"),
    "observer": (("minmax",), "weights are observed by their largest value"),
    "reduce_range": ((False,), "the INT8 product takes weights of 8 bits"),
}
_ACTIVATION = {
    "dtype": (("uint8",), "the INT8 product takes uint8 activations only"),
    "scheme": (("affine",), "symmetric activations are quantized to uint8, which clips all negative numbers"),
    "granularity": (("per_tensor",), "the INT8 product takes activations with one scale a tensor"),
    "reduce_range": ((False,), "QuantizeV2 uses all 8 bits"),
}
_OBSERVERS = {
    "static": (("minmax",), "Neural Compressor observes a MatMul's inputs by minmax"),
    "qat": (("minmax", "moving_average"), "fake quantization observes by minmax or moving_average"),
}


def unsupported(cell: Cell, isa: Collection[str] | None = None) -> str | None:
    """Return why no TensorFlow backend can run the cell on a host with the instruction sets `isa`, or None."""
    approach = cell.approach
    if cell.model.architecture not in ARCHITECTURES:
        return f"architecture {cell.model.architecture} is not ported to TensorFlow; valid: {', '.join(ARCHITECTURES)}"
    if approach.method == "dynamic":
        return "Neural Compressor offers no dynamic quantization on TensorFlow"
    if approach.method not in _PRECISIONS:
        return f"method {approach.method} does not exist on TensorFlow here; valid: {', '.join(_PRECISIONS)}"
    if approach.precision != _PRECISIONS[approach.method]:
        return f"method {approach.method} executes {_PRECISIONS[approach.method]}, not {approach.precision}"
    # The plug-in does worse: it dies.
    because = instructions.unsupported(
        cell, isa, "cast", instructions.BF16_EMULATED, "oneDNN has no BF16 kernel without AVX-512, so another one runs"
    )
    if because is not None:
        return because
    if cell.tuner.name != "none":
        if not external_tuners.is_external(cell):
            return f"tuner {cell.tuner.name} does not tune TensorFlow graphs"
        because = external_tuners.unsupported(cell)
        if because is not None:
            return because
    if cell.backend.engine is not None:
        return f"there is no engine {cell.backend.engine}: the framework chooses its kernels"
    for where, options in (("backend", cell.backend.options), ("approach", approach.options)):
        if options:
            return f"{where}.options.{next(iter(options))} is unknown here"
    return _unsupported_recipe(approach)


def _unsupported_recipe(approach: ApproachConfig) -> str | None:
    if approach.precision != "int8":
        return "approach.fallback: nothing falls back, nothing is quantized" if approach.fallback else None
    limits: list[tuple[str, Any, tuple[Any, ...], str]] = [
        (f"weight.{name}", getattr(approach.weight, name), *limit) for name, limit in _WEIGHT.items()
    ]
    limits += [
        (f"activation.{name}", getattr(approach.activation, name), *limit) for name, limit in _ACTIVATION.items()
    ]
    limits.append(("activation.observer", approach.activation.observer, *_OBSERVERS[approach.method]))
    for name, value, valid, because in limits:
        if value not in valid:
            return f"{because}: approach.{name}={value}, want {' or '.join(str(choice) for choice in valid)}"
    return None


class TensorflowBackend(Backend):
    """A frozen graph in a session; a backend's file names the `quantizer` of its environment."""

    model_types = tuple(ARCHITECTURES)
    variables: ClassVar[tuple[str, ...]] = ("TF_", "CUDA_VISIBLE_DEVICES")

    #: Neural Compressor's static quantization, by the version in the environment.
    quantizer: static.Quantizer

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        return unsupported(cell, isa)

    def quantize(self, checkpoint: Path, cell: Cell, train: AnyRows, out: Path, report: Report) -> dict[str, Any]:
        from harness.backends.tensorflow_common.encoder import read_encoder

        _fix_threads()
        encoder, approach = read_encoder(checkpoint), cell.approach
        _require_finite(encoder)
        kept = kept_in_float(encoder, approach.fallback)
        provenance: dict[str, Any] = {"recipe": approach.method, "fallback": list(approach.fallback)}
        if approach.method == "qat":
            from harness.backends.tensorflow_common import qat

            trained = qat.train(encoder, approach, kept, train, report)
            graph = frozen_graph.build(trained.encoder, qat.quantized_dense(trained))
            provenance |= {"losses": trained.losses, "ranges": {name: list(r) for name, r in trained.ranges.items()}}
        else:
            graph = frozen_graph.build(encoder, frozen_graph.float_dense(encoder))
        if approach.method == "static":
            graph, provenance["calibration"] = self._static(graph, approach, kept, train, report)
        if approach.precision == "int8":
            provenance["quantized_layers"] = static.quantized_products(graph)
        frozen_graph.write(graph, out, {"cast_to_bfloat16": approach.method == "cast"})
        return provenance

    def _static(
        self, graph: Any, approach: ApproachConfig, kept: list[str], train: AnyRows, report: Report
    ) -> tuple[Any, dict[str, Any]]:
        from harness.approaches.calibration import choose

        chosen = choose(train.lengths, approach.calibration)
        inputs = frozen_graph.inputs_of(graph)
        shown = static.Shown(train, chosen, inputs, report)
        return type(self).quantizer(graph, inputs, shown, kept), chosen.provenance()

    def tunable(self, request: TuningRequest) -> Tunable:
        from harness.backends.tensorflow_common import inc

        _fix_threads()
        if type(self).quantizer is static.quantize_3:
            return inc.autotune(request)
        return inc.fit(request)

    def load(self, artefact: Path, cell: Cell) -> None:
        graph, facts = frozen_graph.read(artefact)
        self._runner = frozen_graph.Runner(
            graph, facts["inputs"], facts["output"], cast_to_bfloat16=facts["cast_to_bfloat16"]
        )
        self._call = self._runner.call

    def inputs(self, batch: Mapping[str, np.ndarray]) -> Any:
        return tuple(np.ascontiguousarray(batch[name], np.int32) for name in self._runner.inputs)

    def forward(self, inputs: Any) -> Any:
        return self._call(*inputs)

    def logits(self, outputs: Any) -> np.ndarray:
        return outputs

    def executed_precision(self, inputs: Any) -> ExecutedPrecision:
        return self._runner.executed(inputs)


def _fix_threads() -> None:
    """Fix the threads of eager execution, in which QAT trains; sessions have their own."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(frozen_graph.threads())
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _require_finite(encoder: Encoder) -> None:
    """Raise ``nan`` when a weight is not finite: every figure after it would be rubbish."""
    for name, values in encoder.weights.items():
        if not np.isfinite(values).all():
            raise StageError("nan", f"weight {name} of the checkpoint is not finite")


def kept_in_float(encoder: Encoder, fallback: tuple[str, ...]) -> list[str]:
    """Return the products that stay in FP32.

    Parameters
    ----------
    fallback : names of modules, from the network's root or from its encoder's; all products at and below one are meant.

    Raises
    ------
    StageError : ``bad_config`` for a name that no product has or stands below.
    """
    kept: set[str] = set()
    prefix = f"{encoder.names.prefix}."
    for name in fallback:
        whole = (name, prefix + name)
        below = {
            there for there in encoder.dense_names if there in whole or there.startswith(tuple(f"{w}." for w in whole))
        }
        if not below:
            message = f"approach.fallback: no linear layer '{name}'{nearest(name, encoder.dense_names)}"
            raise StageError("bad_config", message)
        kept |= below
    return [name for name in encoder.dense_names if name in kept]
