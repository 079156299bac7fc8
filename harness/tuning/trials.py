"""Runs trials within the limits of a tuning, whatever the order of the search: each once, each recorded.

`timeout` 0 ends the search at the first trial that meets the criterion; above 0 the search goes on for so many seconds
and the best is kept. `max_trials` bounds both. A trial that raises is a failed trial, and the search goes on.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import StageError
from harness.tuning.criterion import Criterion, Judgement, check_baseline, judge
from harness.tuning.early_stopping import EarlyStopping
from harness.tuning.errors import TuningError
from harness.tuning.history import History, Trial
from harness.tuning.limits import TrialTimeout, time_limit
from harness.tuning.objective import Objective, check_measured
from harness.tuning.recipe import Recipe
from harness.tuning.subject import Evaluated, Subject

#: A search tries recipes, starting from some that quantize every op, until it has no more idea or :class:`Stop`.
Search = Callable[["Trials", Sequence[Recipe]], None]


class Stop(Exception):
    """A search ends here: `reason` is met, timeout or max_trials."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Limits:
    """How long a search may take, and how sure its intervals are."""

    timeout_seconds: float = 0
    max_trials: int = 100
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not (math.isfinite(self.timeout_seconds) and self.timeout_seconds >= 0):
            raise TuningError(f"timeout={self.timeout_seconds}: want a number of seconds from 0")
        if self.max_trials < 1:
            raise TuningError(f"max_trials={self.max_trials}: want at least 1")


@dataclass(frozen=True)
class Tuned:
    """The answer of a tuning. `status` is that of `best`: ok, inaccurate, failed or timeout.

    `reason` says why the search ended: met, timeout, max_trials or exhausted.
    """

    best: Trial
    reason: str
    history: History

    @property
    def status(self) -> str:
        """The status of the best trial."""
        return self.best.status

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial, in the order of the search."""
        return tuple(self.history.trials)


class Trials:
    """What a search works with: :meth:`attempt` for a full evaluation, :meth:`divergence` for the cheap proxy."""

    def __init__(
        self,
        subject: Subject,
        history: History,
        criterion: Criterion,
        limits: Limits,
        watch: Callable[[Trial], None] | None = None,
    ):
        self.subject = subject
        self.history = history
        self.limits = limits
        self.criterion = criterion
        self._watch = watch
        self._divergences: dict[str, float] = {}
        # What an interrupted tuning has spent on its trials is spent.
        self._started = time.monotonic() - sum(trial.seconds for trial in history.trials)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time is over, or None without a limit."""
        if not self.limits.timeout_seconds:
            return None
        return self.limits.timeout_seconds - (time.monotonic() - self._started)

    def attempt(self, recipe: Recipe) -> Trial:
        """Return the trial of a recipe, evaluated unless it has been.

        Raises
        ------
        Stop : the search is over.
        """
        trial = self.history.find(recipe.digest)
        if trial is None:
            if len(self.history.trials) >= self.limits.max_trials:
                raise Stop("max_trials")
            self._require_time()
            trial = self._try(recipe)
            if self._watch is not None:
                self._watch(trial)
        if trial.status == "timeout" and self.limits.timeout_seconds:
            self._require_time()
        if trial.status == "ok" and not self.limits.timeout_seconds:
            raise Stop("met")
        return trial

    def divergence(self, recipe: Recipe) -> float:
        """Return the recipe's divergence; infinity when it has none or raises.

        Raises
        ------
        Stop : the time is over.
        """
        if recipe.digest not in self._divergences:
            self._require_time()
            try:
                with time_limit(self.seconds_left):
                    found = float(self.subject.divergence(recipe))
            except TrialTimeout:
                raise Stop("timeout") from None
            except Exception:
                found = math.inf
            self._divergences[recipe.digest] = found if math.isfinite(found) else math.inf
        return self._divergences[recipe.digest]

    def out_of_time(self, recipe: Recipe) -> Trial:
        """Record that the time was over before `recipe`, the first, could be evaluated."""
        self.history.begin(recipe)
        return self.history.append(Trial(0, recipe, "timeout", kind="timeout", message="no time for a trial"))

    def _require_time(self) -> None:
        left = self.seconds_left
        if left is not None and left <= 0:
            raise Stop("timeout")

    def _try(self, recipe: Recipe) -> Trial:
        begun = trial = Trial(len(self.history.trials), recipe, "failed")
        self.history.begin(recipe)
        started = time.monotonic()
        try:
            with time_limit(self.seconds_left):
                trial = self._evaluated(begun)
        except TrialTimeout:
            # It may have come after the last statement of the body: then nothing is lost.
            if trial is begun:
                trial = dataclasses.replace(
                    trial,
                    status="timeout",
                    kind="timeout",
                    message=f"timeout={self.limits.timeout_seconds:g} s was over inside the trial",
                )
        except Exception as error:
            kind, message = _failure(error)
            trial = dataclasses.replace(begun, kind=kind, message=message)
        return self.history.append(dataclasses.replace(trial, seconds=time.monotonic() - started))

    def _evaluated(self, begun: Trial) -> Trial:
        """Return the trial with what its evaluation told, or its confirmation where there is one."""
        stopping = self._early_stopping()
        trial = self._judged(begun, self.subject.evaluate(begun.recipe, stopping.decided), stopping)
        confirm = getattr(self.subject, "confirm", None)
        if confirm is None or trial.status != "ok":
            return trial
        stopping = self._early_stopping()
        confirmed = confirm(begun.recipe, stopping.decided)
        return trial if confirmed is None else self._judged(begun, confirmed, stopping)

    def _early_stopping(self) -> EarlyStopping:
        assert self.history.baseline is not None
        return EarlyStopping(self.criterion, self.history.baseline, self.limits.confidence)

    def _judged(self, trial: Trial, evaluated: Evaluated, stopping: EarlyStopping) -> Trial:
        for bound in self.criterion.bounds:
            value = evaluated.values.get(bound.metric)
            if value is None or not math.isfinite(value):
                return dataclasses.replace(trial, kind="nan", message=f"metric '{bound.metric}' is {value}")
        assert self.history.baseline is not None
        judgement = judge(self.criterion, self.history.baseline, evaluated, stopping.confidence)
        return dataclasses.replace(
            trial,
            status="ok" if judgement.passes else "inaccurate",
            accuracy=_accuracy(judgement),
            state=judgement.state,
            excess=judgement.excess,
            latency_ns=evaluated.latency_ns,
            size_bytes=evaluated.size_bytes,
            measured=dict(evaluated.measured),
            rows=evaluated.rows,
        )


def tune(
    subject: Subject,
    recipes: Sequence[Recipe],
    criterion: Criterion,
    objective: Objective,
    search: Search,
    limits: Limits | None = None,
    history: History | None = None,
    watch: Callable[[Trial], None] | None = None,
    baseline: Evaluated | None = None,
) -> Tuned:
    """Search for the recipe that is best by `objective` among those that keep `criterion`.

    Parameters
    ----------
    recipes : of the whole model, nothing falling back; at least one.
    history : of an earlier, interrupted tuning of the same; it goes on there.
    watch : told each trial when it has ended.
    baseline : FP32's evaluation, where it is known already.

    Raises
    ------
    TuningError : the criterion or the objective means nothing on FP32's evaluation.
    """
    if not recipes:
        raise TuningError("recipes: want at least one, there is none")
    history = History() if history is None else history
    trials = Trials(subject, history, criterion, limits or Limits(), watch)
    baseline = history.baseline or baseline or subject.baseline()
    check_baseline(criterion, baseline.values)
    check_measured(objective, baseline)
    if history.baseline is None:
        history.start(baseline)
    try:
        search(trials, recipes)
        reason = "exhausted"
    except Stop as stop:
        reason = stop.reason
    if not history.trials:
        trials.out_of_time(recipes[0])
    return Tuned(history.best(criterion, objective), reason, history)


def _accuracy(judgement: Judgement) -> dict[str, dict[str, float | str | None]]:
    return {name: dataclasses.asdict(reading) for name, reading in judgement.readings.items()}


def _failure(error: Exception) -> tuple[str, str]:
    """Return a failed trial's kind and message: a stage's own kind, or the exception's type in the message."""
    if isinstance(error, StageError):
        return error.kind, error.message
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError):
        return "oom", first or "out of memory"
    return "error", f"{type(error).__name__}: {first}"
