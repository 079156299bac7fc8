"""Counts which products of matrices oneDNN executed in INT8, BF16 and FP32, from its own log (``ONEDNN_VERBOSE``).

The log has one line for each primitive that ran: what it is, the kernel that was chosen (its name ends in the
instruction set, such as ``brg_matmul:avx512_core_vnni``), and the element types of source and weights. It tells what
ran in code that torch's profiler cannot look into: a package of native code, and the partitions that IPEX hands over.
Products that oneDNN does not execute are not in it, such as those inside torch's fused attention kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from harness.backends.base import ExecutedPrecision
from harness.backends.common.multiplications import Tally, of_product

#: The primitives that do the arithmetic of a network; reorders, softmax and the like take no part in the count.
PRIMITIVES = ("matmul", "inner_product", "convolution")

_PRECISION = {"s8": "int8", "u8": "int8", "bf16": "bf16", "f32": "fp32"}

#: ``src:u8:a:blocked...`` since oneDNN 3.6, ``src_u8::blocked...`` before.
_TYPE = {part: re.compile(rf"\b{part}[:_](\w+?):") for part in ("src", "wei")}


def executed_precision(
    forward: Callable[[], Any],
    verbose: Callable[[], contextlib.AbstractContextManager[Any]],
    beside: Iterable[str] = (),
) -> ExecutedPrecision:
    """Run `forward` once under the log and count; `kernels` has each kernel with the types it multiplied.

    Parameters
    ----------
    verbose : makes the context in which oneDNN writes its log.
    beside : kernels of other libraries that multiply in FP32, by the names that torch's profiler gives them.
    """
    import torch

    forward()  # TorchScript compiles itself in its first runs
    forward()
    with tempfile.TemporaryFile() as log:
        with standard_output(log.fileno()), verbose():
            forward()
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        forward()
    return count(lines, {event.key: event.count for event in profile.key_averages() if event.key in set(beside)})


def count(lines: Iterable[str], beside: Mapping[str, int]) -> ExecutedPrecision:
    """Count the lines of a log, and FP32 kernels `beside` them.

    A product is INT8 when both its factors are codes of 8 bits.
    """
    kernels: Counter[str] = Counter({f"{name} (fp32)": times for name, times in beside.items()})
    totals: Counter[str] = Counter({"fp32": sum(beside.values())})
    tally = Tally()
    for line in lines:
        fields = line.split(",")
        if not line.startswith("onednn_verbose") or "exec" not in fields:
            continue
        primitive, kernel, _, types = fields[fields.index("exec") + 2 :][:4]
        found = {part: one[1] for part, pattern in _TYPE.items() if (one := pattern.search(types))}
        if primitive not in PRIMITIVES or len(found) < len(_TYPE):
            continue
        source, weights = found["src"], found["wei"]
        source_precision, weights_precision = _PRECISION.get(source), _PRECISION.get(weights)
        precision = source_precision if source_precision == weights_precision else "fp32"
        totals[precision or "fp32"] += 1
        # The shapes stand before the time, which ends the line.
        tally.add(precision or "fp32", _multiplications(primitive, fields[-2]))
        kernels[f"{primitive} {kernel} {source}x{weights}"] += 1
    names = ["oneDNN verbose", *(["torch.profiler"] if beside else [])]
    counts = (totals["int8"], totals["bf16"], totals["fp32"])
    # Not the total: products that oneDNN does not execute are not in its log.
    return ExecutedPrecision(*counts, ", ".join(names), dict(kernels), int8_multiplications=tally.int8)


def _multiplications(primitive: str, problem: str) -> int | None:
    """Return the multiplications of a product from how oneDNN writes its shapes; None for what is not read here.

    ``128x384:384x1536`` is a matmul of two factors, whose batches may be broadcast, with the result's shape behind them
    in some versions; ``mb128ic384oc1536`` an inner product.
    """
    if primitive == "inner_product":
        sizes = re.fullmatch(r"(?:mb(\d+))ic(\d+)oc(\d+)", problem)
        return math.prod(map(int, sizes.groups())) if sizes else None
    if primitive != "matmul" or not re.fullmatch(r"\d+(x\d+)+(:\d+(x\d+)+){1,2}", problem):
        return None
    left, right, *_ = ([int(size) for size in factor.split("x")] for factor in problem.split(":"))
    if len(left) != len(right):
        return None
    batches = [max(pair) for pair in zip(left[:-2], right[:-2], strict=True)]
    return of_product(left, [*batches, left[-2], right[-1]])


@contextlib.contextmanager
def standard_output(descriptor: int) -> Iterator[None]:
    """Let what native code prints go to `descriptor`; Python's own ``sys.stdout`` would not catch it."""
    flush = ctypes.CDLL(None).fflush
    flush(None)
    saved = os.dup(1)
    os.dup2(descriptor, 1)
    try:
        yield
    finally:
        flush(None)
        os.dup2(saved, 1)
        os.close(saved)
