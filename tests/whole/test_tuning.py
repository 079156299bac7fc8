"""Tuning in a real run: a trial is a record as it ends, a kill costs the trial under way, and nothing runs twice."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from harness.results import store
from tests.whole.tiny import command, harness, variables

MAX_TRIALS = 14

_SUITE = """
name: tuned
axes:
  model: {custom: {source.path: MODEL, fine_tuned: false, label: tiny}}
  task:
    - custom: {source.path: DATA, split.train: train, split.evaluation: test, max_length: 16,
               fine_tune.epochs: 12, fine_tune.frozen: [], fine_tune.learning_rate: 0.002, label: words}
  approach: ptq_static
  backend: eager
  tuner:
    - sensitivity
    # A time limit that is never reached: the search goes on behind the first trial that passes.
    - basic: {timeout: 3600, max_trials: 14, label: basic}
  host: native
  protocol:
    - smoke: {blocks: 1, limit_evaluation: null, measure_seconds: 0.02, warmup_max_seconds: 0.05, label: tiny}
"""


def _trials(project: Path, tuner: str) -> list[dict]:
    found = [path for path in store.runs(project / "results") if "-tuned-" in path.name]
    lines = store.read_run(found[0]) if found else []
    return [line for line in lines if line["type"] == "trial" and f"/{tuner}/" in line["cell"]]


def _wait(parent: subprocess.Popen, project: Path, count: int) -> None:
    end = time.monotonic() + 120
    while len(_trials(project, "basic")) < count:
        assert time.monotonic() < end and parent.poll() is None, "no trial was recorded"
        time.sleep(0.02)


@pytest.mark.backend("torch")
def test_a_killed_tuning_goes_on_at_the_next_trial(project, cache):
    suite = _SUITE.replace("MODEL", str(project / "model")).replace("DATA", str(project / "data"))
    (project / "suites" / "tuned.yaml").write_text(suite)
    parent = subprocess.Popen(
        command(project, "run", "suite=tuned"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=variables(cache),
    )
    _wait(parent, project, 2)
    (child,) = psutil.Process(parent.pid).children()
    child.kill()
    # Its parent starts another one, which goes on behind the trial that was under way.
    _wait(parent, project, 5)
    told = len(_trials(project, "basic"))
    assert told < MAX_TRIALS, "it was too fast to be killed"
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    finished = harness(project, cache, "run", "suite=tuned")
    assert finished.returncode == 0, finished.stderr
    trials = _trials(project, "basic")
    assert [trial["index"] for trial in trials] == list(range(MAX_TRIALS))
    assert len({trial["recipe_digest"] for trial in trials}) == MAX_TRIALS
    kinds = Counter(trial["kind"] for trial in trials if trial["status"] == "failed")
    assert set(kinds) <= {"crash"} and kinds.total() <= 2
    histories = (cache / "artefacts").glob("tune-*.scratch/trials.jsonl")
    begun = Counter()
    for path in histories:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if sum("trial" in line for line in lines) == MAX_TRIALS:
            begun.update(line["begin"] for line in lines if "begin" in line)
    assert begun == Counter(range(MAX_TRIALS)), "a trial was evaluated again"

    (first,) = _trials(project, "sensitivity")
    assert first["status"] == "ok" and first["latency_ns"] > 0 and first["size_bytes"] > 0 and first["rows"] <= 60
    shown = harness(project, cache, "trials", "basic", "--fastest-within", "1%")
    assert shown.returncode == 0, shown.stderr
    assert "fastest within 1%: trial" in shown.stdout and list((project / "results" / "tables").glob("*basic*.svg"))

    again = harness(project, cache, "run", "--new", "suite=tuned")
    assert again.returncode == 0, again.stderr
    repeated = _trials(project, "basic")
    assert [trial["recipe_digest"] for trial in repeated] == [trial["recipe_digest"] for trial in trials]
    assert all(trial["reused"] for trial in repeated)
