"""Every trial of a tuning, in memory and as JSON lines, so that an interrupted tuning goes on at the next trial.

A file begins with a line on FP32; then each trial has one line when it begins and one when it ends. What is cut off at
the end was never written. A trial that began and has no end took its process with it: it counts as crashed, and
is not tried again.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import StageError
from harness.tuning.criterion import Criterion, excess
from harness.tuning.errors import TuningError
from harness.tuning.objective import Objective, score
from harness.tuning.recipe import Recipe
from harness.tuning.subject import Evaluated

SCHEMA = 1


@dataclass(frozen=True)
class Trial:
    """One candidate. `status` is ok, inaccurate, failed (with its `kind`) or timeout.

    `accuracy` maps a metric to its value, its difference from FP32 on the same rows, the ends of the difference's
    interval and its state; empty when the trial was never evaluated. `state` and `excess` are those of the whole
    criterion. `rows` is how many evaluation rows it took.
    """

    index: int
    recipe: Recipe
    status: str
    kind: str | None = None
    message: str = ""
    accuracy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    state: str | None = None
    excess: float | None = None
    latency_ns: float | None = None
    size_bytes: int | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    rows: int | None = None
    seconds: float = 0.0

    @property
    def digest(self) -> str:
        """The recipe's digest."""
        return self.recipe.digest

    @property
    def differences(self) -> dict[str, float]:
        """Each metric minus FP32's."""
        return {name: reading["difference"] for name, reading in self.accuracy.items()}


class History:
    """The trials so far.

    Parameters
    ----------
    path : the file to keep them in, or None to keep them in memory only.
    key : names what is tuned, on which data: a file with another key is refused.
    """

    def __init__(self, path: Path | None = None, key: str = ""):
        self.path = path
        self.key = key
        self.baseline: Evaluated | None = None
        self.trials: list[Trial] = []
        self._begun: Recipe | None = None
        if path is not None and path.exists():
            self._read(path)

    def start(self, baseline: Evaluated) -> None:
        """Keep FP32's evaluation, which comes first."""
        self.baseline = baseline
        self._write({"history": SCHEMA, "key": self.key, "baseline": _evaluated_json(baseline)})

    def begin(self, recipe: Recipe) -> None:
        """Note that a trial begins."""
        self._begun = recipe
        self._write({"begin": len(self.trials), "recipe": recipe.to_json()})

    def append(self, trial: Trial) -> Trial:
        """Keep a trial that has ended."""
        self._begun = None
        self.trials.append(trial)
        self._write({"trial": dataclasses.asdict(trial) | {"recipe": trial.recipe.to_json(), "digest": trial.digest}})
        return trial

    def find(self, digest: str) -> Trial | None:
        """Return the trial of a recipe, or None."""
        return next((trial for trial in self.trials if trial.digest == digest), None)

    def best(self, criterion: Criterion, objective: Objective) -> Trial:
        """Return the best that passes; else, marked ``inaccurate``, the closest that fails; else one that has failed.

        Judged anew, so a stored history answers for a criterion it was not made with.

        Raises
        ------
        ValueError : there is no trial yet.
        """
        if not self.trials:
            raise ValueError("no trial yet")
        evaluated = self._judged(criterion)
        if not evaluated:
            return self.trials[0]
        missed, trial = min(
            evaluated,
            key=lambda pair: (max(pair[0], 0.0), self._score(objective, pair[1]), len(pair[1].recipe.fallback)),
        )
        return dataclasses.replace(trial, status="ok" if missed <= 0 else "inaccurate")

    def fastest_within(self, criterion: Criterion) -> Trial | None:
        """Return the trial of lowest latency that keeps `criterion`, or None when none does."""
        return _least((trial.latency_ns, trial) for missed, trial in self._judged(criterion) if missed <= 0)

    def smallest_within(self, criterion: Criterion) -> Trial | None:
        """Return the trial of fewest bytes that keeps `criterion`, or None when none does."""
        return _least((trial.size_bytes, trial) for missed, trial in self._judged(criterion) if missed <= 0)

    def front(self, metric: str, greater_is_better: bool = True) -> list[Trial]:
        """Return the Pareto front of a metric against latency, fastest first: no trial is better in both."""
        sign = 1 if greater_is_better else -1
        points = [t for t in self.trials if metric in t.accuracy and t.latency_ns is not None]
        points.sort(key=lambda trial: (trial.latency_ns, -sign * trial.accuracy[metric]["value"]))
        front: list[Trial] = []
        for trial in points:
            if not front or sign * trial.accuracy[metric]["value"] > sign * front[-1].accuracy[metric]["value"]:
                front.append(trial)
        return front

    def _judged(self, criterion: Criterion) -> list[tuple[float, Trial]]:
        assert self.baseline is not None
        names = {bound.metric for bound in criterion.bounds}
        there = [trial for trial in self.trials if names <= set(trial.accuracy)]
        return [(excess(criterion, self.baseline.values, trial.differences), trial) for trial in there]

    def _score(self, objective: Objective, trial: Trial) -> float:
        return score(objective, self.baseline, trial) if self.baseline else math.inf

    def _write(self, value: dict[str, Any]) -> None:
        if self.path is None:
            return
        line = json.dumps(value, sort_keys=True, allow_nan=False) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            # What the next line would else be glued to.
            os.truncate(path, len(whole))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                self._take(json.loads(line))
            except TuningError:
                raise
            except (ValueError, KeyError, TypeError) as error:
                raise StageError("damaged", f"{path}, line {number}: no line of a tuning's history") from error
        if self._begun is not None:
            message = "began and never ended: its process died with it"
            self.append(Trial(len(self.trials), self._begun, "failed", kind="crash", message=message))

    def _take(self, value: dict[str, Any]) -> None:
        if "history" in value:
            if value["history"] != SCHEMA or value["key"] != self.key:
                raise TuningError(f"history {self.path}: of another tuning; want another file, or remove this one")
            self.baseline = _evaluated(value["baseline"])
        elif "begin" in value:
            self._begun = Recipe.from_json(value["recipe"])
        else:
            fields = {name: item for name, item in value["trial"].items() if name != "digest"}
            self.trials.append(Trial(**fields | {"recipe": Recipe.from_json(fields["recipe"])}))
            self._begun = None


def _evaluated_json(evaluated: Evaluated) -> dict[str, Any]:
    scores = {name: np.asarray(score, np.float64).tolist() for name, score in evaluated.scores.items()}
    return dataclasses.asdict(dataclasses.replace(evaluated, scores={})) | {"scores": scores}


def _evaluated(value: dict[str, Any]) -> Evaluated:
    scores = {name: np.asarray(score, np.float64) for name, score in value["scores"].items()}
    return Evaluated(**value | {"scores": scores})


def _least(measured: Iterable[tuple[float | None, Trial]]) -> Trial | None:
    """Return the trial of the least value, the first of equal ones; None where no value is known."""
    known = [(value, trial) for value, trial in measured if value is not None]
    return min(known, key=lambda pair: pair[0])[1] if known else None
