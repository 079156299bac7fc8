"""Trials on disk survive a cut anywhere, and answer questions that were asked only later."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from harness.errors import StageError
from harness.tuning.criterion import Bound, Criterion
from harness.tuning.errors import TuningError
from harness.tuning.history import History, Trial
from harness.tuning.objective import Goal, Objective
from harness.tuning.recipe import Recipe
from harness.tuning.search.registry import search_of
from harness.tuning.subject import Evaluated
from harness.tuning.trials import Limits, tune
from tests.tuning.synthetic import CRITERION, RECIPE, Additive, planted

BASELINE = Evaluated({"f1": 0.9}, latency_ns=100.0, size_bytes=1000, scores={"f1": np.array([1.0, 0.0])})


def trial(index: int, f1: float, latency: float | None = 50.0, size: int | None = 500, ops: int = 0) -> Trial:
    reading = {"value": f1, "difference": f1 - 0.9, "allowed": 0.01, "low": None, "high": None, "state": "undecided"}
    recipe = Recipe({"number": index}, tuple(f"op{number}" for number in range(ops)))
    return Trial(index, recipe, "ok", accuracy={"f1": reading}, latency_ns=latency, size_bytes=size, rows=2)


def history(*trials: Trial) -> History:
    made = History()
    made.start(BASELINE)
    for one in trials:
        made.append(one)
    return made


def within(tolerance: float, relative: bool = False) -> Criterion:
    return Criterion((Bound("f1", tolerance, relative),))


POINTS = history(
    trial(0, 0.80, 30, 300),
    trial(1, 0.885, 40, 400),
    trial(2, 0.895, 50, 350),
    trial(3, 0.899, 90, 900),
    trial(4, 0.89, 60),
)


def test_the_best_is_the_fastest_that_passes() -> None:
    assert POINTS.best(within(0.01), Objective()).index == 2
    assert POINTS.best(within(0.2), Objective()).index == 0


def test_the_objective_decides_which_of_those_that_pass_is_best() -> None:
    made = history(trial(0, 0.9, 40, 900), trial(1, 0.9, 60, 300))
    assert made.best(within(0.01), Objective((Goal("performance"),))).index == 0
    assert made.best(within(0.01), Objective((Goal("modelsize"),))).index == 1
    assert made.best(within(0.01), Objective((Goal("performance"), Goal("modelsize")))).index == 1


def test_of_those_that_fail_the_closest_is_best_and_marked() -> None:
    best = POINTS.best(within(0.0001), Objective())
    assert (best.index, best.status) == (3, "inaccurate")


def test_a_trial_that_was_never_evaluated_is_an_answer_only_when_there_is_no_other() -> None:
    failed = Trial(0, Recipe({}), "failed", kind="crash")
    assert history(failed).best(within(0.01), Objective()) == failed
    assert history(failed, trial(1, 0.1)).best(within(0.01), Objective()).index == 1
    with pytest.raises(ValueError, match="no trial"):
        history().best(within(0.01), Objective())


def test_questions_asked_later_need_no_new_run() -> None:
    assert POINTS.fastest_within(within(0.01, relative=True)).index == 2
    assert POINTS.fastest_within(within(0.02)).index == 1
    assert POINTS.smallest_within(within(0.02)).index == 2
    assert POINTS.smallest_within(within(0.5)).index == 0
    assert POINTS.fastest_within(within(0.0)) is None


def test_the_front_has_no_trial_that_another_beats_in_both() -> None:
    front = POINTS.front("f1")
    assert [one.index for one in front] == [0, 1, 2, 3]
    lower = history(trial(0, 34.0, 30), trial(1, 33.0, 40), trial(2, 35.0, 50))
    assert [one.index for one in lower.front("f1", greater_is_better=False)] == [0, 1]
    assert history(trial(0, 0.9, None)).front("f1") == []


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    made = History(path, key="k")
    made.start(BASELINE)
    for one in (trial(0, 0.88, ops=3), trial(1, 0.9, None)):
        made.begin(one.recipe)
        made.append(one)
    loaded = History(path, key="k")
    assert loaded.trials == made.trials
    assert loaded.baseline.values == BASELINE.values
    assert loaded.baseline.scores["f1"].tolist() == [1.0, 0.0]
    assert loaded.find(made.trials[1].digest) == made.trials[1]
    assert loaded.find("other") is None


def test_one_recipe_has_one_digest_however_it_was_written() -> None:
    one = Recipe({"a": 1, "b": {"c": 2, "d": 3}}, ("y", "x", "x"))
    other = Recipe.from_json(
        json.loads(json.dumps({"approach": {"b": {"d": 3, "c": 2}, "a": 1}, "fallback": ["x", "y"]}))
    )
    assert one.digest == other.digest and one == other
    assert one.falling_back(["x"]).digest != one.digest


def test_a_history_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    History(path, key="one").start(BASELINE)
    with pytest.raises(TuningError, match="of another tuning"):
        History(path, key="other")


def test_a_line_that_is_no_line_is_damage_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    History(path).start(BASELINE)
    path.write_text(path.read_text() + "rubbish\n")
    with pytest.raises(StageError, match="line 2") as caught:
        History(path)
    assert caught.value.kind == "damaged"


def test_a_file_cut_anywhere_goes_on_at_the_next_trial(tmp_path: Path) -> None:
    losses = planted(8, [2, 5])

    def run(path: Path) -> tuple[Additive, History]:
        subject, made = Additive(losses), History(path)
        found = tune(subject, [RECIPE], CRITERION, Objective(), search_of("sensitivity"), Limits(600), made)
        assert found.status == "ok"
        return subject, made

    whole = tmp_path / "whole.jsonl"
    run(whole)
    data = whole.read_bytes()
    ends = [place for place, byte in enumerate(data) if byte == ord("\n")]
    for cut in sorted({*range(0, len(data), 61), *(end + step for end in ends for step in (-1, 0, 1))}):
        path = tmp_path / "cut.jsonl"
        path.write_bytes(data[:cut])
        kept = data[: data.rfind(b"\n", 0, cut) + 1]
        lines = [json.loads(line) for line in kept.splitlines()]
        ended = {line["trial"]["digest"] for line in lines if "trial" in line}
        begun = {Recipe.from_json(line["recipe"]).digest for line in lines if "begin" in line}
        subject, made = run(path)
        again = {recipe.digest for recipe in subject.evaluated}
        assert not again & (ended | begun)
        crashed = {one.digest for one in made.trials if one.kind == "crash"}
        assert crashed == begun - ended
        # What was written in the end is a whole history again.
        assert [dataclasses.asdict(one) for one in History(path).trials] == [dataclasses.asdict(t) for t in made.trials]


def test_a_resumed_tuning_knows_the_time_it_has_spent(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    made = History(path)
    made.start(Additive(planted(8, [2])).baseline())
    spent = Trial(0, RECIPE, "failed", kind="error", seconds=50.0)
    made.begin(RECIPE)
    made.append(spent)
    subject = Additive(planted(8, [2]))
    found = tune(subject, [RECIPE], CRITERION, Objective(), search_of("sensitivity"), Limits(40), History(path))
    assert (found.reason, subject.evaluated) == ("timeout", [])
