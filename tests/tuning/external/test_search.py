"""What a search that is not ours is told of our trials, and that our limits hold around it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tuning.criterion import Bound, Criterion
from harness.tuning.external.inc_recipes import recipe_in_words
from harness.tuning.external.search import ScoreAdapter, ended, within_time
from harness.tuning.history import History
from harness.tuning.limits import TrialTimeout, suspended, time_limit
from harness.tuning.recipe import Recipe
from harness.tuning.subject import Decided, Evaluated
from harness.tuning.trials import Limits, Stop, Trials

FOREVER_SECONDS = 60

values = st.floats(-2, 2).filter(lambda value: abs(value) > 1e-3)


class Fixed:
    """Gives each recipe, named by its number, the values that stand there; None for one that crashes."""

    def __init__(self, baseline: Mapping[str, float], candidates: list[Mapping[str, float] | None]):
        self.before, self.candidates, self.asked = baseline, candidates, []
        self.kept: list[Recipe] = []

    def evaluate(self, recipe: Recipe, decided: Decided) -> Evaluated:
        self.asked.append(recipe)
        found = self.candidates[recipe.approach["number"]]
        if found is None:
            raise RuntimeError("boom")
        return Evaluated(found, 10, 1.0, 1)

    def keep(self, recipe: Recipe) -> None:
        self.kept.append(recipe)


def _told(criterion: Criterion, subject: Fixed, limits: Limits, history: History | None = None):
    history = history or History()
    if history.baseline is None:
        history.start(Evaluated(subject.before, 10, 1.0, 1))
    trials = Trials(subject, history, criterion, limits)
    adapter = ScoreAdapter(trials)
    numbers = [adapter.attempt(Recipe({"number": at}), lambda: True) for at in range(len(subject.candidates))]
    return adapter, numbers, trials


@given(
    values,
    st.lists(values, min_size=1, max_size=5),
    st.floats(0, 0.5),
    st.booleans(),
    st.booleans(),
)
def test_a_candidate_keeps_what_the_external_tuner_may_lose_exactly_when_it_keeps_the_criterion(
    before, found, tolerance, relative, greater
):
    criterion = Criterion((Bound("m", tolerance, relative, greater),))
    subject = Fixed({"m": before}, [{"m": value} for value in found])
    adapter, numbers, trials = _told(criterion, subject, Limits())
    assert 0 <= adapter.tolerable < 1
    target = adapter.baseline * (1 - adapter.tolerable)
    for number, trial in zip(numbers, trials.history.trials, strict=True):
        assert (number >= target) == (trial.status == "ok")
    if tolerance > 0.01:
        # And it orders candidates as the metric does.
        by_number = np.argsort(numbers, kind="stable")
        by_metric = np.argsort(np.array(found) * (1 if greater else -1), kind="stable")
        assert np.allclose(np.array(found)[by_number], np.array(found)[by_metric], atol=1e-6)


def test_a_crashed_trial_is_told_as_the_worst_so_far_and_the_search_goes_on():
    subject = Fixed({"m": 0.9}, [{"m": 0.5}, None, {"m": 0.1}, None, {"m": 0.8}])
    _, numbers, trials = _told(Criterion((Bound("m"),)), subject, Limits())
    assert numbers[1] < min(numbers[0], 0) and numbers[3] < numbers[2] < numbers[0] < numbers[4]
    assert np.isfinite(numbers).all()
    assert [trial.status for trial in trials.history.trials] == ["inaccurate", "failed"] * 2 + ["inaccurate"]


def test_a_search_that_runs_again_is_told_the_same_and_nothing_is_evaluated_twice():
    candidates = [{"m": 0.5}, None, {"m": 0.9}]
    _, numbers, trials = _told(Criterion((Bound("m"),)), Fixed({"m": 0.9}, candidates), Limits())
    again = Fixed({"m": 0.9}, candidates)
    _, repeated, _ = _told(Criterion((Bound("m"),)), again, Limits(), trials.history)
    assert repeated == numbers and again.asked == []


def test_it_ends_at_the_first_that_passes_unless_it_has_more_to_do_and_at_the_last_trial_always():
    subject = Fixed({"m": 0.9}, [{"m": 0.9}, {"m": 0.8}, {"m": 0.9}])
    history = History()
    history.start(Evaluated(subject.before, 10, 1.0, 1))
    adapter = ScoreAdapter(Trials(subject, history, Criterion((Bound("m"),)), Limits(max_trials=2)))
    with pytest.raises(Stop, match="met"):
        adapter.attempt(Recipe({"number": 0}))
    assert adapter.attempt(Recipe({"number": 0}), lambda: True) == 1.0
    adapter.attempt(Recipe({"number": 1}), lambda: True)
    with pytest.raises(Stop, match="max_trials"):
        adapter.attempt(Recipe({"number": 2}), lambda: True)


def test_what_was_evaluated_is_kept_when_it_is_the_best_so_far():
    subject = Fixed({"m": 0.9}, [{"m": 0.5}, {"m": 0.4}, None, {"m": 0.895}, {"m": 0.6}])
    _told(Criterion((Bound("m"),)), subject, Limits())
    assert [recipe.approach["number"] for recipe in subject.kept] == [0, 3]


def test_evaluating_leaves_the_random_numbers_of_the_search_as_they_were():
    class Draws(Fixed):
        def evaluate(self, recipe: Recipe, decided: Decided) -> Evaluated:
            np.random.seed(1)
            random.seed(1)
            return super().evaluate(recipe, decided)

    np.random.seed(9527)
    random.seed(9527)
    expected = np.random.uniform(), random.random()
    np.random.seed(9527)
    random.seed(9527)
    _told(Criterion((Bound("m"),)), Draws({"m": 0.9}, [{"m": 0.5}]), Limits())
    assert (np.random.uniform(), random.random()) == expected


def test_the_searchs_own_work_is_cut_off_when_the_time_is_over():
    history = History()
    history.start(Evaluated({"m": 0.9}, 10, 1.0, 1))
    trials = Trials(Fixed({"m": 0.9}, []), history, Criterion((Bound("m"),)), Limits(timeout_seconds=0.2))
    started = time.monotonic()
    with pytest.raises(Stop, match="timeout"), within_time(trials):
        time.sleep(FOREVER_SECONDS)
    assert time.monotonic() - started < FOREVER_SECONDS / 2


def test_a_limit_that_is_over_meanwhile_comes_after_what_suspended_it():
    done = []
    with pytest.raises(TrialTimeout), time_limit(0.05):
        with suspended():
            time.sleep(0.2)
            done.append(True)
        time.sleep(FOREVER_SECONDS)
    assert done and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_search_that_fails_is_an_end_after_a_trial_and_a_failure_before_one():
    history = History()
    history.start(Evaluated({"m": 0.9}, 10, 1.0, 1))
    trials = Trials(Fixed({"m": 0.9}, [{"m": 0.5}]), history, Criterion((Bound("m"),)), Limits())
    with pytest.raises(Exception, match="it failed before its first trial: ValueError: no ops"):
        ended(ValueError("no ops\nmore"), trials, "it")
    trials.attempt(Recipe({"number": 0}))
    with pytest.raises(Stop, match="it failed: ValueError: no ops"):
        ended(ValueError("no ops\nmore"), trials, "it")


def test_a_recipe_names_what_most_ops_have_and_lists_the_others():
    usual = {"activation": {"dtype": "uint8", "scheme": "asym", "algorithm": "kl"}, "weight": {"dtype": "int8"}}
    odd = {"activation": {"dtype": "uint8", "scheme": "sym", "algorithm": "minmax"}, "weight": {"dtype": "int8"}}
    recipe = recipe_in_words("static", {"a": usual, "b": odd, "c": usual, "d": None}, reduce_range=False)
    assert recipe.fallback == ("d",)
    assert (recipe.approach["activation"]["observer"], recipe.approach["activation"]["scheme"]) == ("kl", "affine")
    assert list(recipe.approach["ops"]) == ["b"]
    assert recipe.approach["ops"]["b"]["activation"]["scheme"] == "symmetric"
    other = recipe_in_words("static", {"a": odd, "b": usual, "c": usual, "d": None}, reduce_range=False)
    assert other.digest != recipe.digest
