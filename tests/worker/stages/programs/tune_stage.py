"""Runs the stage `tune` on a real network and prints what it tells and saves."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import torch

from harness.backends.base import backend_class
from harness.config.schema import TunerConfig
from harness.errors import StageError
from harness.ipc.report import Report
from harness.tuning import held_out
from harness.worker.stages import evaluate, tune
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
    spec = {
        "inputs": {"artefact": str(artefact), "tokenised": str(base / "tokenised")},
        "threads": 1,
        "seed": 0,
        "options": {},
    }
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
    spec = {
        "inputs": {"checkpoint": str(base / "checkpoint"), "tokenised": str(base / "tokenised")},
        "out": str(out),
        "seed": 0,
        "options": {"history": str(history), "key": "k"},
    }
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
lowered = dataclasses.replace(hard, approach=dataclasses.replace(hard.approach, options={"fallback_precision": "bf16"}))
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
