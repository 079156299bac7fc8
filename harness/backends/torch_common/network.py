"""What the torch backends share: the checkpoint's network, batches as tensors, finite weights and logits."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.backends.torch_common.qconfig import engine
from harness.data.seeding import seed_torch
from harness.errors import StageError
from harness.models.base import architecture, auto_class, named_errors

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

    from harness.approaches.calibration import Calibration
    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

#: All that a batch may hold, tokens or images.
_ARRAYS = ("input_ids", "attention_mask", "token_type_ids", "pixel_values")

#: What transformers imports where it finds it, for parts that no model here needs (generation, data collators).
_UNNEEDED = ("sklearn", "scipy", "pandas", "accelerate")


@contextlib.contextmanager
def light_imports() -> Iterator[None]:
    """Let model classes of transformers be imported without the optional packages that double the time it takes.

    transformers asks the flags of its own ``utils.import_utils`` whether a package is there; they are put back after.
    """
    from transformers.utils import import_utils

    flags = {f"_{name}_available": getattr(import_utils, f"_{name}_available", None) for name in _UNNEEDED}
    there = {flag: value for flag, value in flags.items() if value is not None}
    for flag in there:
        setattr(import_utils, flag, False)
    try:
        yield
    finally:
        for flag, value in there.items():
            setattr(import_utils, flag, value)


def prepare_process(cell: Cell) -> None:
    """Choose the quantized engine, and make all that follows repeat itself bit for bit."""
    torch.backends.quantized.engine = engine(cell)
    # As many threads as the child was given; sums are split by thread, so they are part of the numerics.
    seed_torch(cell.approach.qat.seed, torch.get_num_threads())


def load_checkpoint(checkpoint: Path, cell: Cell, attention: str | None) -> PreTrainedModel:
    """Return the FP32 network of a checkpoint folder, in evaluation mode, with finite weights.

    Parameters
    ----------
    attention : which implementation of transformers: ``sdpa`` (the fused kernel) or ``eager`` (which can be traced);
        None for the first that the architecture has.

    Raises
    ------
    StageError : ``nan``, or ``missing_file``, ``damaged``, ``bad_config`` when it cannot be loaded.
    """
    name = cell.model.architecture
    # An architecture may bring its own network, with another output than those of transformers.
    kind: Any = getattr(architecture(name), "network_class", lambda: auto_class(name))()
    with named_errors(checkpoint, cell.model):
        network = kind.from_pretrained(
            str(checkpoint), dtype=torch.float32, attn_implementation=attention, local_files_only=True
        )
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            raise StageError("nan", f"checkpoint: weight {name} is not finite")
    return network.eval()


def tensors(batch: Mapping[str, np.ndarray], names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Return the arrays that a network takes as tensors that share their memory; ``position_ids`` are counted."""
    positions = {}
    if "position_ids" in names:
        rows, tokens = batch["input_ids"].shape
        positions["position_ids"] = torch.arange(tokens).expand(rows, tokens)
    return {name: positions[name] if name in positions else torch.from_numpy(batch[name]) for name in names}


def input_names(network: torch.nn.Module) -> tuple[str, ...]:
    """Return which of a batch's arrays the network takes; DistilBERT has no segments, for one."""
    taken = inspect.signature(network.forward).parameters
    return tuple(name for name in _ARRAYS if name in taken)


def calibrate(network: Any, names: tuple[str, ...], train: AnyRows, calibration: Calibration, report: Report) -> None:
    """Show a network with observers the calibration rows, each once; ``nan`` when its logits are not finite."""
    shown = 0
    for rows, logits in zip(calibration.batches, _each(network, names, train, calibration), strict=True):
        require_finite(logits, "calibration rows")
        shown += len(rows)
        report.progress("calibrate", shown, len(calibration.rows))


def all_logits(network: Any, names: tuple[str, ...], train: AnyRows, calibration: Calibration) -> np.ndarray:
    """Return the logits of the calibration rows in their order, shape (rows, classes)."""
    return torch.cat(list(_each(network, names, train, calibration))).numpy()


def _each(network: Any, names: tuple[str, ...], train: AnyRows, calibration: Calibration) -> Iterator[torch.Tensor]:
    for rows in calibration.batches:
        with torch.no_grad():
            yield network(**tensors(train.batch(rows), names))["logits"]


def require_finite(logits: torch.Tensor, where: str) -> None:
    """Raise ``nan`` when a logit is not finite."""
    if not torch.isfinite(logits).all():
        raise StageError("nan", f"logits of {where} are not finite")
