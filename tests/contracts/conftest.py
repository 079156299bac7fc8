"""The contract suites run against every option that the registry finds, so a new one is tested by being there.

With ``HARNESS_TEST_PROJECT=DIR`` they run against the options of that project's folder plugins as well.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.plan.catalogue import catalogue
from harness.registry import use_project

_PROJECT = Path(os.environ["HARNESS_TEST_PROJECT"]).resolve() if "HARNESS_TEST_PROJECT" in os.environ else None

#: Where configs of the options lie.
CATALOGUE = catalogue(_PROJECT)

# Before the suites ask for names, which they do while they are collected.
use_project(_PROJECT)


@pytest.fixture(autouse=True)
def _the_project_is_known() -> None:
    """Undo what another test of this process has made of it."""
    use_project(_PROJECT)
