"""Which instruction sets the libraries below torch used in a forward pass: oneDNN, MKL, FBGEMM and torch's own kernels.

Each is asked in the way it offers: oneDNN logs the kernel that it chose, whose name ends in the instruction set; MKL
heads its log with the one that it is enabled for; FBGEMM and torch tell the one that all their kernels dispatch on.
"""

from __future__ import annotations

import ctypes
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from harness.backends.common.onednn import count, standard_output

#: fbgemm::inst_set_t, as FBGEMM's include/fbgemm/Utils.h numbers it, in oneDNN's words.
_FBGEMM_SETS = {1: "avx2", 2: "avx512_core", 3: "avx512_core", 4: "avx512_core_vnni", 5: "avx512_core_vnni"}
_FBGEMM_SYMBOL = "_ZN6fbgemm20fbgemmInstructionSetEv"

#: How MKL names what it is enabled for, the longest name first.
_MKL_SETS = (
    (re.compile(r"AVX-512\).*(AMX|AVX10)"), "amx"),
    (re.compile(r"AVX-512\).*BF16|bfloat16", re.IGNORECASE), "avx512_core_bf16"),
    (re.compile(r"AVX-512\).*(INT8|VNNI|Neural Network|Deep Learning)"), "avx512_core_vnni"),
    (re.compile(r"AVX-512\)"), "avx512_core"),
    (re.compile(r"AVX2\)"), "avx2"),
    (re.compile(r"\(.*AVX\)"), "avx"),
    (re.compile(r"SSE4\.2"), "sse42"),
)

_ATEN_SETS = {"AVX512": "avx512_core", "AVX2": "avx2"}


def instruction_sets(forward: Callable[[], Any], int8_ops: int) -> Counter[str]:
    """Run `forward` once under the logs and return library, kernel and instruction set -> how often it ran.

    Parameters
    ----------
    int8_ops : products of 8-bit codes that torch's profiler saw. Those that oneDNN has not logged are FBGEMM's where
        that is the engine.
    """
    with tempfile.TemporaryFile() as log:
        mkl, mkldnn = torch.backends.mkl, torch.backends.mkldnn
        with standard_output(log.fileno()), mkl.verbose(mkl.VERBOSE_ON), mkldnn.verbose(mkldnn.VERBOSE_ON):
            forward()
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    logged = count(lines, {})
    found = Counter({f"oneDNN {kernel}": times for kernel, times in logged.kernels.items()})
    found += _mkl(lines)
    if int8_ops > logged.int8_ops and torch.backends.quantized.engine in ("x86", "fbgemm"):
        found[f"FBGEMM {_fbgemm()}"] += int8_ops - logged.int8_ops
    # No log counts torch's own kernels, which surround every product.
    capability = torch.backends.cpu.get_cpu_capability()
    found[f"ATen {_ATEN_SETS.get(capability, capability)}"] += 1
    return found


def _mkl(lines: list[str]) -> Counter[str]:
    """Return the products in MKL's log; its first line says for which instruction set it is enabled."""
    mkl = [line for line in lines if line.startswith("MKL_VERBOSE")]
    enabled = next((name for line in mkl for pattern, name in _MKL_SETS if pattern.search(line)), "unknown")
    calls = Counter(found[1] for line in mkl if (found := re.match(r"MKL_VERBOSE (\w*GEMM\w*)\(", line)))
    return Counter({f"MKL {name} {enabled}": times for name, times in calls.items()})


def _fbgemm() -> str:
    """Return the instruction set that FBGEMM dispatches on now; ``unknown`` where it does not export the question."""
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        ask = getattr(ctypes.CDLL(str(library)), _FBGEMM_SYMBOL)  # the library is loaded already
    except (AttributeError, OSError):
        return "unknown"
    return _FBGEMM_SETS.get(ask(), "unknown")
