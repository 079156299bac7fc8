"""The stage `tune` on a real network: what it tells, what it saves, and that it goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.backend_env import environment_python, run_in

ROWS = 320

_STAGE = """
import dataclasses, io, json
from pathlib import Path
import numpy as np
import torch
from harness.backends.base import backend_class
from harness.errors import StageError
from harness.plan.config import TunerConfig
from harness.tuning import held_out
from harness.worker import evaluate, tune
from harness.worker.channel import Report
from tests.backends import torch_tiny as tiny

base, count = Path(ARGS[0]), ARGS[1]
torch.set_num_threads(1)
tiny.make_checkpoint(base / "checkpoint")
rows = {"train": tiny.make_rows(120, 1), "evaluation": tiny.make_rows(count, 2)}
fp32 = tiny.make_cell("eager", "none")
(base / "fp32").mkdir()
backend_class("eager")().quantize(base / "checkpoint", fp32, rows["train"], base / "fp32", tiny.Silent())
(base / "tokenised").mkdir()
(base / "tokenised" / "task.json").write_text(json.dumps({"max_length": 24}))

def evaluated(cell, artefact):
    spec = {"inputs": {"artefact": str(artefact), "tokenised": str(base / "tokenised")}, "threads": 1, "seed": 0,
            "options": {}}
    return evaluate.run(spec, cell, Report(io.StringIO()))["predictions"]

# FP32 is right on every row by making what it predicts the truth, so each row that INT8 changes is a loss.
for split in ("train", "evaluation"):
    rows[split].save(base / "tokenised" / f"{split}.npz")
truth = np.array(evaluated(fp32, base / "fp32"))
dataclasses.replace(rows["evaluation"], labels=truth).save(base / "tokenised" / "evaluation.npz")

def tuned(name, strategy, cell, history=None, timeout=0, max_trials=100, criterion=0.0):
    protocol = dataclasses.replace(cell.protocol, criterion=criterion, criterion_relative=False)
    tuner = TunerConfig(name=strategy, strategy=strategy, timeout=timeout, max_trials=max_trials)
    cell = dataclasses.replace(cell, tuner=tuner, protocol=protocol)
    out, sent = base / name, io.StringIO()
    out.mkdir()
    history = base / f"{history or name}.jsonl"
    before = history.read_text() if history.exists() else ""
    spec = {"inputs": {"checkpoint": str(base / "checkpoint"), "tokenised": str(base / "tokenised")}, "out": str(out),
            "seed": 0, "options": {"history": str(history), "key": "k"}}
    try:
        result = tune.run(spec, cell, Report(sent))
    except StageError as error:
        return {"kind": error.kind, "message": error.message}
    told = [json.loads(line) for line in sent.getvalue().splitlines()]
    # Without its tuner: the artefact must load and run like any other.
    plain = dataclasses.replace(cell, tuner=TunerConfig(name="none"))
    right = (np.array(evaluated(plain, out)) == truth).mean()
    layers = json.loads((out / "model.json").read_text())["layers"]
    return {
        "result": result,
        "told": [message["trial"] for message in told if message["event"] == "trial"],
        "accuracy": float(right),
        "quantized": sorted(name for name, layer in layers.items() if layer["kind"] != "bfloat16"),
        "in bf16": sorted(name for name, layer in layers.items() if layer["kind"] == "bfloat16"),
        "untouched": history.read_text() == before,
    }

hard = tiny.make_cell("eager", "static", activation={"reduce_range": True}, weight={"granularity": "per_tensor"})
lowered = dataclasses.replace(
    hard, approach=dataclasses.replace(hard.approach, options={"fallback_precision": "bf16"})
)
found = {
    "sensitivity": tuned("sensitivity", "sensitivity", hard),
    "bf16": tuned("bf16", "sensitivity", lowered),
    "again": tuned("again", "sensitivity", hard, history="sensitivity"),
    "basic": tuned("basic", "basic", hard, max_trials=6),
    "dynamic": tuned("dynamic", "sensitivity", tiny.make_cell("eager", "dynamic"), criterion=0.5),
    "no time": tuned("no time", "basic", hard, timeout=1e-6),
    "refused": tuned("refused", "sensitivity", tiny.make_cell("eager", "none")),
}
held_out.LEAST_ROWS = 100
found["held out"] = tuned("held out", "sensitivity", tiny.make_cell("eager", "dynamic"), criterion=0.5)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base: Path = tmp_path_factory.mktemp("tune")
    return run_in(environment_python("torch"), _STAGE, base, ROWS)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("name", ["sensitivity", "basic", "dynamic", "bf16"])
def test_the_artefact_is_the_chosen_trial(found, name):
    result, told = found[name]["result"], found[name]["told"]
    assert [trial["index"] for trial in told] == list(range(len(told)))
    assert [trial | {"reused": True} for trial in told] == result["trials"]
    chosen = told[result["tuned"]["chosen"]]
    assert chosen["status"] == result["tuned"]["status"]
    assert result["fallback"] == chosen["fallback"] and not set(chosen["fallback"]) & set(found[name]["quantized"])
    assert len(found[name]["quantized"]) + len(chosen["fallback"]) == 14
    assert found[name]["in bf16"] == (sorted(chosen["fallback"]) if name == "bf16" else [])
    if chosen["rows"] == ROWS:
        # The stage `evaluate`, in another way of loading, sees the same outcome on every row.
        assert found[name]["accuracy"] == pytest.approx(chosen["metric"]["value"], abs=1e-12)


@pytest.mark.backend("torch")
def test_what_passes_is_chosen_and_what_fails_was_tried_before_it(found):
    told = found["sensitivity"]["told"]
    assert found["sensitivity"]["result"]["tuned"]["status"] == "ok"
    assert [trial["status"] for trial in told] == ["inaccurate"] * (len(told) - 1) + ["ok"]
    assert len(told) > 1 and found["sensitivity"]["accuracy"] == 1.0


@pytest.mark.backend("torch")
def test_where_nothing_passes_the_closest_is_saved_and_says_so(found):
    result, told = found["basic"]["result"], found["basic"]["told"]
    assert result["tuned"]["reason"] == "max_trials" and len(told) == 6
    assert result["tuned"]["status"] == "inaccurate"
    differences = [trial["metric"]["difference"] for trial in told]
    assert differences[result["tuned"]["chosen"]] == max(differences)


@pytest.mark.backend("torch")
def test_a_tuning_that_has_its_history_evaluates_nothing_again(found):
    again = found["again"]
    assert again["untouched"] and all(trial["reused"] for trial in again["told"])
    assert [trial["recipe_digest"] for trial in again["told"]] == [
        trial["recipe_digest"] for trial in found["sensitivity"]["told"]
    ]
    assert again["quantized"] == found["sensitivity"]["quantized"]


@pytest.mark.backend("torch")
def test_where_there_are_enough_rows_the_tuner_sees_half_of_them(found):
    result = found["held out"]["result"]
    seen = result["tuned"]["seen"]
    assert len(set(seen)) == result["tuned"]["rows"] == ROWS // 2
    # A trial ends as soon as it cannot keep the criterion any more.
    assert all(trial["rows"] <= ROWS // 2 for trial in result["trials"])
    assert (found["dynamic"]["result"]["tuned"]["rows"], found["dynamic"]["result"]["tuned"]["seen"]) == (ROWS, None)


@pytest.mark.backend("torch")
def test_no_time_and_no_tuner_are_one_typed_line(found):
    assert found["no time"]["kind"] == "timeout" and "no time for a trial" in found["no time"]["message"]
    assert (
        found["refused"]["kind"] == "bad_config" and "tunes methods dynamic and static" in found["refused"]["message"]
    )
