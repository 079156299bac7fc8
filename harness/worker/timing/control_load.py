"""The control: a fixed FP32 matrix product and a fixed memory stream, which tell a slow host from a slow cell.

Neither depends on the cell's framework: a block in which the control is slow was measured on a disturbed host.

It runs in a process of its own, which ends before a model is loaded: its buffers are several times the last-level cache
(170 MB at 32 MiB of it, 470 MB at 105 MiB), and would else be the peak memory of each cell that needs less.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from harness.errors import StageError
from harness.host.counters import last_level_cache_bytes

#: Rows and columns of the square matrices: 3 MB together, so the product is bound by arithmetic.
GEMM_SIZE = 512

#: Source and target are each twice the last-level cache, so that memory is measured, within these bounds.
SMALLEST_BUFFER_BYTES = 32 * 2**20
LARGEST_BUFFER_BYTES = 256 * 2**20

#: Each part repeats until so much time has passed, but so often at least and at most.
PART_SECONDS = 0.03
FEWEST, MOST = 3, 7


def run(threads: int) -> dict[str, int | list[int]]:
    """Measure both with `threads` threads, in a process of its own on the same cores and nodes.

    Raises
    ------
    StageError : ``error`` when that process fails.
    """
    package = str(Path(__file__).parents[3])  # not resolved: what lies beside the package itself is the parent's
    paths = [package, os.environ.get("PYTHONPATH", "")]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", __name__, str(threads)]
    with _without_memory_limit():
        finished = subprocess.run(command, capture_output=True, text=True, env=variables, stdin=subprocess.DEVNULL)
    if finished.returncode != 0:
        said = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise StageError("error", f"the control's process ended with {finished.returncode}: {said}")
    return json.loads(finished.stdout)


@contextlib.contextmanager
def _without_memory_limit() -> Iterator[None]:
    """Let what is started in the body have the memory that the host has: the limit is the cell's.

    NumPy's OpenBLAS waits for ever for the buffers that it cannot have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def measured(threads: int) -> dict[str, int | list[int]]:
    """Measure both with `threads` threads in this process.

    NumPy's BLAS takes its threads from ``OMP_NUM_THREADS``, which the parent has set to the same number.

    Returns
    -------
    dict : gemm_ns (one value a product), gemm_size, stream_ns (one value a copy), stream_bytes (read and written by
        one copy).
    """
    buffer_bytes = min(max(SMALLEST_BUFFER_BYTES, 2 * (last_level_cache_bytes() or 0)), LARGEST_BUFFER_BYTES)
    return {
        "gemm_ns": gemm_ns(),
        "gemm_size": GEMM_SIZE,
        "stream_ns": stream_ns(buffer_bytes, threads),
        "stream_bytes": 2 * buffer_bytes,
    }


def gemm_ns() -> list[int]:
    """Return the nanoseconds of each product of two fixed float32 matrices of :data:`GEMM_SIZE`."""
    # Between 0.5 and 1.5: no product underflows to a denormal, which would be slow on some CPUs only.
    left = np.linspace(0.5, 1.5, GEMM_SIZE * GEMM_SIZE, dtype=np.float32).reshape(GEMM_SIZE, GEMM_SIZE)
    right, product = left.T.copy(), np.empty_like(left)
    return _repeat(lambda: np.matmul(left, right, out=product))


def stream_ns(buffer_bytes: int, threads: int) -> list[int]:
    """Return the nanoseconds of each copy of a buffer, cut into one part a thread."""
    source = np.ones(buffer_bytes, np.uint8)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    if threads == 1:
        return _repeat(lambda: np.copyto(target, source))
    with ThreadPoolExecutor(threads) as pool:
        return _repeat(lambda: list(pool.map(lambda part: np.copyto(*part), parts)))


def _repeat(work: Callable[[], object]) -> list[int]:
    """Time `work` again and again; the first time, which starts threads and touches fresh memory, is left out."""
    work()
    samples: list[int] = []
    begin = time.perf_counter_ns()
    while len(samples) < FEWEST or (len(samples) < MOST and time.perf_counter_ns() - begin < PART_SECONDS * 1e9):
        start = time.perf_counter_ns()
        work()
        samples.append(time.perf_counter_ns() - start)
    return samples


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))
