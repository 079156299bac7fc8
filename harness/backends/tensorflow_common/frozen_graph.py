"""Frozen graphs: built from a checkpoint, written with a JSON sidecar, read back and run in a session."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.base import ExecutedPrecision
from harness.backends.common.multiplications import Tally, of_product
from harness.errors import StageError

if TYPE_CHECKING:
    from harness.backends.tensorflow_common.encoder import Dense, Encoder

GRAPH_FILE = "model.pb"
SIDECAR_FILE = "model.json"

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"

#: Matrix products by what a kernel's name contains: oneDNN's and the plug-in's rewrites all keep these words.
_PRODUCT = "MatMul"
_QUANTIZED = "Quantized"


def threads() -> int:
    """Return the threads that the parent chose for this process, through ``OMP_NUM_THREADS``."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def constant(values: np.ndarray, name: str) -> Any:
    """Return a constant node; `values` may have a quantized type of TensorFlow's."""
    import tensorflow as tf

    return tf.constant(values, name=name)


def float_dense(encoder: Encoder) -> Dense:
    """Return the product in FP32, for use inside a graph."""
    import tensorflow as tf

    def dense(name: str, states: Any) -> Any:
        # PyTorch keeps (out, in); TensorFlow's kernels want (in, out) and only reorder it once.
        kernel = constant(np.ascontiguousarray(encoder.weights[f"{name}.weight"].T), f"{name}/kernel")
        bias = constant(encoder.weights[f"{name}.bias"], f"{name}/bias")
        product = tf.matmul(states, kernel, name=f"{name}/MatMul")
        return tf.nn.bias_add(product, bias, name=f"{name}/BiasAdd")

    return dense


def build(encoder: Encoder, dense: Dense) -> Any:
    """Return the GraphDef of the encoder with all weights as constants; its nodes have the same names every time."""
    import tensorflow as tf

    from harness.backends.tensorflow_common.encoder import logits

    products = {f"{name}.weight" for name in encoder.dense_names} | {f"{name}.bias" for name in encoder.dense_names}
    with tf.Graph().as_default() as graph:
        feeds = [tf.compat.v1.placeholder(tf.int32, [None, None], name=name) for name in INPUTS]
        weights = {
            name: constant(values, name)
            for name, values in encoder.weights.items()
            if name not in products and values.dtype == np.float32
        }
        tf.identity(logits(encoder, weights, dense, *feeds), name=OUTPUT)
        whole = graph.as_graph_def()
    # Weights and inputs that this architecture does not use would only make the file larger.
    return tf.compat.v1.graph_util.extract_sub_graph(whole, [OUTPUT])


def inputs_of(graph: Any) -> list[str]:
    """Return which of :data:`INPUTS` a graph has; an architecture without segments needs no token_type_ids."""
    placeholders = {node.name for node in graph.node if node.op == "Placeholder"}
    return [name for name in INPUTS if name in placeholders]


def write(graph: Any, out: Path, facts: Mapping[str, Any]) -> None:
    """Write the artefact: the graph's bytes, equal for equal graphs, and what is needed to run it."""
    (out / GRAPH_FILE).write_bytes(graph.SerializeToString(deterministic=True))
    sidecar = {"inputs": inputs_of(graph), "output": OUTPUT, **facts}
    (out / SIDECAR_FILE).write_text(json.dumps(sidecar, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read(artefact: Path) -> tuple[Any, dict[str, Any]]:
    """Return the GraphDef and the sidecar of an artefact.

    Raises
    ------
    StageError : ``missing_file``, ``damaged``.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    for name in (GRAPH_FILE, SIDECAR_FILE):
        if not (artefact / name).is_file():
            raise StageError("missing_file", f"{artefact / name}: no such file")
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString((artefact / GRAPH_FILE).read_bytes())
        sidecar = json.loads((artefact / SIDECAR_FILE).read_text(encoding="utf-8"))
    except (DecodeError, ValueError) as error:
        raise StageError("damaged", f"{artefact}: no frozen graph with its sidecar: {error}") from error
    return graph, sidecar


class Runner:
    """A graph in a session of its own, with fixed threads.

    `cast_to_bfloat16` has TensorFlow's rewriter put the products that oneDNN has bfloat16 kernels for into bfloat16.
    """

    def __init__(self, graph: Any, inputs: list[str], output: str, *, cast_to_bfloat16: bool = False):
        import tensorflow as tf

        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads(), inter_op_parallelism_threads=1)
        if cast_to_bfloat16:
            rewriters = config.graph_options.rewrite_options
            rewriters.auto_mixed_precision_onednn_bfloat16 = type(rewriters).ON
        held = tf.Graph()
        with held.as_default():
            tf.import_graph_def(graph, name="")
        self.inputs = inputs
        self._feeds = [f"{name}:0" for name in inputs]
        self._output = f"{output}:0"
        self._session = tf.compat.v1.Session(graph=held, config=config)
        self.call = self._session.make_callable(self._output, self._feeds)

    def executed(self, arrays: tuple[np.ndarray, ...]) -> ExecutedPrecision:
        """Run once with a full trace, and count the matrix products among the nodes that the executor says it ran.

        The trace names the nodes; the partition graphs, which are what is left after all rewriting, say what each is.
        """
        import tensorflow as tf

        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE, output_partition_graphs=True)
        trace = tf.compat.v1.RunMetadata()
        self._session.run(self._output, dict(zip(self._feeds, arrays, strict=True)), options, trace)
        nodes = {node.name: node for graph in trace.partition_graphs for node in graph.node}
        told = [node for device in trace.step_stats.dev_stats for node in device.node_stats]
        shapes = {f"{node.node_name}:{out.slot}": _shape(out) for node in told for out in node.output}
        products: Counter[str] = Counter()
        tally = Tally()
        for name in (node.node_name for node in told if node.node_name in nodes):
            kernel = _kernel(nodes[name])
            if _PRODUCT in kernel:
                products[kernel] += 1
                left = shapes.get(_with_slot(nodes[name].input[0]))
                precision = "int8" if kernel.endswith("[int8]") else "other"
                tally.add(precision, of_product(left, shapes.get(f"{name}:0")))

        def total(kind: str) -> int:
            return sum(count for kernel, count in products.items() if kernel.endswith(f"[{kind}]"))

        return ExecutedPrecision(
            int8_ops=total("int8"),
            bf16_ops=total("bf16"),
            fp32_ops=total("fp32"),
            source="TensorFlow RunMetadata (step_stats and partition_graphs)",
            kernels=dict(sorted(products.items())),
            int8_multiplications=tally.int8,
            multiplications=tally.total,
        )


def _shape(output: Any) -> list[int]:
    return [int(dimension.size) for dimension in output.tensor_description.shape.dim]


def _with_slot(name: str) -> str:
    """Return the name of an input with the number of the output that it is; the first one's is left out in graphs."""
    return name if ":" in name else f"{name}:0"


def _kernel(node: Any) -> str:
    """Return the operation with the type of its operands, such as ``_FusedMatMul[fp32]``."""
    import tensorflow as tf

    if _QUANTIZED in node.op:
        kinds = {tf.quint8.as_datatype_enum: "int8", tf.qint8.as_datatype_enum: "int8"}
        return f"{node.op}[{kinds.get(node.attr['T1'].type, 'other')}]"
    kinds = {tf.float32.as_datatype_enum: "fp32", tf.bfloat16.as_datatype_enum: "bf16"}
    return f"{node.op}[{kinds.get(node.attr['T'].type, 'other')}]"
