"""A trainer of a tiny BERT that learns to tell rows apart in a few seconds. Runs in an environment with torch."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.backends import torch_tiny as tiny

TRAINING_ROWS = 600
EVALUATION_ROWS = 400
BATCH_SIZE = 16

#: The first token of a row is this, or the next.
FIRST_TOKEN = 5


class TinyDataset:
    """Rows as the examples of a trainer; notes which were asked for.

    The first token, which the pooler reads, says the label of 19 rows in 20: learned in seconds.
    """

    def __init__(self, count: int, seed: int):
        rows = tiny.make_rows(count, seed)
        said = np.random.default_rng(seed).integers(0, 2, count)
        rows.input_ids[rows.offsets[:-1]] = FIRST_TOKEN + said
        self.rows = dataclasses.replace(rows, labels=np.where(np.arange(count) % 20 == 7, 1 - said, said))
        self.seen: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.seen.append(int(index))
        batch = {name: value[0] for name, value in self.rows.batch([index], 24).items()}
        return {**batch, "labels": int(self.rows.labels[index])}


def compute_metrics(prediction: Any) -> dict[str, float]:
    """Return accuracy, F1 of class 1, and a metric that is 0 whatever the model does."""
    chosen = prediction.predictions.argmax(-1)
    hits = float(((chosen == 1) & (prediction.label_ids == 1)).sum())
    return {
        "accuracy": float((chosen == prediction.label_ids).mean()),
        "f1": 2 * hits / float((chosen == 1).sum() + (prediction.label_ids == 1).sum()),
        "zero": 0.0,
    }


def make_model() -> Any:
    """Return the tiny BERT, untrained."""
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        tiny.make_checkpoint(Path(folder))
        return transformers.AutoModelForSequenceClassification.from_pretrained(folder)


def make_trainer(folder: Path, cls: Any, epochs: float) -> Any:
    """Return a trainer of the class `cls` that has not trained yet."""
    import transformers

    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        learning_rate=1e-3,
        per_device_train_batch_size=BATCH_SIZE,
        per_device_eval_batch_size=BATCH_SIZE,
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=0,
    )
    return cls(
        model=make_model(),
        args=arguments,
        train_dataset=TinyDataset(TRAINING_ROWS, 1),
        eval_dataset=TinyDataset(EVALUATION_ROWS, 2),
        compute_metrics=compute_metrics,
    )


def int8_kernels(model: Any) -> int:
    """Return how many INT8 operations the profiler saw in a forward pass."""
    import torch

    from harness.backends.torch_common.precision import executed_precision

    example = tiny.make_rows(2, 3).batch([0, 1])
    batch = {name: torch.from_numpy(value) for name, value in example.items()}
    with torch.no_grad():
        return executed_precision(lambda: model(**batch)).int8_ops


def accuracy(trainer: Any, model: Any) -> float:
    """Return what the trainer itself finds for `model`, by predict."""
    before, trainer.model = trainer.model, model
    try:
        found = trainer.predict(trainer.eval_dataset)
    finally:
        trainer.model = before
    return float(np.mean(found.predictions.argmax(-1) == found.label_ids))
