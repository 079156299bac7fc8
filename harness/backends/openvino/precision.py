"""Which precision OpenVINO's CPU runtime really executed, from its runtime model and the log of its kernels.

The runtime model names the kernel of each executed node (``primitiveType``), with the precision that it takes. It
does not say whether the runtime quantizes the inputs of products with 8-bit weights; oneDNN's log of the kernels made
does, and is read from another process, because oneDNN asks for the log once, when it is loaded.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.base import ExecutedPrecision
from harness.backends.common.multiplications import Tally, of_product
from harness.config import emulation
from harness.errors import StageError

#: Node kinds that multiply and add. A Subgraph is a compiled group of operations, counted if a product is in it.
_PRODUCTS = ("FullyConnected", "MatMul", "Convolution", "ScaledDotProductAttention", "MHA")

_INT8 = ("i8", "u8")

#: A kernel made for a product whose weights are 8-bit, and what tells that its inputs are quantized as they come.
_COMPRESSED = re.compile(r"create:\w+,cpu,(inner_product|matmul),([^,]+),.*\bwei:[su]8:")
_QUANTIZES_INPUT = re.compile(r"src_dyn_quant_group_size:[1-9]")

#: How long loading a model and one forward pass may take, in the process whose log is read.
_LOG_SECONDS = 600

#: Operations that hand numbers on as they are.
_MOVES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Split", "VariadicSplit")

#: Behind the name of a product whose scales the runtime applies to its result.
_DEQUANTIZED = "/Dequantization"


def verify_precision(
    compiled: Any, method: str, file: Path, properties: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> ExecutedPrecision:
    """Count the products of a compiled model, which has run, by the precision that their kernels compute in.

    Raises
    ------
    StageError : ``error`` when the log of kernels cannot be read.
    """
    kinds: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    source = "OpenVINO runtime model"
    quantizes_input = False
    tally, work, nameless = Tally(), _work(file, inputs), []
    if method in ("dynamic", "weight_only"):
        source += " and oneDNN verbose"
        quantizes_input, made = _log_of_kernels(file, properties, inputs)
        kernels.update(made)
    for node in compiled.get_runtime_model().get_ops():
        layer, kernel, takes = (_fact(node, name) for name in ("layerType", "primitiveType", "runtimePrecision"))
        origins = _fact(node, "originalLayersNames")
        if not _is_product(layer, origins):
            continue
        precision = _precision(kernel)
        if precision == "fp32" and takes.lower() in _INT8 and layer == "FullyConnected" and quantizes_input:
            precision = "int8"
        kinds[precision] += 1
        kernels[f"{layer} {kernel}"] += 1
        taken = _taken(work, {name.split(_DEQUANTIZED)[0] for name in origins.split(",")}, layer)
        for part in taken:
            # One kernel for a whole attention is called by its inputs: what is not quantized is no INT8 in it either.
            fused = layer == "Subgraph" and precision == "int8" and not part.is_quantized
            tally.add("fp32" if fused else precision, part.multiplications)
        if not taken:
            nameless.append(precision)
    # A product that has lost its name is one of those that no node names; which, matters unless they are alike.
    left = [part for parts in work.values() for part in parts]
    alike = len(nameless) == len(left) and (
        len(set(nameless)) == 1 or len({part.multiplications for part in left}) == 1
    )
    for precision, part in zip(nameless, left if alike else [_UNKNOWN] * len(nameless), strict=True):
        tally.add(precision, part.multiplications)
    counts = (kinds["int8"], kinds["bf16"], kinds["fp32"])
    return ExecutedPrecision(*counts, source, dict(sorted(kernels.items())), tally.int8, tally.total)


@dataclass(frozen=True)
class _Part:
    """A product of the network: its multiplications (None: unknown), and whether both its inputs are quantized."""

    multiplications: int | None
    is_quantized: bool = False


_UNKNOWN = _Part(None)


def _taken(work: dict[str, list[_Part]], names: set[str], layer: str) -> list[_Part]:
    """Take what the products of these names multiply out of `work`, and return it.

    Where the runtime has made two products of one attention, only one of them keeps its name.
    """
    made: list[_Part] = []
    for name in names & work.keys():
        parts = work[name]
        made += [parts.pop()] if layer == "MatMul" else parts
        if layer != "MatMul" or not parts:
            del work[name]
    return made


def _work(file: Path, inputs: Mapping[str, np.ndarray]) -> dict[str, list[_Part]]:
    """Return each product of the network as it was read, by name, for inputs of these shapes.

    An attention has two: of its queries and keys, and of their scores and the values.

    The runtime model has no sizes where any are taken, but each of its nodes names those that it was made from.
    """
    from harness.backends.openvino.runtime import import_openvino

    model = import_openvino().Core().read_model(file)
    model.reshape({name: list(array.shape) for name, array in inputs.items()})
    found: dict[str, list[_Part]] = {}
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "MatMul":
            left, facts = list(node.input(0).get_shape()), node.get_attributes()
            result = list(node.output(0).get_shape())
            size = None if facts.get("transpose_a") else of_product(left, result)
            found[node.get_friendly_name()] = [_Part(size, _are_quantized(node))]
        elif kind == "ScaledDotProductAttention":
            query, key = (list(node.input(place).get_shape()) for place in (0, 1))
            scores = of_product(query, [*query[:-1], key[-2]])
            values = of_product([*query[:-1], key[-2]], list(node.output(0).get_shape()))
            # The scores are made within it, so nothing quantizes them.
            found[node.get_friendly_name()] = [_Part(scores, _are_quantized(node)), _Part(values)]
    return found


def _are_quantized(product: Any) -> bool:
    """Say whether the first two inputs of a product come from fake quantizers, whatever moves their numbers about."""
    return all(_comes_from_quantizer(product.input(place)) for place in (0, 1))


def _comes_from_quantizer(port: Any) -> bool:
    node = port.get_source_output().get_node()
    while node.get_type_name() in _MOVES:
        node = node.input(0).get_source_output().get_node()
    return bool(node.get_type_name() == "FakeQuantize")


def _fact(node: Any, name: str) -> str:
    facts = node.get_rt_info()
    return str(facts[name].astype(str)) if name in facts else ""


def _is_product(layer: str, origins: str) -> bool:
    return layer in _PRODUCTS or (layer == "Subgraph" and "MatMul" in origins)


def _precision(kernel: str) -> str:
    """Return the precision at the end of a kernel's name, such as ``brgemm_avx512_I8``; I8 is unsigned."""
    last = kernel.rpartition("_")[2].lower()
    return {"i8": "int8", "u8": "int8", "bf16": "bf16"}.get(last, "fp32")


def _log_of_kernels(
    file: Path, properties: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> tuple[bool, Counter[str]]:
    """Return whether each kernel for 8-bit weights quantizes its inputs, and the names of those kernels."""
    with tempfile.TemporaryDirectory() as folder:
        batch = Path(folder) / "batch.npz"
        np.savez(batch, allow_pickle=False, **inputs)
        # Only the making of kernels is logged: logging their runs breaks the plug-in.
        variables = {**os.environ, "ONEDNN_VERBOSE": "profile_create"}
        finished = subprocess.run(
            emulation.like_this_process([sys.executable, "-m", __name__, str(file), str(batch)]),
            input=json.dumps(dict(properties)),
            capture_output=True,
            text=True,
            env=variables,
            timeout=emulation.patience(_LOG_SECONDS),
        )
    if finished.returncode != 0:
        said = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise StageError("error", f"the process that logs OpenVINO's kernels ended with {finished.returncode}: {said}")
    return _read(finished.stdout)


def _read(log: str) -> tuple[bool, Counter[str]]:
    """Return, of the kernels for 8-bit weights in a log, whether all quantize their inputs, and their names."""
    names: Counter[str] = Counter()
    integer = []
    for line in log.splitlines():
        made = _COMPRESSED.search(line)
        if made is None:
            continue
        quantizes = _QUANTIZES_INPUT.search(line) is not None
        names[f"{made[1]} {made[2]}" + (" quantizes its input" if quantizes else "")] += 1
        integer.append(quantizes and _is_vnni(made[2]))
    return bool(integer) and all(integer), names


def _is_vnni(implementation: str) -> bool:
    return any(name in implementation for name in ("vnni", "amx"))


def _main(file: str, batch: str) -> None:
    """Load a model with the properties on standard input and run a batch once."""
    from harness.backends.openvino.runtime import import_openvino

    compiled = import_openvino().Core().compile_model(file, "CPU", json.load(sys.stdin))
    with np.load(batch, allow_pickle=False) as arrays:
        compiled.create_infer_request().infer({name: arrays[name] for name in arrays.files})


if __name__ == "__main__":
    _main(*sys.argv[1:])
