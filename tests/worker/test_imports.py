from __future__ import annotations

import builtins
import sys
import time

import pytest

from harness.worker.imports import ImportClock


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """`slow_outer` imports `slow_inner`; each takes a while."""
    (tmp_path / "slow_inner.py").write_text("import time\ntime.sleep(0.02)\n")
    (tmp_path / "slow_outer.py").write_text("import time\nimport slow_inner\ntime.sleep(0.02)\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("slow_inner", "slow_outer"):
        sys.modules.pop(name, None)


def test_nested_imports_count_once_and_other_work_does_not(modules):
    outer_start = time.monotonic_ns()
    with ImportClock() as clock:
        time.sleep(0.05)
        start = time.monotonic_ns()
        import slow_outer  # noqa: F401

        imported = time.monotonic_ns() - start
    outer = time.monotonic_ns() - outer_start
    assert 40_000_000 <= clock.elapsed_ns <= imported <= outer - 50_000_000


def test_the_import_function_is_put_back_after_a_failed_import():
    original = builtins.__import__
    with pytest.raises(ModuleNotFoundError), ImportClock():
        import no_module_has_this_name  # noqa: F401
    assert builtins.__import__ is original
