"""Property tests try the same examples everywhere, without a time limit for each: machines here are slow and shared.

``HARNESS_TEST_EXPLORE=1`` has them try new examples, as a person who changes the code should now and then.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.emulated import require_qemu

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("HARNESS_TEST_EXPLORE") else "same")


@pytest.fixture(scope="session")
def qemu() -> None:
    """Let a test emulate a CPU; see :func:`tests.emulated.require_qemu`."""
    require_qemu()
