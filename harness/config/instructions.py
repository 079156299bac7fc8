"""Which instruction sets a cell has on the host it is planned for, and the families that decide what can run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from harness.config.cell import Cell
from harness.config.schema import ApproachConfig, HostConfig

#: Any of these adds products of 8-bit codes in 32 bits; without them the sums of two products saturate in 16 bits.
VNNI = ("avx512_vnni", "avx_vnni", "amx_int8")

#: Any of these multiplies BF16; without them it is emulated where a runtime does that at all.
BF16 = ("avx512_bf16", "amx_bf16")

#: Any of these lets oneDNN emulate BF16 (it needs AVX-512 BW, VL and DQ, which every server with AVX-512F has).
BF16_EMULATED = ("avx512f", *BF16)

#: Ceiling of `host.isa` -> the flags that are left below it, as /proc/cpuinfo spells them; a host needs the last one.
CEILINGS = {
    "avx2": ("avx2",),
    "avx512_core": ("avx2", "avx512f"),
    "avx512_core_vnni": ("avx2", "avx512f", "avx512_vnni"),
}


@dataclass(frozen=True)
class EmulatedCpu:
    """What a CPU of `host.emulated` has, whatever the host: its flags, the highest set of its kernels, GCC's name."""

    flags: tuple[str, ...]
    kernels: str
    march: str


#: By QEMU's name.
EMULATED = {
    "Haswell": EmulatedCpu(("avx2",), kernels="avx2", march="haswell"),
    "Nehalem": EmulatedCpu((), kernels="sse42", march="nehalem"),
}


def effective(host: HostConfig, isa: Collection[str]) -> tuple[str, ...]:
    """Return the instruction sets that a cell's kernels may use: the host's, those below a ceiling, an emulated CPU's.

    Parameters
    ----------
    isa : the instruction sets of the host, as /proc/cpuinfo spells them.
    """
    if host.emulated is not None:
        return EMULATED[host.emulated].flags
    below = CEILINGS.get(host.isa or "native", isa)
    return tuple(flag for flag in isa if flag in below)


def has(isa: Collection[str] | None, family: Collection[str]) -> bool:
    """Say whether `isa` holds any of `family`; what is not known (None) is taken to be there."""
    return isa is None or any(flag in isa for flag in family)


def unsupported(
    cell: Cell, isa: Collection[str] | None, method: str, family: Collection[str], because: str
) -> str | None:
    """Return one line on why a cell of `method` cannot run without any of `family`; None for all other cells.

    Parameters
    ----------
    isa : the instruction sets that the cell has; None where they are not known.
    because : what the runtime does without them.
    """
    if cell.approach.method != method or has(isa, family):
        return None
    return f"approach.method={method}: {because}; this host has none of {', '.join(family)}"


def may_saturate(approach: ApproachConfig, isa: Collection[str] | None) -> bool:
    """Say whether sums of two products of an approach's codes may saturate in 16 bits on a host with `isa`."""
    narrowed = approach.activation.reduce_range or approach.weight.reduce_range
    return approach.precision == "int8" and not narrowed and not has(isa, VNNI)
