"""Names of x86 server generations, by vendor, family, model and stepping as CPUID reports them.

Intel's numbers are those of Linux's ``arch/x86/include/asm/intel-family.h``; the steppings that tell Skylake-SP,
Cascade Lake and Cooper Lake apart (one model number) are in Intel's Xeon Scalable specification updates. AMD's are
those of Linux's ``arch/x86/kernel/cpu/amd.c`` (the Zen feature flags).

A hypervisor may show a guest the numbers of another CPU. Its instructions tell where that is so: a generation cannot
have what came after it. Then the host is named by them, as the first generation that has them "or later".
"""

from __future__ import annotations

from collections.abc import Collection

#: Model 0x55 of family 6, by stepping: lowest, highest, name.
_SKYLAKE_SERVER = ((0, 4, "Skylake-SP"), (5, 7, "Cascade Lake"), (10, 11, "Cooper Lake"))

#: (family, model) -> name, for Intel's server parts.
_INTEL_SERVER = {
    (6, 0x2D): "Sandy Bridge-EP",
    (6, 0x3E): "Ivy Bridge-EP",
    (6, 0x3F): "Haswell-EP",
    (6, 0x4F): "Broadwell-EP",
    (6, 0x56): "Broadwell-DE",
    (6, 0x6A): "Ice Lake-SP",
    (6, 0x6C): "Ice Lake-D",
    (6, 0x8F): "Sapphire Rapids",
    (6, 0xCF): "Emerald Rapids",
    (6, 0xAD): "Granite Rapids",
    (6, 0xAE): "Granite Rapids-D",
    (6, 0xAF): "Sierra Forest",
    (6, 0xDD): "Clearwater Forest",
    (19, 0x01): "Diamond Rapids",
}

#: (family, model) -> name, for Intel's client parts, some of which are also sold as Xeon E and Xeon W.
_INTEL_CLIENT = {
    (6, 0x4E): "Skylake",
    (6, 0x5E): "Skylake",
    (6, 0x8E): "Kaby Lake",
    (6, 0x9E): "Kaby Lake",
    (6, 0xA5): "Comet Lake",
    (6, 0xA6): "Comet Lake",
    (6, 0x7D): "Ice Lake",
    (6, 0x7E): "Ice Lake",
    (6, 0xA7): "Rocket Lake",
    (6, 0x8C): "Tiger Lake",
    (6, 0x8D): "Tiger Lake",
    (6, 0x97): "Alder Lake",
    (6, 0x9A): "Alder Lake",
    (6, 0xB7): "Raptor Lake",
    (6, 0xBA): "Raptor Lake",
    (6, 0xBF): "Raptor Lake",
    (6, 0xAA): "Meteor Lake",
    (6, 0xAC): "Meteor Lake",
    (6, 0xBD): "Lunar Lake",
    (6, 0xB5): "Arrow Lake",
    (6, 0xC5): "Arrow Lake",
    (6, 0xC6): "Arrow Lake",
}

#: AMD family -> (lowest model, highest model, name).
_AMD = {
    0x17: (
        (0x00, 0x2F, "Zen 1"),
        (0x50, 0x5F, "Zen 1"),
        (0x30, 0x4F, "Zen 2"),
        (0x60, 0x7F, "Zen 2"),
        (0x90, 0x91, "Zen 2"),
        (0xA0, 0xAF, "Zen 2"),
    ),
    0x19: (
        (0x00, 0x0F, "Zen 3"),
        (0x20, 0x5F, "Zen 3"),
        (0x10, 0x1F, "Zen 4"),
        (0x60, 0xAF, "Zen 4"),
    ),
    0x1A: ((0x00, 0x2F, "Zen 5"), (0x40, 0x4F, "Zen 5"), (0x60, 0x7F, "Zen 5")),
}


#: Intel's generations with AMX; with AVX-512 in BF16; and with VNNI for AVX-512: each set holds the one before.
_AMX = frozenset({"Sapphire Rapids", "Emerald Rapids", "Granite Rapids", "Granite Rapids-D", "Diamond Rapids"})
_BF16 = _AMX | {"Cooper Lake"}
_VNNI = _BF16 | {"Cascade Lake", "Ice Lake-SP", "Ice Lake-D", "Ice Lake", "Tiger Lake", "Rocket Lake"}

#: Alder Lake's big cores have what Sapphire Rapids' have but AMX, and some boards let it be used.
_GOLDEN_COVE = frozenset({"Alder Lake"})

#: Vendor -> an instruction set, which generations have it, and the first server generation of them; newest first.
_NEWER = {
    "GenuineIntel": (
        ("amx_tile", _AMX, "Sapphire Rapids"),
        ("amx_int8", _AMX, "Sapphire Rapids"),
        ("amx_bf16", _AMX, "Sapphire Rapids"),
        ("avx512_fp16", _AMX | _GOLDEN_COVE, "Sapphire Rapids"),
        ("avx512_bf16", _BF16 | _GOLDEN_COVE, "Cooper Lake"),
        ("avx512_vnni", _VNNI | _GOLDEN_COVE, "Cascade Lake"),
        ("avx512f", _VNNI | _GOLDEN_COVE | {"Skylake-SP"}, "Skylake-SP"),
    ),
    "AuthenticAMD": (("avx512f", frozenset({"Zen 4", "Zen 5"}), "Zen 4"),),
}


def generation(
    vendor: str | None,
    family: int | None,
    model: int | None,
    stepping: int | None,
    isa: Collection[str] = (),
) -> str | None:
    """Return the generation's name, None for one that the tables do not know.

    Parameters
    ----------
    isa : the CPU's instruction sets, by the kernel's names. Where the generation of the numbers has never had one of
        them, the name is the first that has, with "or later".
    """
    named = by_numbers(vendor, family, model, stepping)
    first = None if named is None else impossible(vendor, named, isa)
    return named if first is None else f"{first[1]} or later"


def impossible(vendor: str | None, named: str, isa: Collection[str]) -> tuple[str, str] | None:
    """Return an instruction set of `isa` that the generation `named` has never had, and the first that has it."""
    known = (row for row in _NEWER.get(vendor or "", ()) if row[0] in isa and named not in row[1])
    return next(((flag, first) for flag, _, first in known), None)


def by_numbers(vendor: str | None, family: int | None, model: int | None, stepping: int | None) -> str | None:
    """Return the generation that has these numbers, None for one that the tables do not know."""
    if family is None or model is None:
        return None
    if vendor == "GenuineIntel":
        if (family, model) == (6, 0x55):
            return None if stepping is None else _in_range(_SKYLAKE_SERVER, stepping)
        return _INTEL_SERVER.get((family, model)) or _INTEL_CLIENT.get((family, model))
    if vendor == "AuthenticAMD":
        return _in_range(_AMD.get(family, ()), model)
    return None


def is_xeon(vendor: str | None, name: str | None, family: int | None, model: int | None) -> bool:
    """Say whether the CPU is an Intel Xeon: by its name or, where a hypervisor hides it, by a server model number."""
    if vendor != "GenuineIntel":
        return False
    return "xeon" in (name or "").lower() or (family, model) == (6, 0x55) or (family, model) in _INTEL_SERVER


def _in_range(ranges: tuple[tuple[int, int, str], ...], number: int) -> str | None:
    return next((name for low, high, name in ranges if low <= number <= high), None)
