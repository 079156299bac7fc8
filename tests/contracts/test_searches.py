"""What every search must keep, whatever its order: within the limits, each recipe once, and an answer at its end.

A search is a function ``search(trials, recipes)`` (:data:`harness.tuning.trials.Search`). The subjects are synthetic:
what each op loses is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.registry import SEARCHES
from harness.tuning.history import History
from harness.tuning.objective import Objective
from harness.tuning.recipe import Recipe
from harness.tuning.search.registry import search_of
from harness.tuning.trials import Limits, Tuned, tune
from tests.tuning.synthetic import CRITERION, RECIPE, Additive, planted

#: Long enough for any search here to come to its own end.
LONG_SECONDS = 600

RECIPES = tuple(Recipe({"method": "static", "observer": name}) for name in ("minmax", "histogram", "kl"))

every_search = pytest.mark.parametrize("name", SEARCHES.names())


def run(name: str, subject: Additive, recipes: Sequence[Recipe] = (RECIPE,), history=None, **limits: float) -> Tuned:
    """Return what a search finds on a subject."""
    return tune(subject, recipes, CRITERION, Objective(), search_of(name), Limits(**limits), history)


def digests(recipes: Sequence[Recipe]) -> list[str]:
    """Return what tells recipes apart."""
    return [recipe.digest for recipe in recipes]


@every_search
def test_one_op_that_loses_too_much_is_found(name):
    subject = Additive(planted(12, [7]))
    found = run(name, subject)
    assert (found.status, found.reason) == ("ok", "met")
    assert found.best.recipe.fallback == ("op7",)
    # The first that passes ends it, where no time is given.
    assert [trial.status for trial in found.trials] == ["inaccurate"] * (len(found.trials) - 1) + ["ok"]


@every_search
def test_where_nothing_is_lost_the_first_recipe_is_the_answer(name):
    subject = Additive(planted(12, []))
    found = run(name, subject, RECIPES)
    assert (found.status, digests(subject.evaluated)) == ("ok", digests(RECIPES[:1]))


@every_search
@pytest.mark.parametrize("ops", [1, 2, 3, 9])
def test_it_ends_by_itself_and_evaluates_each_recipe_once(name, ops):
    subject = Additive(planted(ops, [0], each=0.02))
    found = run(name, subject, RECIPES, timeout_seconds=LONG_SECONDS)
    assert found.reason == "exhausted" and found.best is not None
    assert len(set(digests(subject.evaluated))) == len(subject.evaluated) == len(found.trials)


@every_search
def test_what_it_tries_are_the_recipes_with_known_ops_falling_back(name):
    subject = Additive(planted(9, [2, 5]))
    run(name, subject, RECIPES, timeout_seconds=LONG_SECONDS)
    for recipe in subject.evaluated:
        assert recipe.approach in [one.approach for one in RECIPES]
        assert set(recipe.fallback) <= set(subject.ops()) and len(set(recipe.fallback)) == len(recipe.fallback)


@every_search
@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("timeout", [0, LONG_SECONDS])
def test_the_number_of_trials_is_a_bound_and_the_closest_is_returned(name, most, timeout):
    subject = Additive(dict.fromkeys(planted(40, []), 0.05))
    found = run(name, subject, timeout_seconds=timeout, max_trials=most)
    assert len(found.trials) == len(subject.evaluated) == most
    assert (found.status, found.reason) == ("inaccurate", "max_trials")
    assert found.best.recipe == max(found.trials, key=lambda trial: trial.accuracy["accuracy"]["value"]).recipe


@every_search
def test_a_trial_that_raises_is_recorded_and_the_search_goes_on(name):
    def before(recipe: Recipe) -> None:
        if not recipe.fallback:
            raise RuntimeError("a kernel refused\nits second line")

    found = run(name, Additive(planted(6, [2]), before=before), timeout_seconds=LONG_SECONDS)
    first = found.trials[0]
    assert (first.status, first.kind, first.message) == ("failed", "error", "RuntimeError: a kernel refused")
    assert found.status == "ok" and "op2" in found.best.recipe.fallback


@every_search
def test_every_trial_raising_still_gives_an_answer(name):
    def before(recipe: Recipe) -> None:
        raise MemoryError

    found = run(name, Additive(planted(6, [2]), before=before))
    assert found.best is not None and found.status == "failed"
    assert {trial.kind for trial in found.trials} == {"oom"}


@every_search
def test_a_proxy_that_raises_does_not_end_it(name):
    class Broken(Additive):
        def divergence(self, recipe: Recipe) -> float:
            raise RuntimeError("no proxy")

    found = run(name, Broken(planted(9, [4])), timeout_seconds=LONG_SECONDS)
    assert found.status == "ok" and "op4" in found.best.recipe.fallback


@every_search
def test_a_subject_without_savings_is_searched_all_the_same(name):
    class Plain:
        def __init__(self, inner: Additive):
            self.ops, self.baseline = inner.ops, inner.baseline
            self.divergence, self.evaluate = inner.divergence, inner.evaluate

    found = run(name, Plain(Additive(planted(8, [3]))), timeout_seconds=LONG_SECONDS)
    assert found.status == "ok" and "op3" in found.best.recipe.fallback


@every_search
@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_search_goes_on_and_evaluates_nothing_twice(name, after, tmp_path: Path):
    losses = planted(10, [1, 8], each=0.008)
    left = after

    def before(recipe: Recipe) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    first, second = Additive(losses, before=before), Additive(losses)
    with pytest.raises(KeyboardInterrupt):
        run(name, first, RECIPES, History(tmp_path / "history.jsonl"), timeout_seconds=LONG_SECONDS)
    found = run(name, second, RECIPES, History(tmp_path / "history.jsonl"), timeout_seconds=LONG_SECONDS)
    evaluated = digests([*first.evaluated, *second.evaluated])
    assert len(evaluated) == len(set(evaluated)) == len(found.trials)
    assert found.trials[after].kind == "crash" and found.status == "ok"


@every_search
def test_the_same_subject_is_searched_in_the_same_order(name):
    orders = []
    for _ in range(2):
        subject = Additive(planted(9, [2, 5]))
        run(name, subject, RECIPES, timeout_seconds=LONG_SECONDS)
        orders.append(digests(subject.evaluated))
    assert orders[0] == orders[1]
