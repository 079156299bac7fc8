"""What quantization-aware training has in common on all frameworks: how fast it learns, and when ranges stand still."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.worker.finetune import learning_rate_share

if TYPE_CHECKING:
    from harness.plan.config import QatConfig

WARMUP_SHARE = 0.1


def learning_rate(step: int, config: QatConfig) -> float:
    """Return a step's learning rate: up in the first tenth of the steps, then linearly down to 0 after the last."""
    warmup = max(1, round(WARMUP_SHARE * config.steps))
    return config.learning_rate * learning_rate_share(step, warmup, config.steps)


def freeze_at(config: QatConfig) -> int:
    """Return the step from which ranges stand still; the first is always observed, for before it there are none."""
    return max(1, round(config.freeze_observers_at * config.steps))
