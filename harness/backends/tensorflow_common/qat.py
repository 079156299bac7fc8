"""Quantization-aware training with our own fake quantization, and the INT8 graph of what it learnt.

No library does both for TensorFlow: the model-optimization toolkit refuses such a model as a whole and exports FP32,
Neural Compressor 2.x cannot save what it trains, 3.x trains nothing. So each product is trained with its weights and
inputs rounded (B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018), then emitted as TensorFlow's quantized product, for the same ranges.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.tensorflow_common.frozen_graph import INPUTS, constant, float_dense
from harness.errors import StageError

if TYPE_CHECKING:
    from harness.backends.tensorflow_common.encoder import Dense, Encoder
    from harness.config.schema import ApproachConfig
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

#: Steps of an unsigned activation and the largest code of a weight, whose codes are symmetric.
LEVELS = 255
LARGEST_WEIGHT = 127

#: Share of the newest batch in a moving range, as in torch's MovingAverageMinMaxObserver.
NEWEST_SHARE = 0.01

#: QuantizeV2 widens narrower ranges by itself, so the product must be told of the same range.
NARROWEST = 0.01

#: The mean loss over so many steps is one figure of the provenance.
LOSS_STEPS = 20


@dataclass(frozen=True)
class Trained:
    """What training yields: the encoder with its new weights, the range of each product's input, and the losses."""

    encoder: Encoder
    ranges: Mapping[str, tuple[float, float]]
    losses: list[float]


def train(encoder: Encoder, approach: ApproachConfig, kept: Sequence[str], rows: AnyRows, report: Report) -> Trained:
    """Fine-tune from the encoder's weights with AdamW, without dropout; the ranges stand still towards the end.

    Parameters
    ----------
    kept : products that stay in FP32.

    Raises
    ------
    StageError : ``nan`` when a loss is not finite.
    """
    import tensorflow as tf

    from harness.approaches.training import GRADIENT_NORM, batches, freeze_at, learning_rate

    config = approach.qat
    tf.random.set_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    weights = {
        name: tf.Variable(values, name=name) for name, values in encoder.weights.items() if values.dtype == np.float32
    }
    observed = [name for name in encoder.dense_names if name not in kept]
    ranges = {name: tf.Variable([0.0, 0.0], trainable=False) for name in observed}
    optimizer = tf.keras.optimizers.AdamW(config.learning_rate)
    step = _step(encoder, weights, ranges, approach, optimizer, GRADIENT_NORM)
    losses: list[float] = []
    for number, indices in enumerate(batches(rows.lengths, config.batch_size, config.steps, config.seed)):
        batch = rows.batch(indices)
        arrays = [tf.constant(batch[name], tf.int32) for name in INPUTS]
        watch = tf.constant(number < freeze_at(config))
        optimizer.learning_rate.assign(learning_rate(number, config))
        losses.append(float(step(*arrays, tf.constant(rows.labels[indices]), watch, tf.constant(number == 0))))
        if not math.isfinite(losses[-1]):
            raise StageError("nan", f"the loss of QAT step {number + 1} of {config.steps} is {losses[-1]}")
        report.progress("qat", number + 1, config.steps, f"loss {losses[-1]:.3f}")
    learnt = {name: weights[name].numpy() if name in weights else values for name, values in encoder.weights.items()}
    edges = {name: variable.numpy() for name, variable in ranges.items()}
    return Trained(
        encoder=dataclasses.replace(encoder, weights=learnt),
        ranges={name: (float(low), float(high)) for name, (low, high) in edges.items()},
        losses=[float(np.mean(losses[at : at + LOSS_STEPS])) for at in range(0, len(losses), LOSS_STEPS)],
    )


def _step(
    encoder: Encoder,
    weights: Mapping[str, Any],
    ranges: Mapping[str, Any],
    approach: ApproachConfig,
    optimizer: Any,
    gradient_norm: float,
) -> Any:
    """Return one training step, ``(input_ids, attention_mask, token_type_ids, labels, watch, first) -> loss``."""
    import tensorflow as tf

    from harness.backends.tensorflow_common.encoder import logits

    moving = approach.activation.observer == "moving_average"

    def observe(variable: Any, states: Any, watch: Any, first: Any) -> Any:
        # Zero is always inside: padding and ReLU give zeros, and they must stay zeros.
        low, high = tf.minimum(tf.reduce_min(states), 0.0), tf.maximum(tf.reduce_max(states), 0.0)
        seen = tf.stop_gradient(tf.stack([low, high]))
        wider = tf.stack([tf.minimum(variable[0], low), tf.maximum(variable[1], high)])
        updated = variable + NEWEST_SHARE * (seen - variable) if moving else tf.stop_gradient(wider)
        return variable.assign(tf.where(watch, tf.where(first, seen, updated), variable))

    def products(watch: Any, first: Any) -> Dense:
        def dense(name: str, states: Any) -> Any:
            kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            if name in ranges:
                edges = observe(ranges[name], states, watch, first)
                states = tf.quantization.fake_quant_with_min_max_vars(states, edges[0], edges[1])
                limit = tf.stop_gradient(tf.reduce_max(tf.abs(kernel)))
                kernel = tf.quantization.fake_quant_with_min_max_vars(kernel, -limit, limit, narrow_range=True)
            return tf.nn.bias_add(tf.matmul(states, kernel, transpose_b=True), bias)

        return dense

    def loss_of(outputs: Any, labels: Any) -> Any:
        if labels.dtype.is_floating:
            return tf.reduce_mean(tf.square(outputs[:, 0] - labels))
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs))

    # A checkpoint may hold weights that no logit depends on, such as the pooler of a RoBERTa.
    trained = list(weights.values())

    @tf.function(reduce_retracing=True)
    def step(input_ids: Any, attention_mask: Any, types: Any, labels: Any, watch: Any, first: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = logits(encoder, weights, products(watch, first), input_ids, attention_mask, types)
            loss = loss_of(outputs, labels)
        gradients = tape.gradient(loss, trained)
        pairs = [(slope, variable) for slope, variable in zip(gradients, trained, strict=True) if slope is not None]
        slopes, _ = tf.clip_by_global_norm([tf.convert_to_tensor(slope) for slope, _ in pairs], gradient_norm)
        optimizer.apply_gradients(zip(slopes, [variable for _, variable in pairs], strict=True))
        return loss

    return step


def quantized_dense(trained: Trained) -> Dense:
    """Return the product in INT8 for use inside a graph; one without a range stays in FP32."""
    import tensorflow as tf

    in_float = float_dense(trained.encoder)
    # Query, key and value read the same states with the same range: quantized once.
    done: dict[tuple[str, float, float], Sequence[Any]] = {}

    def dense(name: str, states: Any) -> Any:
        if name not in trained.ranges:
            return in_float(name, states)
        low, high, scale, zero = nudged(*trained.ranges[name])
        key = (states.name, low, high)
        if key not in done:
            done[key] = tf.raw_ops.QuantizeV2(
                input=states, min_range=low, max_range=high, T=tf.quint8, mode="MIN_FIRST", name=f"{name}/quantize"
            )
        codes, least, most = done[key]
        weights = trained.encoder.weights
        kernel, bias, limit = integers(weights[f"{name}.weight"], weights[f"{name}.bias"], scale, zero)
        return tf.raw_ops.QuantizedMatMulWithBiasAndDequantize(
            a=codes,
            b=constant(kernel.astype(tf.qint8.as_numpy_dtype), f"{name}/kernel"),
            bias=constant(bias.astype(tf.qint32.as_numpy_dtype), f"{name}/bias"),
            min_a=least,
            max_a=most,
            min_b=-limit,
            max_b=limit,
            # Read only where the result is an integer again.
            min_freezed_output=-1.0,
            max_freezed_output=1.0,
            Toutput=tf.float32,
            input_quant_mode="MIN_FIRST",
            name=f"{name}/MatMul",
        )

    return dense


def nudged(low: float, high: float) -> tuple[float, float, float, int]:
    """Return the range moved so that zero has a code of its own, as fake quantization moves it; its scale and code."""
    low, high = min(low, 0.0), max(high, 0.0)
    high = max(high, low + NARROWEST)
    scale = (high - low) / LEVELS
    zero = min(max(round(-low / scale), 0), LEVELS)
    return -zero * scale, (LEVELS - zero) * scale, scale, zero


def integers(kernel: np.ndarray, bias: np.ndarray, scale: float, zero: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a product's weights and bias as integers, and the largest weight.

    Parameters
    ----------
    kernel, bias : of shape (out, in) and (out,).
    scale, zero : of the activations, whose value is ``scale * (code - zero)``.

    Returns
    -------
    tuple : int8 codes of shape (in, out); int32 bias of shape (out,) in units of both scales, from which what the
        zero's code adds to each sum is taken off, for the kernel does not do that with an integer bias; limit.
    """
    limit = float(np.abs(kernel).max()) or 1.0
    weight_scale = limit / LARGEST_WEIGHT
    codes = np.clip(np.round(kernel.T / weight_scale), -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int64)
    units = np.round(bias.astype(np.float64) / (scale * weight_scale)) - zero * codes.sum(axis=0)
    whole = np.iinfo(np.int32)
    return np.ascontiguousarray(codes, np.int8), np.clip(units, whole.min, whole.max).astype(np.int32), limit
