"""Settings of all tests, their turns, and what tests that depend on the host's instruction sets have seen.

Property tests try the same examples everywhere, without a time limit for each: machines here are slow and shared.
``HARNESS_TEST_EXPLORE=1`` has them try new examples, as a person who changes the code should now and then.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

from harness.plan import compose
from tests.composed import remembered
from tests.emulated import require_qemu
from tests.needs import FAMILIES, has
from tests.turns import turn

# Where Python is told to keep no compiled files, each command that a test starts would compile the harness anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("HARNESS_TEST_EXPLORE") else "same")

_SEEN: Counter[tuple[str, bool]] = Counter()


@pytest.fixture(scope="session", autouse=True)
def _compositions_are_remembered() -> Generator[None, Any, Any]:
    """Have each option composed once (:mod:`tests.composed`)."""
    original = compose._compose
    compose._compose = remembered(original)
    yield
    compose._compose = original


@pytest.fixture
def there(request: pytest.FixtureRequest) -> bool:
    """Say whether the host has all that the test's mark ``needs(FAMILY)`` names."""
    marks = list(request.node.iter_markers("needs"))
    assert marks, "there: the test says no needs(FAMILY)"
    return all(has(family) for mark in marks for family in mark.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run a test in its turn: fixtures, the test and what ends it."""
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a family that there is not, and note which behaviour each test will assert here.

    Tests that need hours are run only where ``-m`` speaks of them. The longest come first, so that no process of
    several is left with them at the end; and last those that have the machine to themselves, for which all wait.
    """
    if "hours" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("hours")])
        items[:] = [item for item in items if not item.get_closest_marker("hours")]
    items.sort(key=_place)
    for item in items:
        for mark in item.iter_markers("needs"):
            for family in mark.args:
                if family not in FAMILIES:
                    raise pytest.UsageError(f"{item.nodeid}: needs({family!r}); valid: {', '.join(FAMILIES)}")
                _SEEN[family, has(family)] += 1
    if hasattr(config, "workeroutput"):
        config.workeroutput["needs"] = [[*key, count] for key, count in _SEEN.items()]


def _place(item: pytest.Item) -> int:
    if item.get_closest_marker("alone") is not None:
        return 2
    return 0 if item.path.parent.name == "whole" else 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker has noted: each of them has all the tests before it."""
    for family, is_there, count in getattr(node, "workeroutput", {}).get("needs", ()):
        _SEEN[family, is_there] = max(_SEEN[family, is_there], count)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests asserted what happens with, and what without, each family of instructions."""
    for (family, is_there), count in sorted(_SEEN.items()):
        terminalreporter.line(
            f"needs({family}): {count} tests asserted what happens {'with' if is_there else 'without'} it"
        )


@pytest.fixture(scope="session")
def qemu() -> None:
    """Let a test emulate a CPU; see :func:`tests.emulated.require_qemu`."""
    require_qemu()
