"""A torch model with linear layers as the subject of a search: calibrated once, every recipe derived from that.

Works on any module. A batch is a dict of tensors for keyword arguments (labels among them are left out), a tensor, or a
tuple or list whose first item is one of these.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from harness.approaches.mapping import codes
from harness.approaches.observers import MagnitudeHistogram
from harness.backends.torch_common.artefact import bfloat16_layer, dynamic_layer, static_layer
from harness.backends.torch_common.tuning.layers import (
    input_quantized_layer,
    linears,
    quantized_weight,
    size_bytes,
    with_layers,
)
from harness.config.schema import QuantizerConfig
from harness.errors import StageError, nearest
from harness.tuning.divergence import Reference
from harness.tuning.errors import TuningError
from harness.tuning.latency import latency_ns
from harness.tuning.ranges import mapping
from harness.tuning.recipe import Recipe, whole_model
from harness.tuning.subject import Decided, Evaluated

#: Evaluates a model; may end early when the second argument says so, asked with the scores of the rows seen so far.
Evaluate = Callable[[torch.nn.Module, Decided], Evaluated]

_LABELS = ("labels", "label", "label_ids", "start_positions", "end_positions")


@dataclass(frozen=True)
class Calibrated:
    """What the calibration rows showed: histograms at ``NAME.input`` and ``NAME.output``, multiplications per op."""

    histograms: Mapping[str, MagnitudeHistogram]
    multiplications: Mapping[str, int]


def call(network: torch.nn.Module, batch: Any) -> Any:
    """Run `network` on a batch without gradients."""
    if isinstance(batch, (tuple, list)):
        batch = batch[0]
    with torch.no_grad():
        if isinstance(batch, Mapping):
            return network(**{name: value for name, value in batch.items() if name not in _LABELS})
        return network(batch)


def calibrate(network: torch.nn.Module, batches: Iterable[Any]) -> Calibrated:
    """Show `network` each batch once and keep what enters and leaves its linear layers.

    Raises
    ------
    StageError : ``nan`` when a value is not finite, ``bad_data`` when no linear layer was used.
    """
    histograms: dict[str, MagnitudeHistogram] = {}
    multiplications: dict[str, int] = {}

    there = linears(network)

    def observe(name: str, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        for place, tensor in (("input", inputs[0]), ("output", output)):
            histogram = histograms.setdefault(f"{name}.{place}", MagnitudeHistogram())
            histogram.add(tensor.detach().float().numpy())
        products = inputs[0].numel() * there[name].out_features
        multiplications[name] = multiplications.get(name, 0) + products

    hooks = [network.get_submodule(name).register_forward_hook(functools.partial(observe, name)) for name in there]
    try:
        for batch in batches:
            call(network, batch)
    finally:
        for hook in hooks:
            hook.remove()
    if not multiplications:
        raise StageError("bad_data", "calibration: the model used no floating-point linear layer on these rows")
    return Calibrated(histograms, multiplications)


class TorchProxy:
    """Candidates of torch with real INT8 layers, and how far each is from FP32 on a few rows.

    Parameters
    ----------
    network : FP32; never changed.
    calibrated : of that network.
    batches : the rows that divergence is taken on.
    quantized_outputs : whether a static layer's output is quantized too, as by torch's kernels; else it is the sum of
        the products of codes, in FP32, as with runtimes that quantize inputs alone.
    bfloat16_fallback : ops that fall back run in bfloat16 instead of FP32.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        calibrated: Calibrated,
        batches: Sequence[Any],
        quantized_outputs: bool = True,
        bfloat16_fallback: bool = False,
    ):
        self._network = network.eval()
        self._calibrated = calibrated
        self._batches = list(batches)
        self._static = static_layer if quantized_outputs else input_quantized_layer
        self._bfloat16 = bfloat16_fallback
        there = linears(network)
        self._linears = {name: there[name] for name in there if name in calibrated.multiplications}
        outputs = [call(self._network, batch) for batch in self._batches]
        self._against = Reference(map(_outputs, outputs), kind_of(self._network, outputs[0]))
        self._layers: dict[tuple[Any, ...], Any] = {}

    def ops(self) -> list[str]:
        """Return the linear layers that calibration saw at work."""
        return list(self._linears)

    def saving(self, op: str) -> float:
        """Return the multiplications that `op` did on the calibration rows, which its latency goes with."""
        return float(self._calibrated.multiplications[op])

    def divergence(self, recipe: Recipe) -> float:
        """Return how far the candidate's predictions are from FP32's; see :class:`Reference`."""
        network = self.build(recipe)
        return self._against.divergence(_outputs(call(network, batch)) for batch in self._batches)

    def build(self, recipe: Recipe) -> torch.nn.Module:
        """Return the network that a recipe describes: real INT8 layers, nothing calibrated again.

        Raises
        ------
        StageError : ``bad_config`` for a recipe that torch cannot run, or an op that is not there.
        """
        for op in recipe.fallback:
            if op not in self._linears:
                raise StageError("bad_config", f"fallback: no linear layer '{op}'{nearest(op, self._linears)}")
        layers = {op: self._layer(op, recipe.approach) for op in self._linears if op not in recipe.fallback}
        if self._bfloat16:
            for op in recipe.fallback:
                layers[op] = self._cached(("bf16", op), functools.partial(bfloat16_layer, self._linears[op]))
        return with_layers(self._network, layers)

    def _layer(self, op: str, approach: Mapping[str, Any]) -> torch.nn.Module:
        method = approach["method"]
        activation, weight = QuantizerConfig(**approach["activation"]), QuantizerConfig(**approach["weight"])
        linear = self._linears[op]
        packed = self._cached(("weight", op, weight), lambda: quantized_weight(linear, weight))
        bias = None if linear.bias is None else linear.bias.detach().float()
        if method == "dynamic":
            return dynamic_layer(packed, bias, activation.reduce_range)
        if method not in ("static", "qat"):
            raise StageError("bad_config", f"method={method}: want static, dynamic or qat")
        wanted = codes("uint8", activation.reduce_range)
        ends = (
            self._cached(
                (place, op, activation),
                functools.partial(mapping, activation, self._calibrated.histograms[f"{op}.{place}"], wanted),
            )
            for place in ("input", "output")
        )
        entering, leaving = ((float(end.scale), int(end.zero_point)) for end in ends)
        return self._static(packed, bias, entering, leaving)

    def _cached(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if key not in self._layers:
            self._layers[key] = make()
        return self._layers[key]


class TorchSubject(TorchProxy):
    """See :class:`harness.tuning.subject.Subject`.

    Parameters
    ----------
    proxy_batches : the rows that divergence is taken on; the first also times a forward pass.
    evaluate : makes the metrics, with `latency_ns`, `size_bytes` and `measured` left to this class.
    measures : functions of a model, by the name of the objective they measure.
    reference : the FP32 network that evaluations are held against, where `network` is not it (after QAT).
    """

    def __init__(
        self,
        network: torch.nn.Module,
        calibrated: Calibrated,
        proxy_batches: Sequence[Any],
        evaluate: Evaluate,
        measures: Mapping[str, Callable[[torch.nn.Module], float]] | None = None,
        bfloat16_fallback: bool = False,
        reference: torch.nn.Module | None = None,
    ):
        super().__init__(network, calibrated, proxy_batches, bfloat16_fallback=bfloat16_fallback)
        self._reference = network if reference is None else reference.eval()
        self._evaluate = evaluate
        self._measures = measures or {}

    def baseline(self) -> Evaluated:
        """Evaluate FP32 in full."""
        return self._measured(self._reference, self._evaluate(self._reference, lambda scores: False))

    def evaluate(self, recipe: Recipe, decided: Decided) -> Evaluated:
        """Evaluate a candidate."""
        network = self.build(recipe)
        return self._measured(network, self._evaluate(network, decided))

    def _measured(self, network: torch.nn.Module, evaluated: Evaluated) -> Evaluated:
        return Evaluated(
            evaluated.values,
            evaluated.rows,
            latency_ns(lambda: call(network, self._batches[0])),
            size_bytes(network),
            {name: float(measure(network)) for name, measure in self._measures.items()},
            evaluated.scores,
        )


def recipes(method: str, reduce_range: bool = False) -> list[Recipe]:
    """Return the recipes of the whole model that are worth a race, for a method of torch.

    Parameters
    ----------
    reduce_range : map activations to 7 bits.

    Raises
    ------
    TuningError : another method.
    """
    per_channel = QuantizerConfig(scheme="symmetric", granularity="per_channel")
    plain = QuantizerConfig(dtype="uint8", reduce_range=reduce_range)
    if method == "dynamic":
        per_tensor = QuantizerConfig(scheme="symmetric", granularity="per_tensor")
        return [whole_model(method, plain, weight) for weight in (per_channel, per_tensor)]
    activations = [plain]
    if method == "static":
        activations += [
            replace(plain, observer="kl"),
            replace(plain, observer="mse"),
            replace(plain, observer="percentile", percentile=99.99),
            replace(plain, observer="percentile", percentile=99.9),
            replace(plain, scheme="symmetric"),
        ]
    elif method != "qat":
        raise TuningError(f"method={method!r}: no such method{nearest(method, ('static', 'dynamic', 'qat'))}")
    return [whole_model(method, activation, per_channel) for activation in activations]


def kind_of(network: torch.nn.Module, output: Any) -> str:
    """Return what the outputs of `network`, of which `output` is one, are to :class:`Reference`.

    Logits of classes, unless the model's config says that labels do not exclude each other; what a model with named
    outputs does not call logits, such as the states of an encoder, are plain values.
    """
    if isinstance(output, Mapping) and not _named_logits(output):
        return "values"
    config = getattr(network, "config", None)
    return "labels" if getattr(config, "problem_type", None) == "multi_label_classification" else "classes"


def _outputs(output: Any) -> list[np.ndarray]:
    """Return each output named logits, or the first tensor that there is."""
    if isinstance(output, torch.Tensor):
        found = [output]
    elif isinstance(output, Mapping):
        found = _named_logits(output) or [value for value in output.values() if isinstance(value, torch.Tensor)][:1]
    elif isinstance(output, (tuple, list)):
        found = [value for value in output if isinstance(value, torch.Tensor)][:1]
    else:
        found = [value for value in (getattr(output, "logits", None),) if isinstance(value, torch.Tensor)]
    if not found:
        raise StageError("bad_data", f"model: its output, {type(output).__name__}, holds no tensor; want logits")
    return [tensor.float().numpy() for tensor in found]


def _named_logits(output: Mapping[str, Any]) -> list[torch.Tensor]:
    return [value for name, value in output.items() if name.endswith("logits") and isinstance(value, torch.Tensor)]
