"""Which instruction sets this host has, for tests whose outcome depends on them.

A test marked ``needs("vnni")`` asserts one behaviour on hosts that have the instructions and another on hosts that
lack them: it takes the fixture `there`, and is skipped nowhere. The end of a test run says which of the two was seen.
"""

from __future__ import annotations

from harness.config import instructions
from harness.host.describe import describe

#: Name -> the flags of /proc/cpuinfo of which any one will do.
FAMILIES = {
    "vnni": instructions.VNNI,
    "avx512": instructions.BF16_EMULATED,
    "bf16": instructions.BF16,
}

ISA = describe().isa


def has(family: str) -> bool:
    """Say whether this host has any instruction set of a family."""
    return instructions.has(ISA, FAMILIES[family])
