"""What all training here has in common: the order of batches, the learning rate, and which weights stand still.

Shared by fine-tuning (the stage `finetune`) and by quantization-aware training in each framework.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import StageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.config.schema import QatConfig

GRADIENT_NORM = 1.0

#: Batches are cut from rows sorted by length within so many batches: little padding, and still a random mixture.
BUCKET_BATCHES = 32

#: The mean loss over so many steps is one figure of the result.
LOSS_STEPS = 20

WARMUP_SHARE = 0.1


def learning_rate(step: int, config: QatConfig) -> float:
    """Return a step's learning rate: up in the first tenth of the steps, then linearly down to 0 after the last."""
    warmup = max(1, round(WARMUP_SHARE * config.steps))
    return config.learning_rate * learning_rate_share(step, warmup, config.steps)


def freeze_at(config: QatConfig) -> int:
    """Return the step from which ranges stand still; the first is always observed, for before it there are none."""
    return max(1, round(config.freeze_observers_at * config.steps))


def batches(lengths: np.ndarray, batch_size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Yield row numbers of `steps` batches of rows of like length, in an order that `seed` alone decides.

    Each pass over the rows is a new permutation; within it every row is seen once. NumPy has promised never to change
    the legacy generator's stream.
    """
    generator = np.random.RandomState(seed)
    while True:
        order = generator.permutation(len(lengths))
        bucket = BUCKET_BATCHES * batch_size
        parts = [order[start : start + bucket] for start in range(0, len(order), bucket)]
        sorted_rows = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
        cut = [sorted_rows[start : start + batch_size] for start in range(0, len(order), batch_size)]
        for position in generator.permutation(len(cut)):
            if steps == 0:
                return
            steps -= 1
            yield cut[position]


def learning_rate_share(step: int, warmup: int, steps: int) -> float:
    """Return the share of the full learning rate: up to 1 in `warmup` steps, then linearly down to 0 after `steps`."""
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))


def freeze(network: PreTrainedModel, prefixes: tuple[str, ...]) -> None:
    """Keep the encoder's parameters whose name starts with one of `prefixes` as they are.

    Raises
    ------
    StageError : ``bad_config`` when a prefix names no parameter, most likely a misspelt one.
    """
    encoder = dict(network.base_model.named_parameters())
    for prefix in prefixes:
        # A task names the layers of any architecture by one word; DistilBERT's own for them is ``transformer``.
        starts = (prefix, prefix.replace("encoder.layer.", "transformer.layer."))
        frozen = [name for name in encoder if name.startswith(starts)]
        if not frozen:
            tops = sorted({name.split(".")[0] for name in encoder})
            message = f"task.fine_tune.frozen: '{prefix}' names no weight below {', '.join(tops)}"
            raise StageError("bad_config", message)
        for name in frozen:
            encoder[name].requires_grad_(False)
