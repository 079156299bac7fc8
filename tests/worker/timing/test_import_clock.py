from __future__ import annotations

import builtins
import importlib.util
import sys
import time

import pytest

from harness.worker.timing.import_clock import ImportClock, without
from tests.backend_env import environment_python, program_text, run_in


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


def test_a_package_is_not_installed_for_a_while(modules):
    with without("slow_inner"):
        assert importlib.util.find_spec("slow_inner") is None
        with pytest.raises(ModuleNotFoundError):
            import slow_inner
    import slow_inner

    with without("slow_inner"):
        assert importlib.util.find_spec("slow_inner") is not None
        import slow_inner  # noqa: F401


_NETWORK = program_text(__file__, "import_clock_network")


@pytest.mark.backend("torch")
def test_a_network_is_loaded_without_scikit_learn_which_is_there_later():
    assert run_in(environment_python("torch"), _NETWORK) == [[], 1.0]
