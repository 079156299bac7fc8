"""The emulated CPUs that tests run pieces of themselves on; see :mod:`harness.config.emulation`."""

from __future__ import annotations

import os

import pytest

from harness.config import emulation
from harness.config.schema import HostConfig

HASWELL = HostConfig(name="emulated_avx2", emulated="Haswell")
NEHALEM = HostConfig(name="emulated_nehalem", emulated="Nehalem")


def require_qemu() -> None:
    """End the test where no CPU can be emulated: in CI it fails; elsewhere it is skipped, and pytest prints why."""
    because = emulation.missing()
    if because is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(because)
