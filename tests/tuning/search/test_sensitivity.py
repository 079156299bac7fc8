"""The search: planted ops are found in few evaluations, limits hold, and nothing that goes wrong ends it early."""

from __future__ import annotations

import dataclasses
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tuning.errors import TuningError
from harness.tuning.history import History
from harness.tuning.objective import Objective
from harness.tuning.recipe import Recipe
from harness.tuning.search.registry import search_of
from harness.tuning.subject import Evaluated
from harness.tuning.trials import Limits, Tuned, tune
from tests.tuning.synthetic import CRITERION, RECIPE, Additive, planted

#: Long enough for any search here to come to its own end.
LONG_SECONDS = 600


def run(subject: Additive, strategy: str = "sensitivity", recipes=(RECIPE,), history=None, **limits) -> Tuned:
    return tune(subject, recipes, CRITERION, Objective(), search_of(strategy), Limits(**limits), history)


def bound(ops: int) -> int:
    return math.floor(math.log2(ops)) + 3


@st.composite
def models(draw) -> dict[str, float]:
    ops = draw(st.integers(2, 120))
    bad = draw(st.sets(st.integers(0, ops - 1), min_size=1, max_size=min(6, ops - 1)))
    return planted(ops, sorted(bad), each=draw(st.floats(0.02, 0.1)))


@settings(deadline=None, max_examples=80)
@given(models())
def test_planted_ops_are_found_exactly_within_the_bound_of_evaluations(losses: dict[str, float]) -> None:
    subject = Additive(losses)
    found = run(subject, timeout_seconds=LONG_SECONDS)
    assert found.status == "ok"
    assert set(found.best.recipe.fallback) == {op for op, loss in losses.items() if loss > 0.01}
    assert len(subject.evaluated) <= bound(len(losses))


@settings(deadline=None, max_examples=80)
@given(models())
def test_without_a_timeout_it_ends_at_the_first_that_passes_and_that_one_is_short(losses: dict[str, float]) -> None:
    subject = Additive(losses)
    found = run(subject)
    assert [trial.status for trial in found.trials] == ["inaccurate"] * (len(found.trials) - 1) + ["ok"]
    assert found.reason == "met"
    assert len(subject.evaluated) <= bound(len(losses))
    bad = {op for op, loss in losses.items() if loss > 0.01}
    # The planted ops lead the order, so they are in every fallback that is long enough; at most twice as many are.
    assert bad <= set(found.best.recipe.fallback) or len(found.best.recipe.fallback) < len(bad)
    assert len(found.best.recipe.fallback) <= 2 * len(bad)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.floats(1e-6, 0.02), st.floats(0.1, 10)), min_size=2, max_size=80),
    st.sampled_from([0, LONG_SECONDS]),
)
def test_any_additive_model_is_tuned_within_the_bound(ops: list[tuple[float, float]], timeout: int) -> None:
    losses = {f"op{i}": loss for i, (loss, _) in enumerate(ops)}
    subject = Additive(losses, {f"op{i}": saving for i, (_, saving) in enumerate(ops)})
    found = run(subject, timeout_seconds=timeout)
    assert len(subject.evaluated) <= bound(len(ops))
    quantized_loss = sum(loss for op, loss in losses.items() if op not in found.best.recipe.fallback)
    assert (found.status == "ok") == (quantized_loss <= 0.01 + 1e-9)
    # One op alone that passes shows that something passes, and then something must be found.
    if min(losses.values()) <= 0.009 and timeout:
        order = sorted(losses, key=lambda op: -losses[op] / subject.savings[op])
        assert found.status == "ok" or losses[order[-1]] > 0.009


def test_a_dear_op_in_front_is_quantized_again_when_a_later_one_was_the_cause() -> None:
    # `small` loses little and saves hardly anything, so it falls back first; only `large` must.
    losses = {"small": 0.001, "large": 0.05, **{f"op{i}": 1e-6 for i in range(30)}}
    savings = dict.fromkeys(losses, 1.0) | {"small": 0.001}
    found = run(Additive(losses, savings), timeout_seconds=LONG_SECONDS)
    assert found.best.recipe.fallback == ("large",)


def test_an_op_that_saves_nothing_falls_back_before_all_others() -> None:
    losses = planted(16, [3])
    savings = dict.fromkeys(losses, 1.0) | {"op9": -0.5}
    subject = Additive(losses, savings)
    found = run(subject)
    assert "op9" in subject.evaluated[1].fallback
    assert found.status == "ok" and "op3" in found.best.recipe.fallback


def test_the_recipe_of_least_divergence_is_evaluated_first_and_alone_when_it_passes() -> None:
    recipes = [Recipe({"observer": name}) for name in ("minmax", "kl", "mse")]
    subject = Additive(planted(20, [1]), factors={"minmax": 1.0, "kl": 0.1, "mse": 0.5})
    found = run(subject, recipes=recipes)
    assert [recipe.approach["observer"] for recipe in subject.evaluated] == ["kl"]
    assert found.best.recipe.fallback == ()


def test_basic_needs_many_times_the_evaluations_and_finds_no_shorter_fallback() -> None:
    losses = planted(50, [7, 31])
    ours, theirs = Additive(losses), Additive(losses)
    mine, other = run(ours, timeout_seconds=LONG_SECONDS), run(theirs, strategy="basic", max_trials=200)
    assert other.status == mine.status == "ok"
    # 1 recipe, 50 single fallbacks, then the first that accumulates two.
    assert len(theirs.evaluated) == 52
    assert len(ours.evaluated) <= bound(50)
    assert len(mine.best.recipe.fallback) <= len(other.best.recipe.fallback)


def test_when_nothing_passes_the_closest_is_returned_marked_inaccurate() -> None:
    subject = Additive({"a": 0.05, "b": 0.04, "c": 0.03})
    found = run(subject, timeout_seconds=LONG_SECONDS)
    assert (found.status, found.reason) == ("inaccurate", "exhausted")
    assert found.best.recipe.fallback == ("a", "b")


def test_with_time_left_the_search_goes_on_after_the_first_that_passes() -> None:
    recipes = [Recipe({"observer": name}) for name in ("one", "two", "three")]
    subject = Additive(planted(8, []), factors={"one": 1.0, "two": 2.0, "three": 3.0})
    assert len(run(subject, recipes=recipes).trials) == 1
    found = run(subject, recipes=recipes, timeout_seconds=LONG_SECONDS)
    assert [trial.status for trial in found.trials] == ["ok"] * 3
    assert found.reason == "exhausted"


def test_a_proxy_that_says_nothing_costs_no_more_than_the_bound() -> None:
    class Blind(Additive):
        def divergence(self, recipe: Recipe) -> float:
            raise RuntimeError("no proxy")

    subject = Blind(planted(64, [62]))
    found = run(subject)
    assert found.status == "ok" and "op62" in found.best.recipe.fallback
    assert len(subject.evaluated) <= bound(64)


def test_a_metric_that_is_no_number_is_a_failed_trial() -> None:
    subject = Additive(planted(6, [2]), factors={"minmax": math.nan})
    found = run(subject, max_trials=1)
    assert (found.best.status, found.best.kind) == ("failed", "nan")


def test_an_interrupted_search_goes_on_and_evaluates_nothing_twice(tmp_path) -> None:
    losses = planted(40, [5, 17, 30])
    whole = Additive(losses)
    wanted = run(whole, timeout_seconds=LONG_SECONDS)
    evaluations = 0

    def before(recipe: Recipe) -> None:
        nonlocal evaluations
        evaluations += 1
        if evaluations == 3:
            raise KeyboardInterrupt

    path = tmp_path / "history.jsonl"
    first = Additive(losses, before=before)
    with pytest.raises(KeyboardInterrupt):
        run(first, history=History(path), timeout_seconds=LONG_SECONDS)
    second = Additive(losses)
    found = run(second, history=History(path), timeout_seconds=LONG_SECONDS)
    digests = [recipe.digest for recipe in (*first.evaluated, *second.evaluated)]
    assert len(digests) == len(set(digests))
    assert found.trials[2].kind == "crash"
    assert len(found.trials) <= len(wanted.trials) + bound(40)
    assert found.status == "ok"


class Previewed(Additive):
    """Evaluates a stand-in, without a latency; what it stands for loses `more`."""

    def __init__(self, losses, more: float = 0.0, **others):
        super().__init__(losses, **others)
        self.more = more
        self.confirmed: list[Recipe] = []

    def evaluate(self, recipe: Recipe, decided) -> Evaluated:
        return dataclasses.replace(super().evaluate(recipe, decided), latency_ns=None, size_bytes=None)

    def confirm(self, recipe: Recipe, decided) -> Evaluated:
        self.confirmed.append(recipe)
        seen = super().evaluate(recipe, decided)
        return dataclasses.replace(seen, values={"accuracy": seen.values["accuracy"] - self.more})


def test_only_what_passes_as_a_stand_in_is_confirmed_and_that_is_the_trial() -> None:
    subject = Previewed(planted(40, [5, 17]))
    found = run(subject, timeout_seconds=LONG_SECONDS)
    passed = [trial for trial in found.trials if trial.status == "ok"]
    assert found.status == "ok" and set(found.best.recipe.fallback) == {"op5", "op17"}
    assert [trial.recipe for trial in passed] == subject.confirmed
    assert all(trial.latency_ns is not None for trial in passed)
    assert all(trial.latency_ns is None for trial in found.trials if trial.status != "ok")


def test_what_passes_as_a_stand_in_alone_does_not_pass() -> None:
    found = run(Previewed(planted(6, [2]), more=0.02))
    assert found.status == "inaccurate" and not any(trial.status == "ok" for trial in found.trials)


def test_a_confirmation_that_has_no_number_fails_the_trial() -> None:
    found = run(Previewed(planted(6, []), more=math.nan), max_trials=1)
    assert (found.best.status, found.best.kind) == ("failed", "nan")


def test_the_time_is_over_inside_a_confirmation_too() -> None:
    class Slow(Previewed):
        def confirm(self, recipe: Recipe, decided) -> Evaluated:
            time.sleep(30)
            return super().confirm(recipe, decided)

    found = run(Slow(planted(6, [])), timeout_seconds=0.2)
    assert [trial.status for trial in found.trials] == ["timeout"] and found.trials[0].seconds < 20


def test_ops_that_saving_does_not_know_weigh_alike() -> None:
    class Plain:
        def __init__(self, inner: Additive):
            self.ops, self.baseline = inner.ops, inner.baseline
            self.divergence, self.evaluate = inner.divergence, inner.evaluate

    found = run(Plain(Additive(planted(16, [3]))), timeout_seconds=LONG_SECONDS)
    assert found.best.recipe.fallback == ("op3",)


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        ({"timeout_seconds": -1}, "timeout=-1: want a number of seconds from 0"),
        ({"timeout_seconds": math.nan}, "timeout=nan: want a number of seconds from 0"),
        ({"max_trials": 0}, "max_trials=0: want at least 1"),
    ],
)
def test_limits_that_mean_nothing_are_refused(limits: dict[str, float], line: str) -> None:
    with pytest.raises(TuningError, match=f"^{line}$"):
        Limits(**limits)


def test_an_unknown_search_is_refused_with_the_nearest() -> None:
    with pytest.raises(TuningError, match="did you mean 'sensitivity'"):
        search_of("sensitvity")


def test_no_recipe_is_refused() -> None:
    with pytest.raises(TuningError, match="at least one"):
        run(Additive(planted(4, [])), recipes=())
