"""Runs the stage `tune` with a tuner of a framework on a tiny network, in an environment's python."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.base import backend_class
from harness.config.schema import TunerConfig
from harness.ipc.report import Report
from harness.tuning.external.search import CandidateRegistry
from harness.worker.stages import evaluate, tune
from tests.backends import torch_tiny as tiny

ROWS = 160

#: Beyond what a test may take: only a limit can end it.
_FOREVER_SECONDS = 10_000

#: Of backends whose products take one scale for all weights.
_PER_TENSOR = ("tensorflow", "intel_tensorflow", "itex")

#: Trials that an interrupted tuning had behind it.
_BEHIND = 2


def run(base: Path, backend: str, scenarios: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what each scenario told, by its name.

    A scenario has a name, tuner, strategy, and what else :meth:`_Stage.tuned` takes; `after` names the one before it
    whose history it goes on from.
    """
    stage = _Stage(base, backend)
    told: dict[str, Any] = {}
    for scenario in scenarios:
        name = scenario.pop("name")
        told[name] = stage.tuned(name, **scenario)
    return told


class _Stage:
    def __init__(self, base: Path, backend: str):
        self._base, self._backend, self._checkpoint = base / backend, backend, base / "checkpoint"
        rows = {"train": tiny.make_rows(120, 1), "evaluation": tiny.make_rows(ROWS, 2)}
        self._tokenise("fp32", rows["train"], rows["evaluation"])
        fp32, folder = tiny.make_cell(backend, "none"), self._base / "fp32" / "out"
        folder.mkdir()
        backend_class(backend)().quantize(self._checkpoint, self._labelled(fp32), rows["train"], folder, tiny.Silent())
        self._rows, self._truth = rows, np.array(self._predictions(fp32, "fp32"))

    def tuned(
        self,
        name: str,
        tuner: str,
        strategy: str,
        *,
        criterion: float = 0.0,
        timeout: float = 0,
        max_trials: int = 100,
        after: str | None = None,
        crash_at: int | None = None,
        hang_at: int | None = None,
    ) -> dict[str, Any]:
        """Tune. What FP32 predicts is made the truth, so each row that INT8 changes is a loss."""
        weight = {"granularity": "per_tensor"} if self._backend in _PER_TENSOR else {}
        plain = self._labelled(tiny.make_cell(self._backend, "static", weight=weight))
        protocol = dataclasses.replace(plain.protocol, criterion=criterion, criterion_relative=False)
        plain = dataclasses.replace(plain, protocol=protocol)
        chosen = TunerConfig(name=tuner, strategy=strategy, timeout=timeout, max_trials=max_trials)
        self._tokenise(name, self._rows["train"], dataclasses.replace(self._rows["evaluation"], labels=self._truth))
        folder = self._base / name
        (folder / "out").mkdir()
        if after is not None:
            _begin_again(self._base / after / "trials.jsonl", folder / "trials.jsonl")
        spec = {
            "inputs": {"checkpoint": str(self._checkpoint), "tokenised": str(folder / "tokenised")},
            "out": str(folder / "out"),
            "seed": 0,
            "options": {"history": str(folder / "trials.jsonl"), "key": "k"},
        }
        sent = io.StringIO()
        with _faults(crash_at, hang_at):
            result = tune.run(spec, dataclasses.replace(plain, tuner=chosen), Report(sent))
        messages = [json.loads(line) for line in sent.getvalue().splitlines()]
        # Without its tuner: the artefact must load and run like any other.
        right = np.array(self._predictions(plain, name)) == self._truth
        return {
            "result": result,
            "told": [message["trial"] for message in messages if message["event"] == "trial"],
            "accuracy": float(right.mean()),
        }

    def _labelled(self, cell: Any) -> Any:
        return dataclasses.replace(cell, task=dataclasses.replace(cell.task, labels=("less", "more")))

    def _tokenise(self, name: str, train: Any, evaluation: Any) -> None:
        folder = self._base / name / "tokenised"
        folder.mkdir(parents=True)
        train.save(folder / "train.npz")
        evaluation.save(folder / "evaluation.npz")
        (folder / "task.json").write_text(json.dumps({"max_length": 24}))

    def _predictions(self, cell: Any, name: str) -> list[int]:
        folder = self._base / name
        inputs = {"artefact": str(folder / "out"), "tokenised": str(folder / "tokenised")}
        spec = {"inputs": inputs, "threads": 1, "seed": 0, "options": {}}
        return evaluate.run(spec, cell, Report(io.StringIO()))["predictions"]


def _begin_again(earlier: Path, path: Path) -> None:
    """Write the history of a tuning that was killed between two trials."""
    lines, ended = [], 0
    for line in earlier.read_text().splitlines(keepends=True):
        lines.append(line)
        ended += "trial" in json.loads(line)
        if ended == _BEHIND:
            break
    path.write_text("".join(lines))


@contextlib.contextmanager
def _faults(crash_at: int | None, hang_at: int | None) -> Iterator[None]:
    """Have the making of one candidate raise, of another hang."""
    original, calls = CandidateRegistry.make, []

    def faulty(registry: Any, recipe: Any) -> Any:
        calls.append(recipe)
        if len(calls) - 1 == crash_at:
            raise RuntimeError("planted")
        if len(calls) - 1 == hang_at:
            time.sleep(_FOREVER_SECONDS)
        return original(registry, recipe)

    CandidateRegistry.make = faulty
    try:
        yield
    finally:
        CandidateRegistry.make = original
