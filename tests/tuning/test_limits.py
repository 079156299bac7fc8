"""A time limit holds inside a trial, and loses nothing that was found before it."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from harness.tuning.limits import TrialTimeout, time_limit
from harness.tuning.objective import Objective
from harness.tuning.recipe import Recipe
from harness.tuning.search.registry import search_of
from harness.tuning.trials import Limits, tune
from tests.tuning.synthetic import CRITERION, RECIPE, Additive, planted

#: Far beyond what a test may take, so that only the limit can end it.
FOREVER_SECONDS = 60


def sleeping(after: int):
    """Return a function that sleeps at the evaluation number `after` and swallows every Exception meanwhile."""
    seen = []

    def before(recipe: Recipe) -> None:
        seen.append(recipe)
        if len(seen) > after:
            try:
                time.sleep(FOREVER_SECONDS)
            except Exception:
                time.sleep(FOREVER_SECONDS)

    return before


@pytest.mark.parametrize("strategy", ["sensitivity", "basic"])
def test_a_trial_that_hangs_is_cut_off_and_the_passing_one_before_it_is_kept(strategy: str) -> None:
    recipes = [Recipe({"observer": "one"}), Recipe({"observer": "two"})]
    subject = Additive(planted(8, []), before=sleeping(1))
    started = time.monotonic()
    found = tune(subject, recipes, CRITERION, Objective(), search_of(strategy), Limits(timeout_seconds=0.3))
    assert time.monotonic() - started < FOREVER_SECONDS / 2
    assert [trial.status for trial in found.trials] == ["ok", "timeout"]
    assert (found.status, found.reason, found.best.recipe) == ("ok", "timeout", recipes[0])


def test_a_hanging_first_trial_is_the_answer_with_status_timeout() -> None:
    subject = Additive(planted(8, []), before=sleeping(0))
    found = tune(subject, [RECIPE], CRITERION, Objective(), search_of("sensitivity"), Limits(timeout_seconds=0.2))
    assert (found.status, found.reason) == ("timeout", "timeout")
    assert found.best.message == "timeout=0.2 s was over inside the trial"


def test_a_hanging_proxy_ends_the_search_with_a_recorded_trial() -> None:
    class Slow(Additive):
        def divergence(self, recipe: Recipe) -> float:
            time.sleep(FOREVER_SECONDS)
            return 0.0

    recipes = [RECIPE, Recipe({"observer": "kl"})]
    found = tune(Slow(planted(8, [])), recipes, CRITERION, Objective(), search_of("sensitivity"), Limits(0.2))
    assert (found.status, found.reason, len(found.trials)) == ("timeout", "timeout", 1)


def test_a_timer_that_was_set_outside_goes_on_afterwards() -> None:
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, FOREVER_SECONDS)
        with pytest.raises(TrialTimeout), time_limit(0.05):
            time.sleep(FOREVER_SECONDS)
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        assert 0 < left < FOREVER_SECONDS
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with time_limit(FOREVER_SECONDS):
            pass
        time.sleep(0.2)
        assert rung == [True]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_outside_the_main_thread_the_body_runs_to_its_end() -> None:
    done = []

    def body() -> None:
        with time_limit(0.001):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert done == [True]
