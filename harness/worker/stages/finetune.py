"""The stage `finetune`: the FP32 checkpoint that all cells of one model and task share, trained once, bit for bit.

Adam with decoupled weight decay (I. Loshchilov and F. Hutter, ICLR 2019), linear warm-up and decay, gradients clipped
to norm 1, and the lowest layers frozen, so that back-propagation stops above them.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.approaches.training import GRADIENT_NORM, LOSS_STEPS, batches, freeze, learning_rate_share
from harness.data.any_rows import AnyRows
from harness.data.seeding import seed_torch
from harness.data.token_rows import load_rows
from harness.errors import StageError
from harness.models.base import architecture, load_tokenizer, modality
from harness.worker.stages.tokenise import facts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from harness.config.cell import Cell
    from harness.config.schema import FineTuneConfig
    from harness.ipc.report import Report


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Write a transformers checkpoint into ``spec["out"]``: config.json, model.safetensors, a tokenizer's files.

    A model that is already fine-tuned is only checked against the task's labels and written in their order.

    Returns
    -------
    dict : steps, seconds (training alone), losses (means over ``LOSS_STEPS`` steps each), label_matching (how the
        outputs of a fine-tuned head stand for the task's labels, None for a head that is new; see
        :meth:`harness.models.labels.Matching.to_dict`) and per_row (its multiplications, see
        :func:`harness.models.work.per_row`).
    """
    task, out = cell.task, Path(spec["out"])
    folder = None if spec["inputs"]["model"] is None else Path(spec["inputs"]["model"])
    tokenised = Path(spec["inputs"]["tokenised"])
    seed_torch(task.fine_tune.seed, spec["threads"])
    known = facts(tokenised)
    labels = known["labels"]
    network = architecture(cell.model.architecture).load(
        folder, cell.model, labels=labels, seed=task.fine_tune.seed, fixed=task.labels is not None
    )
    matching = getattr(network, "label_matching", None)
    if getattr(network.config, "pad_token_id", None) is None and known.get("pad_id") is not None:
        # A decoder's head refuses batches until it is told which tokens are padding.
        network.config.pad_token_id = known["pad_id"]
    rows = load_rows(tokenised / "train.npz")
    _require_size(network, rows)
    start, losses = time.monotonic(), []
    if not cell.model.fine_tuned:
        losses = train(network, rows, task.fine_tune, report)
    seconds = time.monotonic() - start
    network.save_pretrained(out, safe_serialization=True)
    if modality(cell.model.architecture) == "text":
        load_tokenizer(folder, cell.model).save_pretrained(out)
    means = [float(np.mean(losses[at : at + LOSS_STEPS])) for at in range(0, len(losses), LOSS_STEPS)]
    told = {
        "label_matching": matching.to_dict() if matching is not None and labels else None,
        "per_row": _work(network, rows),
    }
    return {"steps": len(losses), "seconds": seconds, "losses": means, **told}


def _require_size(network: PreTrainedModel, rows: AnyRows) -> None:
    """Raise ``bad_config`` where a model for images is built for others than there are."""
    images = rows.batch([0]).get("pixel_values")
    asked = getattr(network.config, "image_size", None)
    if images is None or asked is None:
        return
    wanted = (network.config.num_channels, *(asked if isinstance(asked, (list, tuple)) else (asked, asked)))
    if tuple(images.shape[1:]) != wanted:
        there, built = (" x ".join(map(str, shape)) for shape in (images.shape[1:], wanted))
        message = f"model.options: built for images of {built} (num_channels, image_size), the task's have {there}"
        raise StageError("bad_config", message)


def _work(network: PreTrainedModel, rows: AnyRows) -> dict[str, int] | None:
    from harness.models.work import per_row

    image = rows.batch([0]).get("pixel_values")
    return per_row(network, None if image is None else image[0])


def train(network: PreTrainedModel, rows: AnyRows, config: FineTuneConfig, report: Report) -> list[float]:
    """Train `network` in place and return the loss of each step.

    Raises
    ------
    StageError : ``nan`` when a loss is not finite, ``bad_config`` when the config asks for no step at all or freezes
        weights that are not there.
    """
    import torch

    steps = math.ceil(config.epochs * len(rows) / config.batch_size)
    if steps < 1:
        raise StageError("bad_config", f"task.fine_tune.epochs={config.epochs} of {len(rows)} rows is no step")
    freeze(network, config.frozen)
    optimizer = torch.optim.AdamW(_groups(network, config.weight_decay), lr=config.learning_rate, fused=True)
    warmup = max(1, round(config.warmup_share * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_share(step, warmup, steps))
    # Dropout draws from this generator: drawn anew here, so that it does not depend on what loading drew.
    torch.manual_seed(config.seed)
    network.train()
    losses: list[float] = []
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for step, indices in enumerate(batches(rows.lengths, config.batch_size, steps, config.seed)):
        loss = loss_of(network, rows, indices)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise StageError("nan", f"the loss of fine-tuning step {step + 1} of {steps} is {losses[-1]}")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        report.progress("finetune", step + 1, steps, f"loss {np.mean(losses[-LOSS_STEPS:]):.3f}")
    network.eval()
    return losses


def loss_of(network: PreTrainedModel, rows: AnyRows, indices: np.ndarray) -> torch.Tensor:
    """Return the loss of one batch: cross-entropy for classes, mean squared error for a regression."""
    import inspect

    import torch

    taken = inspect.signature(network.forward).parameters
    inputs = {name: torch.from_numpy(array) for name, array in rows.batch(indices).items() if name in taken}
    logits = network(**inputs).logits
    labels = torch.from_numpy(rows.labels[indices])
    if labels.is_floating_point():
        return torch.nn.functional.mse_loss(logits[:, 0], labels)
    return torch.nn.functional.cross_entropy(logits, labels)


def _groups(network: PreTrainedModel, weight_decay: float) -> list[dict[str, Any]]:
    """Return the optimizer's groups: vectors (biases, layer norms) are not decayed, as in the BERT paper's code."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
