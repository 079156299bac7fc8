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

from harness.approaches.training import GRADIENT_NORM, LOSS_STEPS, batches, freeze_at, learning_rate
from harness.backends.torch_common.network import tensors
from harness.errors import StageError

if TYPE_CHECKING:
    from harness.config.schema import QatConfig
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report


def train(network: Any, names: tuple[str, ...], rows: AnyRows, config: QatConfig, report: Report) -> list[float]:
    """Train a network with fake quantizers in place and return the loss of each step.

    Without dropout: it would stretch what the observers see by a tenth, and in tens of steps its noise costs more
    accuracy than rounding does.

    Parameters
    ----------
    network : takes the arrays `names` of a batch, returns a dict with ``logits``.

    Raises
    ------
    StageError : ``nan`` when a loss is not finite.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0, fused=True)
    network.eval()
    losses: list[float] = []
    for step, chosen in enumerate(batches(rows.lengths, config.batch_size, config.steps, config.seed)):
        if step == freeze_at(config):
            network.apply(disable_observer)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        loss = _loss(network(**tensors(rows.batch(chosen), names))["logits"], rows.labels[chosen])
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise StageError("nan", f"the loss of QAT step {step + 1} of {config.steps} is {losses[-1]}")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        report.progress("qat", step + 1, config.steps, f"loss {np.mean(losses[-LOSS_STEPS:]):.3f}")
    return losses


def _loss(logits: torch.Tensor, labels: np.ndarray) -> torch.Tensor:
    wanted = torch.from_numpy(labels)
    if wanted.is_floating_point():
        return torch.nn.functional.mse_loss(logits[:, 0], wanted)
    return torch.nn.functional.cross_entropy(logits, wanted)
