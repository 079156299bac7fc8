"""Names of x86 server generations, by vendor, family, model and stepping as CPUID reports them.

Intel's numbers are those of Linux's ``arch/x86/include/asm/intel-family.h``; the steppings that tell Skylake-SP,
Cascade Lake and Cooper Lake apart (one model number) are in Intel's Xeon Scalable specification updates. AMD's are
those of Linux's ``arch/x86/kernel/cpu/amd.c`` (the Zen feature flags).
"""

from __future__ import annotations

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


def generation(vendor: str | None, family: int | None, model: int | None, stepping: int | None) -> str | None:
    """Return the generation's name, None for one that the tables do not know."""
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
