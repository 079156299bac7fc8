"""The stage `peak`: the most 8-bit multiplications a second that the cell's cores can be seen to make.

Large square products of quantized matrices by each engine of torch, and the fastest of them: what a cell reaches is
then a share of what this host does, not of a data sheet whose clock nobody sees.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.data.seeding import fix_threads
from harness.errors import StageError

if TYPE_CHECKING:
    import torch

    from harness.config.cell import Cell
    from harness.ipc.report import Report

#: Rows and columns of the square matrices. The smallest fits caches that the largest does not; which is the fastest
#: depends on the host.
SIZES = (512, 1024, 2048)

#: In torch's words; `x86` chooses among the others by the shape.
ENGINES = ("fbgemm", "onednn", "x86")

#: Each engine and size is timed for so long, and so often at least.
SECONDS, FEWEST = 0.15, 5


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Return the fastest product of 8-bit matrices.

    Returns
    -------
    dict : int8_per_second (multiplications a second, each with its addition), size (rows and columns of its matrices),
        kernel (the engine and the version of torch), threads, cores.

    Raises
    ------
    StageError : ``no_int8_kernels`` where torch has none of :data:`ENGINES`.
    """
    import torch

    fix_threads(spec["seed"], spec["threads"])
    best: tuple[float, int, str] | None = None
    there = [engine for engine in ENGINES if engine in torch.backends.quantized.supported_engines]
    for done, engine in enumerate(there):
        report.progress("peak", done, len(there), engine)
        torch.backends.quantized.engine = engine
        for size in SIZES:
            found = size**3 / fastest_seconds(product(size))
            best = max(best or (0.0, 0, ""), (found, size, engine))
    if best is None:
        raise StageError("no_int8_kernels", f"torch {torch.__version__} has none of {', '.join(ENGINES)}")
    return {
        "int8_per_second": best[0],
        "size": best[1],
        "kernel": f"{best[2]} of torch {torch.__version__}",
        "threads": spec["threads"],
        "cores": sorted(spec["cores"]),
    }


def product(size: int) -> Callable[[], torch.Tensor]:
    """Return a function that multiplies two 8-bit matrices of `size` x `size`, with the engine that is set."""
    import torch

    left, right = matrices(size)
    packed = torch.ops.quantized.linear_prepack(right, None)
    return lambda: torch.ops.quantized.linear(left, packed, size / 127, 128)


def matrices(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two fixed quantized matrices of `size` x `size`, the activations unsigned and the weights signed."""
    import torch

    generator = torch.Generator().manual_seed(0)
    # Codes of 7 bits, whose sums do not saturate without VNNI either.
    left = torch.quantize_per_tensor(torch.rand((size, size), generator=generator), 1 / 127, 0, torch.quint8)
    right = torch.quantize_per_tensor(torch.rand((size, size), generator=generator) - 0.5, 1 / 127, 0, torch.qint8)
    return left, right


def fastest_seconds(work: Callable[[], object]) -> float:
    """Return the shortest of many times: what others take of the cores only ever makes one longer."""
    work()
    best, times, begin = float("inf"), 0, time.perf_counter()
    while times < FEWEST or time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        work()
        best, times = min(best, time.perf_counter() - start), times + 1
    return best
