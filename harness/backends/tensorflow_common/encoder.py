"""BERT, DistilBERT, RoBERTa and ELECTRA classifiers in TensorFlow, read from a transformers checkpoint by NumPy alone.

The layers follow the checkpoints' own PyTorch code (transformers 4.57.6, ``models/{bert,distilbert,roberta,electra}``),
so logits agree to float32 rounding. Matrix products are two-dimensional with a constant right side and a bias: the form
that TensorFlow's quantized kernels and graph rewriters know.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import StageError, nearest

#: A matrix product with a bias: ``dense(name, inputs of (rows, in_features)) -> (rows, out_features)``, where `name` is
#: the module's in the checkpoint. Whoever calls :func:`logits` decides what precision that is.
Dense = Callable[[str, Any], Any]

#: Arrays of a checkpoint or tensors of a graph, by the parameter's name in the checkpoint.
Weights = Mapping[str, Any]

_NUMPY_OF_SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


@dataclass(frozen=True)
class Names:
    """What the modules of one architecture are called below the encoder's prefix, and where they differ in kind.

    `head` holds the classifier's layers in order, each with the activation that follows it. `pooled` is True where the
    first of them belongs to the encoder (BERT's pooler).
    """

    prefix: str
    layer: str
    query: str
    key: str
    value: str
    output: str
    output_norm: str
    up: str
    down: str
    down_norm: str
    head: tuple[tuple[str, str | None], ...]
    hidden_layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    token_types: bool = True
    projected: bool = False  # ELECTRA: embeddings narrower than the layers
    positions_after_padding: bool = False  # RoBERTa: position 0 is pad_token_id + 1


def _bert_like(prefix: str, head: tuple[tuple[str, str | None], ...], **others: Any) -> Names:
    return Names(
        prefix=prefix,
        layer="encoder.layer",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        output="attention.output.dense",
        output_norm="attention.output.LayerNorm",
        up="intermediate.dense",
        down="output.dense",
        down_norm="output.LayerNorm",
        head=head,
        **others,
    )


#: By ``model_type`` of config.json.
ARCHITECTURES = {
    "bert": _bert_like("bert", (("bert.pooler.dense", "tanh"), ("classifier", None))),
    "roberta": _bert_like(
        "roberta", (("classifier.dense", "tanh"), ("classifier.out_proj", None)), positions_after_padding=True
    ),
    "electra": _bert_like("electra", (("classifier.dense", "gelu"), ("classifier.out_proj", None)), projected=True),
    "distilbert": Names(
        prefix="distilbert",
        layer="transformer.layer",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        output="attention.out_lin",
        output_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        down_norm="output_layer_norm",
        head=(("pre_classifier", "relu"), ("classifier", None)),
        hidden_layers="n_layers",
        heads="n_heads",
        token_types=False,
    ),
}


@dataclass(frozen=True)
class Encoder:
    """A checkpoint: its weights as float32 arrays by name, and what config.json says of its shape."""

    names: Names
    weights: Mapping[str, np.ndarray]
    layers: int
    heads: int
    activation: str
    epsilon: float
    pad_id: int

    @property
    def dense_names(self) -> list[str]:
        """The modules that are matrix products, in the order in which they run."""
        names = self.names
        products = [names.query, names.key, names.value, names.output, names.up, names.down]
        layers = [f"{names.prefix}.{names.layer}.{i}.{product}" for i in range(self.layers) for product in products]
        projection = [f"{names.prefix}.embeddings_project"] if self.is_projected else []
        return [*projection, *layers, *(name for name, _ in names.head)]

    @property
    def is_projected(self) -> bool:
        # ELECTRA has the projection only where the two widths differ.
        return self.names.projected and f"{self.names.prefix}.embeddings_project.weight" in self.weights


def read_encoder(checkpoint: Path) -> Encoder:
    """Read ``config.json`` and ``model.safetensors`` of a checkpoint folder.

    Raises
    ------
    StageError : ``missing_file``; ``damaged``; ``bad_config`` for an architecture or activation that is not here.
    """
    path = checkpoint / "config.json"
    if not path.is_file():
        raise StageError("missing_file", f"{path}: no such file")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StageError("damaged", f"{path}: no valid JSON: {error}") from error
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        raise StageError("bad_config", f"{path}: model_type '{kind}'{nearest(str(kind), ARCHITECTURES)}")
    names = ARCHITECTURES[kind]
    activation = config.get("hidden_act", config.get("activation", "gelu"))
    if activation not in ("gelu", "relu"):
        raise StageError("bad_config", f"{path}: activation '{activation}'; valid: gelu, relu")
    position = config.get("position_embedding_type", "absolute")
    if position != "absolute":
        raise StageError("bad_config", f"{path}: position_embedding_type '{position}'; valid: absolute")
    return Encoder(
        names=names,
        weights=read_safetensors(checkpoint / "model.safetensors"),
        layers=int(config[names.hidden_layers]),
        heads=int(config[names.heads]),
        activation=activation,
        # DistilBERT's code has it as a constant.
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
        pad_id=int(config.get("pad_token_id") or 0),
    )


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file, floats as float32.

    The format (huggingface.co/docs/safetensors): the header's length as 8 bytes little-endian, the header as JSON, then
    the raw arrays at the offsets that it names.

    Raises
    ------
    StageError : ``missing_file``; ``damaged`` when a length, an offset or a type does not fit.
    """
    if not path.is_file():
        raise StageError("missing_file", f"{path}: no such file")
    if path.stat().st_size < 8:
        raise StageError("damaged", f"{path}: no valid safetensors file: it ends too early")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            start = 8 + int.from_bytes(data[:8], "little")
            header = json.loads(data[8:start])
            header.pop("__metadata__", None)
            return {name: _array(data, start, entry) for name, entry in header.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StageError("damaged", f"{path}: no valid safetensors file: {error}") from error


def _array(data: mmap.mmap, start: int, entry: Mapping[str, Any]) -> np.ndarray:
    begin, end = entry["data_offsets"]
    raw = data[start + begin : start + end]
    if len(raw) != end - begin:
        raise ValueError("it ends too early")
    if entry["dtype"] == "BF16":  # the upper half of a float32; NumPy has no such type
        wide = np.frombuffer(raw, "<u2").astype(np.uint32) << 16
        return wide.view(np.float32).reshape(entry["shape"])
    array = np.frombuffer(raw, _NUMPY_OF_SAFETENSORS[entry["dtype"]]).reshape(entry["shape"])
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def logits(encoder: Encoder, weights: Weights, dense: Dense, input_ids: Any, attention_mask: Any, types: Any) -> Any:
    """Return the TensorFlow expression of the logits, float32 of shape (rows, classes), without dropout.

    Parameters
    ----------
    weights : tensors or variables, at least of the embeddings and the norms; `dense` has its own.
    input_ids, attention_mask, types : int32 tensors of shape (rows, tokens), neither of which need be known.
    """
    import tensorflow as tf

    names, epsilon = encoder.names, encoder.epsilon
    rows, tokens = tf.unstack(tf.shape(input_ids))
    states = _embeddings(encoder, weights, input_ids, types)
    width = states.shape[-1]
    states = tf.reshape(states, [-1, width])
    if encoder.is_projected:
        states = dense(f"{names.prefix}.embeddings_project", states)
        width = states.shape[-1]
    size = width // encoder.heads
    # Added to the scores: 0 where there is a token, the lowest float32 where there is padding, as transformers does.
    mask = (1.0 - tf.cast(attention_mask[:, tf.newaxis, tf.newaxis, :], tf.float32)) * tf.float32.min

    def split(flat: Any) -> Any:
        return tf.transpose(tf.reshape(flat, [rows, tokens, encoder.heads, size]), [0, 2, 1, 3])

    for index in range(encoder.layers):
        layer = f"{names.prefix}.{names.layer}.{index}."
        query, key, value = (split(dense(layer + name, states)) for name in (names.query, names.key, names.value))
        scores = tf.matmul(query, key, transpose_b=True) * (1 / math.sqrt(size))
        context = tf.matmul(tf.nn.softmax(scores + mask), value)
        context = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [-1, width])
        states = _norm(weights, layer + names.output_norm, dense(layer + names.output, context) + states, epsilon)
        middle = _activate(dense(layer + names.up, states), encoder.activation)
        states = _norm(weights, layer + names.down_norm, dense(layer + names.down, middle) + states, epsilon)
    first = tf.reshape(states, [rows, tokens, width])[:, 0]
    for name, activation in names.head:
        first = _activate(dense(name, first), activation)
    return first


def _embeddings(encoder: Encoder, weights: Weights, input_ids: Any, types: Any) -> Any:
    import tensorflow as tf

    names = encoder.names
    table = f"{names.prefix}.embeddings."
    positions = weights[f"{table}position_embeddings.weight"]
    if names.positions_after_padding:
        kept = tf.cast(tf.not_equal(input_ids, encoder.pad_id), tf.int32)
        position = tf.gather(positions, tf.cumsum(kept, axis=1) * kept + encoder.pad_id)
    else:
        position = positions[: tf.shape(input_ids)[1]]
    states = tf.gather(weights[f"{table}word_embeddings.weight"], input_ids) + position
    if names.token_types:
        states += tf.gather(weights[f"{table}token_type_embeddings.weight"], types)
    return _norm(weights, f"{table}LayerNorm", states, encoder.epsilon)


def _norm(weights: Weights, name: str, states: Any, epsilon: float) -> Any:
    import tensorflow as tf

    mean, variance = tf.nn.moments(states, axes=[-1], keepdims=True)
    return tf.nn.batch_normalization(
        states, mean, variance, weights[f"{name}.bias"], weights[f"{name}.weight"], epsilon
    )


def _activate(states: Any, activation: str | None) -> Any:
    import tensorflow as tf

    functions = {"gelu": tf.nn.gelu, "relu": tf.nn.relu, "tanh": tf.tanh}
    return states if activation is None else functions[activation](states)
