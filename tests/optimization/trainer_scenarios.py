"""Real tunings of a tiny BERT by its trainer, as JSON for the test to judge. Runs in an environment with torch."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from harness.backends.torch_common.tuning.layers import linears
from harness.errors import UserError
from harness.optimization import QuantizationConfig, load
from harness.optimization.metrics import Metric
from harness.optimization.objectives import Objective, modelsize, performance
from harness.optimization.trainer import NLPTrainer
from tests.backends import torch_tiny as tiny
from tests.optimization import tiny_trainer
from tests.optimization.tiny_trainer import EVALUATION_ROWS, TRAINING_ROWS, TinyDataset, accuracy, int8_kernels


class Counted(NLPTrainer):
    """Has an evaluation of its own, which counts itself and takes from a made-up metric for each quantized layer."""

    evaluations = 0
    sleep_at = 0

    def evaluate(self, *args: Any, **keywords: Any) -> dict[str, float]:
        type(self).evaluations += 1
        if type(self).evaluations == type(self).sleep_at:
            time.sleep(60)
        found = super().evaluate(*args, **keywords)
        found["eval_kept"] = 1.0 - 0.01 * (tiny.LINEARS - len(linears(self.model)))
        return found


def run_script(script: str, given: dict[str, Any]) -> dict[str, Any]:
    """Execute the seed's script, its trainer made from `given`, and return its names."""
    names = {"given": given}
    exec(compile(script.replace("......", "**given"), "get_started", "exec"), names)
    return names


def told(model: Any) -> dict[str, Any]:
    """Return what a tuning says of itself."""
    result = model.tuning_result
    return {
        "status": result.status,
        "reason": result.reason,
        "fallback": len(result.best.recipe.fallback),
        "trials": [
            {
                "status": trial.status,
                "method": trial.recipe.approach["method"],
                "fallback": len(trial.recipe.fallback),
                "accuracy": {name: dict(reading) for name, reading in trial.accuracy.items()},
                "latency_ns": trial.latency_ns,
                "size_bytes": trial.size_bytes,
                "measured": dict(trial.measured),
                "rows": trial.rows,
            }
            for trial in result.trials
        ],
        "baseline": {"size_bytes": result.history.baseline.size_bytes, **result.history.baseline.values},
    }


def refusal(act: Callable[[], Any]) -> str:
    """Return the line with which `act` is refused."""
    try:
        act()
    except UserError as error:
        return str(error)
    return "not refused"


def everything(folder: Path, script: str) -> dict[str, Any]:
    """Train once, then quantize in every way."""
    trainer = tiny_trainer.make_trainer(folder / "out", Counted, epochs=2)
    trainer.train()
    given = {
        "model": trainer.model,
        "args": trainer.args,
        "train_dataset": trainer.train_dataset,
        "eval_dataset": trainer.eval_dataset,
        "compute_metrics": trainer.compute_metrics,
    }
    found: dict[str, Any] = {"fp32": trainer.evaluate()["eval_accuracy"]}
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    f1 = Metric("eval_f1", criterion=0.02)

    seen = trainer.train_dataset.seen
    seen.clear()
    names = run_script(script, given)
    quantized = names["model"]
    found["script"] = told(quantized) | {"shown": list(seen), "int8": int8_kernels(quantized)}
    found["script"]["predicted"] = accuracy(trainer, quantized)
    found["script"]["same result"] = names["trainer"].tuning_result is quantized.tuning_result
    quantized.save(folder / "saved")
    found["script"]["loaded"] = accuracy(trainer, load(folder / "saved"))

    trainer.model = quantized
    found["evaluated"] = trainer.evaluate()["eval_accuracy"]
    trainer.save_model(str(folder / "by trainer"))
    found["saved by trainer"] = same_outputs(quantized, load(folder / "by trainer"))
    found["quantized again"] = refusal(lambda: trainer.quantize(QuantizationConfig(metrics=f1)))
    trainer.model = given["model"]

    seen.clear()
    dynamic = trainer.quantize(QuantizationConfig(approach="PostTrainingDynamic", metrics=f1, sampling_size=37))
    found["second"] = told(dynamic) | {"int8": int8_kernels(dynamic), "shown": list(seen)}

    several = QuantizationConfig(
        approach="PostTrainingDynamic",
        metrics=[
            Metric("f1", criterion=0.02),
            Metric("accuracy", criterion=0.02),
            Metric("eval_loss", greater_is_better=False, criterion=0.5),
            Metric("eval_zero", is_relative=False, criterion=0.01),
        ],
        objectives=[
            performance,
            modelsize,
            Objective("layers", False, measure=lambda model: 1.0 + len(linears(model))),
        ],
        max_trials=1,
    )
    found["several"] = told(trainer.quantize(several))

    hopeless = QuantizationConfig(
        approach="PostTrainingDynamic", metrics=Metric("kept", is_relative=False, criterion=0.001), use_bf16=True
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        closest = trainer.quantize(hopeless)
    found["hopeless"] = told(closest) | {
        "warnings": [str(w.message) for w in caught if "trials met" in str(w.message)],
        "kernels": int8_kernels(closest),
        "bf16": sum(linear.weight.dtype == torch.bfloat16 for linear in linears(closest).values()),
    }
    closest.save(folder / "bf16")
    found["hopeless"]["loaded"] = same_outputs(closest, load(folder / "bf16"))

    history = folder / "trials.jsonl"
    config = QuantizationConfig(approach="PostTrainingDynamic", metrics=f1, history=history)
    trainer.quantize(config)
    Counted.evaluations = 0
    found["resumed"] = told(trainer.quantize(config)) | {"evaluations": Counted.evaluations}
    other = QuantizationConfig(approach="PostTrainingStatic", metrics=f1, history=history)
    found["other history"] = refusal(lambda: trainer.quantize(other))

    # The evaluations: FP32, the first recipe, which passes, and the second, which hangs.
    Counted.evaluations, Counted.sleep_at = 0, 3
    found["timeout"] = told(trainer.quantize(QuantizationConfig(approach="PostTrainingDynamic", metrics=f1, timeout=6)))
    Counted.sleep_at = 0

    seen.clear()
    trained = trainer.quantize(QuantizationConfig(approach="QuantizationAwareTraining", metrics=f1))
    found["qat"] = told(trained) | {"int8": int8_kernels(trained), "predicted": accuracy(trainer, trained)}
    found["qat"]["weights moved"] = not torch.equal(
        trained.bert.embeddings.word_embeddings.weight, trainer.model.bert.embeddings.word_embeddings.weight
    )
    found["qat"]["rows trained"] = len(seen)

    found["refused"] = {
        "zero": refusal(lambda: trainer.quantize(QuantizationConfig(metrics=Metric("eval_zero")))),
        "name": refusal(lambda: trainer.quantize(QuantizationConfig(metrics=Metric("eval_acuracy")))),
        "metrics": refusal(lambda: trainer.quantize(QuantizationConfig())),
        "config": refusal(lambda: trainer.quantize("PostTrainingStatic")),
        "rows": refusal(lambda: trainer.quantize(QuantizationConfig(metrics=f1, sampling_size=TRAINING_ROWS + 1))),
        "train": refusal(
            lambda: NLPTrainer(**given | {"train_dataset": None}).quantize(QuantizationConfig(metrics=f1))
        ),
        "evaluation": refusal(
            lambda: NLPTrainer(**given | {"eval_dataset": None}).quantize(QuantizationConfig(metrics=f1))
        ),
    }
    after = trainer.model.state_dict()
    found["unchanged"] = all(torch.equal(before[name], after[name]) for name in before)
    trainer.args.max_steps = 2
    found["still trains"] = len(trainer.train()) > 0
    found["rows"] = EVALUATION_ROWS
    return found


def same_outputs(one: Any, other: Any) -> bool:
    """Return whether two models give the same logits."""
    batch = TinyDataset(32, 5).rows.batch(range(32))
    inputs = {name: torch.from_numpy(value) for name, value in batch.items()}
    with torch.no_grad():
        return torch.equal(one(**inputs).logits, other(**inputs).logits)
