"""Quantization-aware training: fine-tuning in which forward and backward passes go through fake quantizers.

B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
2018, section 3: weights and activations are rounded to their codes and back in the forward pass, the gradient passes
the rounding unchanged inside the range, and the ranges stand still towards the end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.ao.quantization import disable_observer

from harness.backends.torch_network import tensors
from harness.errors import StageError
from harness.worker.finetune import GRADIENT_NORM, LOSS_STEPS, batches, learning_rate_share

if TYPE_CHECKING:
    from harness.plan.config import QatConfig
    from harness.worker.channel import Report
    from harness.worker.rows import Rows

WARMUP_SHARE = 0.1


def train(network: Any, names: tuple[str, ...], rows: Rows, config: QatConfig, report: Report) -> list[float]:
    """Train a network with fake quantizers in place and return the loss of each step.

    Parameters
    ----------
    network : takes the arrays `names` of a batch, returns a dict with ``logits``.

    Raises
    ------
    StageError : ``nan`` when a loss is not finite.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0, fused=True)
    warmup = max(1, round(WARMUP_SHARE * config.steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_share(step, warmup, config.steps)
    )
    freeze_at = round(config.freeze_observers_at * config.steps)
    torch.manual_seed(config.seed)
    network.train()
    losses: list[float] = []
    for step, chosen in enumerate(batches(rows.lengths, config.batch_size, config.steps, config.seed)):
        # The first batch is always observed: before it there are no ranges to stand still.
        if step == max(freeze_at, 1):
            network.apply(disable_observer)
        loss = _loss(network(**tensors(rows.batch(chosen), names))["logits"], rows.labels[chosen])
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise StageError("nan", f"the loss of QAT step {step + 1} of {config.steps} is {losses[-1]}")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        report.progress("qat", step + 1, config.steps, f"loss {np.mean(losses[-LOSS_STEPS:]):.3f}")
    network.eval()
    return losses


def _loss(logits: torch.Tensor, labels: np.ndarray) -> torch.Tensor:
    wanted = torch.from_numpy(labels)
    if wanted.is_floating_point():
        return torch.nn.functional.mse_loss(logits[:, 0], wanted)
    return torch.nn.functional.cross_entropy(logits, wanted)
