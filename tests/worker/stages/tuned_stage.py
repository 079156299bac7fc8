"""The stage `tune` on a tiny BERT with planted outlier channels. Runs in a backend's environment."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.backends.base import TuningRequest, backend_class
from harness.config.cell import Cell
from harness.config.schema import QuantizerConfig, TunerConfig
from harness.errors import StageError
from harness.ipc.report import Report
from harness.tuning.recipe import Recipe
from harness.worker.stages import evaluate, tune
from tests.backends import torch_tiny as tiny
from tests.worker.stages.tuned_words import OUTLIER, PLANTED, ROWS

#: Of 320 rows that FP32 is right on.
CRITERION = 0.02


#: Weights of 7 bits where sums of 8-bit products would saturate on some hosts, so that planted ops alone are at fault.
_WEIGHT = {"fx": {"reduce_range": True}}


def scenarios(base: Path, backend: str) -> dict[str, Any]:
    """Tune one model in several ways, and look at its candidates."""
    prepare(base, backend)
    cell = tiny.make_cell(backend, "static", weight=_WEIGHT.get(backend))
    ways = {
        "sensitivity": tuned(base, "sensitivity", cell, "sensitivity", CRITERION),
        "again": tuned(base, "again", cell, "sensitivity", CRITERION, scratch="sensitivity.scratch"),
        "basic": tuned(base, "basic", cell, "basic", 0.0, max_trials=2),
        "no time": tuned(base, "no time", cell, "basic", 0.0, timeout=1e-6),
    }
    return ways | ends(base, cell)


def ends(base: Path, cell: Cell) -> dict[str, Any]:
    """Return the ops, and how far the candidates that quantize nothing and all of them are from FP32."""
    scratch = base / "ends.scratch"
    scratch.mkdir()
    train, rows = tiny.make_rows(120, 1), tiny.make_rows(ROWS, 2)
    backend = backend_class(cell.backend.name)()
    request = TuningRequest(base / "checkpoint", cell, train, rows, train.batch(range(4)), scratch, tiny.Silent())
    subject, (recipe, *_) = (model := backend.tunable(request)).subject, model.recipes
    backend.load(base / "fp32", tiny.make_cell(cell.backend.name, "none"))
    batch = rows.batch(range(32))
    fp32 = backend.logits(backend.forward(backend.inputs(batch)))
    found = {"ops": list(subject.ops())}
    for name, fallback in (("all back", subject.ops()), ("none back", ())):
        candidate = candidate_logits(subject, recipe.falling_back(fallback), batch)
        found[name] = float(np.abs(candidate - fp32).max())
    return found


def candidate_logits(subject: Any, recipe: Recipe, batch: dict[str, np.ndarray]) -> np.ndarray:
    """Return the logits of a candidate as its evaluation sees them: of its preview where it has one."""
    preview = subject._builder.preview
    return (subject._run if preview is None else preview)(recipe)(batch)


def compared(base: Path, backend: str, fallback: list[str], activation: dict[str, Any]) -> dict[str, Any]:
    """Evaluate the tuned artefact, and the one that the stage `quantize` makes of the same recipe."""
    cell = tiny.make_cell(backend, "static", weight=_WEIGHT.get(backend), fallback=fallback)
    # Ranges by mean squared error have no observer of their own.
    quantizer = QuantizerConfig(**activation)
    cell = dataclasses.replace(cell, approach=dataclasses.replace(cell.approach, activation=quantizer))
    quantized(base, "plain", cell)
    # As in a process of its own: evaluation does not ask for kernels that torch calls deterministic.
    torch.use_deterministic_algorithms(False)
    truth = evaluate.load_rows(base / "tokenised" / "evaluation.npz").labels
    seen = {
        name: evaluated(base, cell, base / folder) for name, folder in (("tuned", "sensitivity"), ("plain", "plain"))
    }
    for name, folder in (("tuned", "sensitivity"), ("plain", "plain")):
        seen[name]["accuracy"] = float((np.array(seen[name]["predictions"]) == truth).mean())
        seen[name]["size_bytes"] = sum(file.stat().st_size for file in (base / folder).iterdir())
    same = np.array(seen["tuned"]["predictions"]) == np.array(seen["plain"]["predictions"])
    return {**seen, "agreement": float(same.mean())}


def prepare(base: Path, backend: str) -> None:
    """Write checkpoint, rows and the FP32 artefact, which is right on every evaluation row: one changed is one lost."""
    torch.set_num_threads(1)
    tiny.make_checkpoint(base / "checkpoint", id2label={0: "less", 1: "more"}, label2id={"less": 0, "more": 1})
    _plant(base / "checkpoint")
    rows = {"train": tiny.make_rows(120, 1), "evaluation": tiny.make_rows(ROWS, 2)}
    (base / "tokenised").mkdir()
    (base / "tokenised" / "task.json").write_text(json.dumps({"max_length": 24}))
    for split in rows:
        rows[split].save(base / "tokenised" / f"{split}.npz")
    fp32 = tiny.make_cell(backend, "none")
    quantized(base, "fp32", fp32)
    truth = np.array(evaluated(base, fp32, base / "fp32")["predictions"])
    dataclasses.replace(rows["evaluation"], labels=truth).save(base / "tokenised" / "evaluation.npz")


def _plant(checkpoint: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoint / "model.safetensors")
    for name in ("weight", "bias"):
        weights[f"{PLANTED}.self.value.{name}"][:2] *= OUTLIER
    weights[f"{PLANTED}.output.dense.weight"][:, :2] /= OUTLIER
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})


def quantized(base: Path, name: str, cell: Cell) -> dict[str, Any]:
    """Make a cell's artefact as the stage `quantize` does."""
    (base / name).mkdir()
    train = tiny.make_rows(120, 1)
    return backend_class(cell.backend.name)().quantize(base / "checkpoint", cell, train, base / name, tiny.Silent())


def evaluated(base: Path, cell: Cell, artefact: Path) -> dict[str, Any]:
    """Return what the stage `evaluate` says of an artefact."""
    spec = {"inputs": {"artefact": str(artefact), "tokenised": str(base / "tokenised")}, "threads": 1, "seed": 0}
    return evaluate.run({**spec, "options": {}}, cell, Report(io.StringIO()))


def tuned(
    base: Path,
    name: str,
    cell: Cell,
    strategy: str,
    criterion: float,
    timeout: float = 0,
    max_trials: int = 100,
    scratch: str | None = None,
) -> dict[str, Any]:
    """Run the stage; history and candidates are in the folder `scratch`, the artefact in `name`."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    protocol = dataclasses.replace(cell.protocol, criterion=criterion, criterion_relative=False)
    tuner = TunerConfig(name=strategy, strategy=strategy, timeout=timeout, max_trials=max_trials)
    cell = dataclasses.replace(cell, tuner=tuner, protocol=protocol)
    out, folder, sent = base / name, base / (scratch or f"{name}.scratch"), io.StringIO()
    out.mkdir()
    folder.mkdir(exist_ok=True)
    spec = {
        "inputs": {"checkpoint": str(base / "checkpoint"), "tokenised": str(base / "tokenised")},
        "out": str(out),
        "seed": 0,
        "options": {"history": str(folder / "trials.jsonl"), "key": "k"},
    }
    try:
        result = tune.run(spec, cell, Report(sent))
    except StageError as error:
        return {"kind": error.kind, "message": error.message}
    told = [json.loads(line) for line in sent.getvalue().splitlines()]
    return {
        "result": result,
        "told": [message["trial"] for message in told if message["event"] == "trial"],
        "files": sorted(file.name for file in out.iterdir()),
        "left": sorted(file.name for file in folder.iterdir()),
        "logits_sha256": evaluated(base, dataclasses.replace(cell, tuner=TunerConfig(name="none")), out)[
            "logits_sha256"
        ],
    }
