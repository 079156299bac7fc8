"""What all searches share that are not ours: our trials as verdicts, our limits, and what they make kept at hand.

An external tuner decides what is tried and in which order, and makes each candidate. When it asks for an evaluation it
is given the outcome of a trial: judged by our criterion, bounded by our limits, recorded, and answered from the history
where it was made before, so that an interrupted search goes on at the next trial. Making a candidate is part of its
trial: a limit cuts it off, and what it raises is that trial's failure.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from harness.errors import StageError
from harness.tuning.criterion import excess
from harness.tuning.history import Trial
from harness.tuning.limits import TrialTimeout, suspended, time_limit
from harness.tuning.objective import Objective
from harness.tuning.recipe import Recipe
from harness.tuning.subject import Keeping
from harness.tuning.trials import Stop, Trials

#: What an external tuner may take for FP32's accuracy.
_BASELINE = 1.0

#: Makes the model of a candidate, whenever it is asked to, in the form of its framework.
Make = Callable[[], Any]


class CandidateRegistry:
    """The recipes that a search has come to, and how each is made."""

    def __init__(self) -> None:
        self._makes: dict[str, Make] = {}

    def add(self, recipe: Recipe, make: Make) -> None:
        """Keep how a recipe is made."""
        self._makes[recipe.digest] = make

    def make(self, recipe: Recipe) -> Any:
        """Return the model of a recipe, made anew."""
        if recipe.digest not in self._makes:
            raise StageError("error", "the search has not come to this recipe")
        return self._makes[recipe.digest]()


class ScoreAdapter:
    """What an external tuner is told of our trials: one number, higher is better, of which it may lose `tolerable`.

    It is 1 for FP32 and falls with the loss, in units in which our criterion allows `tolerable`, whatever the metrics,
    their directions and FP32's values are; so a candidate keeps the one exactly when it keeps the other.
    """

    def __init__(self, trials: Trials, objective: Objective | None = None):
        self._trials = trials
        self._objective = objective or Objective()
        baseline = trials.history.baseline
        assert baseline is not None
        unchanged = dict.fromkeys(baseline.values, 0.0)
        self._start = excess(trials.criterion, baseline.values, unchanged)
        self._worst = 0.0

    @property
    def baseline(self) -> float:
        """FP32's number."""
        return _BASELINE

    @property
    def tolerable(self) -> float:
        """How much may be lost of 1."""
        return -self._start / 2

    def attempt(self, recipe: Recipe, goes_on: Callable[[], bool] = lambda: False) -> float:
        """Return the number for the trial of a recipe, which is made and evaluated unless it has been.

        Parameters
        ----------
        goes_on : whether the search has more to do although a trial has met the criterion.

        Raises
        ------
        Stop : the search is over.
        """
        with suspended(), _same_random_numbers():
            try:
                trial = self._trials.attempt(recipe)
            except Stop as stop:
                found = self._trials.history.find(recipe.digest)
                if found is not None:
                    self._keep(found)
                if stop.reason != "met" or found is None or not goes_on():
                    raise
                trial = found
            else:
                self._keep(trial)
        return self._told(trial)

    def _keep(self, trial: Trial) -> None:
        """Have the subject keep what was evaluated if it is the best so far: making it again may give another model."""
        if self._trials.history.best(self._trials.criterion, self._objective).digest == trial.digest:
            # Whoever has an external tuner search brings such a subject.
            cast(Keeping, self._trials.subject).keep(trial.recipe)

    def _told(self, trial: Trial) -> float:
        if trial.excess is None or not np.isfinite(trial.excess):
            # Worse than all others, but a number: a Gaussian process is fitted to them.
            return self._worst - 1.0
        told = _BASELINE - (trial.excess - self._start) / 2
        self._worst = min(self._worst, told)
        return told


def ended(error: BaseException, trials: Trials, search: str) -> None:
    """Raise what it means that an external tuner was ended by `error`; with trials it is an end like any other."""
    if isinstance(error, Stop):
        raise error
    if isinstance(error, TrialTimeout):
        raise Stop("timeout")
    first = (str(error).splitlines() or [""])[0]
    if not trials.history.trials:
        message = f"{search} failed before its first trial: {type(error).__name__}: {first}"
        raise StageError("error", message) from error
    raise Stop(f"{search} failed: {type(error).__name__}: {first}")


@contextlib.contextmanager
def within_time(trials: Trials) -> Iterator[None]:
    """Hold the search's own work, between two trials, to the time that is left."""
    left = trials.seconds_left
    try:
        with time_limit(None if left is None else max(left, 0.0)):
            yield
    except TrialTimeout:
        raise Stop("timeout") from None


@contextlib.contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Leave the global generators as they were: a search that draws from them repeats itself, evaluated or answered."""
    before = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


@contextlib.contextmanager
def replaced(where: Any, name: str, value: Any) -> Iterator[None]:
    """Put `value` in the place of an attribute, or of an entry of a dict, and back again."""
    if isinstance(where, dict):
        before = where[name]
        where[name] = value
    else:
        before = getattr(where, name)
        setattr(where, name, value)
    try:
        yield
    finally:
        if isinstance(where, dict):
            where[name] = before
        else:
            setattr(where, name, before)
