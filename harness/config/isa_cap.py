"""Instruction-set ceilings: how a cell's processes are kept below one, and whether the kernels that ran kept to it.

A ceiling shows the kernels and the accuracy of an older generation of processors on a newer one. It does not show the
older one's speed: caches, clocks and ports stay those of this host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from harness.config.cell import Cell
from harness.config.instructions import CEILINGS
from harness.config.instructions import EMULATED as EMULATED_CPUS
from harness.config.schema import HostConfig
from harness.errors import StageError

#: The word that marks a host option as a ceiling, wherever a person reads it.
CEILING = "ceiling"

#: The word before an emulated CPU, wherever a person reads of a host option that has one.
EMULATED = "emulated"

#: The last word of the name of a kernel whose library does not say which instruction set it used.
UNKNOWN = "unknown"

#: The stages of a cell's own artefact and figures. What cells share (data, FP32 checkpoint, metric) knows no ceiling.
STAGES = ("quantize", "tune", "evaluate", "measure", "scenario", "instance")

#: Instruction sets as the names of kernels spell them, the lowest first; those on one line are of one rank. oneDNN 3.6
#: and later say avx10_1_512 for what was avx512_core_fp16 before, on Sapphire Rapids too, and OpenVINO avx512_amx.
_SETS = (
    ("sse41", "sse42"),
    ("avx",),
    ("avx2",),
    ("avx512", "avx512_core"),
    ("avx2_vnni", "avx2_vnni_2", "avx512_vnni", "avx512_core_vnni"),
    ("avx512_core_bf16",),
    ("avx512_core_fp16", "avx10", "avx10_1", "avx10_1_512"),
    ("amx", "avx512_amx", "avx512_core_amx", "avx10_1_512_amx"),
    ("avx512_core_amx_fp16", "avx10_1_512_amx_fp16"),
    ("avx10_2", "avx10_2_512"),
    ("avx10_2_amx_2", "avx10_2_512_amx_2"),
)
#: Says in the name of a kernel that it multiplies in the tiles of AMX.
_TILES = re.compile(r"(?<![a-z0-9])amx(?![a-z0-9])")

#: The types of both factors, as oneDNN's log has them, or the one that OpenVINO ends a kernel's name in.
_FACTORS = re.compile(r" ([su]8|bf16|f16|f32)x\w+$")
_SUFFIX = re.compile(r"_([iu]8|bf16|f16|f32)$")

#: Tiles multiply nothing else: float32 factors are rounded to bfloat16 on their way, where a runtime allows that.
_IN_TILES = {"i8": "int8", "u8": "int8", "s8": "int8", "bf16": "bf16", "f32": "bf16", "f16": "fp16"}

_RANK = {name: rank for rank, names in enumerate(_SETS) for name in names}

#: Libraries that choose by CPUID alone, inside runtimes whose other kernels can be capped.
_UNCAPPED = ("mlas",)

#: The longest name first, and none inside another word; underscores may be around it, as in ``jit_avx2_FP32``.
_NAMED = re.compile(rf"(?<![a-z0-9])({'|'.join(sorted(_RANK, key=len, reverse=True))})(?![a-z0-9])")


def ceiling(host: HostConfig) -> str | None:
    """Return the instruction set that a cell's kernels may use at most; None for all that the host has."""
    return None if host.isa in (None, "native") else host.isa


def variables(cell: Cell) -> dict[str, str]:
    """Return the environment variables that keep the cell's processes below its ceiling; none without a ceiling."""
    return dict(cell.backend.isa_variables.get(ceiling(cell.host) or "", {}))


def misfit(cell: Cell, isa: Sequence[str]) -> str | None:
    """Return one line on why a cell's ceiling cannot be had, or None.

    Parameters
    ----------
    isa : the instruction sets of the host, as /proc/cpuinfo spells them.
    """
    wanted = ceiling(cell.host)
    if wanted is None:
        return None
    if wanted not in cell.backend.isa_variables:
        because = cell.backend.isa_reason or f"backend.isa_variables has no variables for {wanted}"
        return f"host.isa={wanted}: {because}"
    needed = CEILINGS[wanted][-1]
    if needed not in isa:
        return f"host.isa={wanted}: this host has no {needed}, so it is below that ceiling already"
    return None


def highest(kernels: Iterable[str]) -> str | None:
    """Return the highest instruction set that the names of `kernels` tell, in their words; None when none tells any."""
    found = [name for kernel in kernels for name in _named(kernel)]
    return max(found, key=_RANK.__getitem__, default=None)


def told(kernels: Mapping[str, int]) -> str:
    """Return the highest instruction set that `kernels` tell, and the libraries whose kernels tell none."""
    silent = sorted(name.removesuffix(f" {UNKNOWN}") for name in kernels if name.endswith(f" {UNKNOWN}"))
    return f"{highest(kernels) or 'none'}" + (f" (not told by {', '.join(silent)})" if silent else "")


def tiles(kernels: Mapping[str, int]) -> dict[str, int]:
    """Return how often kernels (name -> times) that say they use AMX ran, by what their tiles multiplied.

    MKL's and FBGEMM's do not count: MKL tells what it is enabled for, not what it used, and FBGEMM has none.

    Returns
    -------
    dict : int8, bf16, fp16 or unknown -> times; none that is 0. 8-bit weights with float inputs are unpacked before
        they are multiplied, so the inputs decide.
    """
    found: dict[str, int] = {}
    for name, times in kernels.items():
        lower = name.lower()
        if _TILES.search(lower) is None or lower.startswith(("mkl ", "fbgemm ")):
            continue
        told = _FACTORS.search(lower) or _SUFFIX.search(lower)
        kind = _IN_TILES.get(told[1], UNKNOWN) if told else UNKNOWN
        kind = "int8" if lower.endswith(" quantizes its input") else kind
        found[kind] = found.get(kind, 0) + times
    return found


def require_held(cell: Cell, kernels: Mapping[str, int]) -> None:
    """Raise unless the kernels that ran (name -> times) show that the cell's ceiling held, or its emulated CPU.

    An emulated CPU binds every library in the process, whether its kernels tell their instruction set or not.

    Raises
    ------
    StageError : ``isa_ceiling`` when one ran above it, or no ceiling binds it, or none tells its instruction set.
    """
    emulated = cell.host.emulated
    wanted = ceiling(cell.host) if emulated is None else EMULATED_CPUS[emulated].kernels
    if wanted is None:
        return
    named = f"host.isa={wanted}" if emulated is None else f"host.emulated={emulated}"
    above = sorted(name for name in kernels if max(map(_RANK.__getitem__, _named(name)), default=-1) > _RANK[wanted])
    if above:
        more = f" and {len(above) - 3} more" if len(above) > 3 else ""
        raise StageError("isa_ceiling", f"{named}: ran above it: {', '.join(above[:3])}{more}")
    if emulated is not None:
        return
    free = sorted(name for name in kernels if any(library in name.lower() for library in _UNCAPPED))
    if free:
        raise StageError("isa_ceiling", f"{named}: no variable caps the library of {', '.join(free)}")
    if highest(kernels) is None:
        raise StageError("isa_ceiling", f"{named}: no kernel that ran tells its instruction set")


def label(text: str, isa: str | None, emulated: str | None = None) -> str:
    """Return a host option's label `text` so that nobody takes a ceiling or an emulated CPU for a host.

    Such as ``avx2 ceiling``, or ``emulated_avx2 (emulated Haswell)``.
    """
    if emulated is not None:
        return f"{text} ({EMULATED} {emulated})"
    if isa in (None, "native"):
        return text
    return f"{text} {CEILING}" if text == isa else f"{text} ({isa} {CEILING})"


def _named(kernel: str) -> list[str]:
    return _NAMED.findall(kernel.lower())
