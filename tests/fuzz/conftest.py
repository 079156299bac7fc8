"""A sandbox for each module of the fuzz tests, and how many examples a test tries."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.driver import warm_up
from tests.fuzz.explore import HOURS
from tests.fuzz.sandbox import Sandbox

SMALL = """
name: small
axes:
  model: [minilm]
  task: [sentiment]
  approach: [fp32]
  backend: [eager]
  tuner: [none]
  host: [native]
  protocol: [smoke]
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder that try many examples as slow; the others take a few seconds together."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "tries" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Return a sandbox whose project has a suite of one cell; commands see its cache and no other."""
    warm_up()
    box = Sandbox(tmp_path_factory.mktemp("sandbox"))
    (box.project / "suites").mkdir()
    (box.project / "suites" / "small.yaml").write_text(SMALL)
    before = {name: os.environ.get(name) for name in ("HARNESS_CACHE", "COLUMNS")}
    os.environ |= {"HARNESS_CACHE": str(box.cache), "COLUMNS": "100"}
    yield box
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@pytest.fixture(params=["same", pytest.param("new", marks=pytest.mark.hours)])
def tries(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what :func:`tests.fuzz.explore.explore` is given: the same examples in CI, many new ones in hours."""
    if request.param == "same":
        return {"factor": 1, "random": None}
    random = int(os.environ.get("HARNESS_FUZZ_SEED") or secrets.randbits(32))
    print(f"HARNESS_FUZZ_SEED={random}")
    return {"factor": HOURS, "random": random}


@pytest.fixture(scope="session")
def shipped() -> Path:
    """Return the folder of the configs that are shipped."""
    return Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="session")
def committed() -> Path:
    """Return the folder of the results that are committed; nothing may be written there."""
    return Path(__file__).resolve().parents[2] / "results"
