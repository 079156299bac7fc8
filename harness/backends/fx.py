"""PyTorch FX graph mode quantization: static and quantization-aware training.

The model is traced with transformers' own tracer, prepared, calibrated or trained, and converted. The artefact is the
converted graph as TorchScript: it loads without transformers, runs the very kernels of the graph, and takes batches of
any size and length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.approaches.calibration import calibration_batches, calibration_provenance
from harness.backends import torch_shared
from harness.backends.base import Backend as Contract
from harness.backends.base import ExecutedPrecision
from harness.errors import StageError

if TYPE_CHECKING:
    from harness.plan.cell import Cell
    from harness.worker.channel import Report
    from harness.worker.rows import Rows

SCRIPT = "model.pt"

#: All four, or a sliced buffer of positions breaks the second trace.
INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")

#: The mean loss over so many steps is one figure of the provenance.
LOSS_STEPS = 20


class Backend(Contract):
    """Graph mode: fp32, bf16, static and QAT."""

    @staticmethod
    def supports(cell: Cell) -> str | None:
        if cell.approach.method == "dynamic":
            return "dynamic quantization runs in eager mode"
        if cell.model.architecture != "bert":
            return f"architecture {cell.model.architecture} was not traced yet"
        if cell.tuner.name != "none":
            return f"tuner {cell.tuner.name} does not work on FX graphs"
        return torch_shared.unsupported_recipe(cell)

    def quantize(self, checkpoint: Path, cell: Cell, train: Rows, out: Path, report: Report) -> dict[str, Any]:
        import torch

        torch_shared.set_engine(cell)
        method = cell.approach.method
        graph = _trace(checkpoint, train_mode=method == "qat")
        torch_shared.require_finite(graph)
        provenance: dict[str, Any] = {"recipe": method, "fallback": list(cell.approach.fallback)}
        if method == "cast":
            graph = graph.to(torch.bfloat16)
        elif method == "static":
            graph, provenance["calibration"] = _static(graph, cell, train, report)
        elif method == "qat":
            graph, provenance["losses"] = _train(graph, cell, train, report)
        torch.jit.save(torch.jit.script(graph.eval()), str(out / SCRIPT))
        return provenance

    def load(self, artefact: Path, cell: Cell) -> None:
        import torch

        torch_shared.set_engine(cell)
        self._script = torch_shared.load_script(artefact / SCRIPT)
        torch.set_grad_enabled(False)

    def inputs(self, batch: Mapping[str, np.ndarray]) -> Any:
        there = torch_shared.tensors(batch)
        return tuple(there[name] for name in INPUTS)

    def forward(self, inputs: Any) -> Any:
        return self._script(*inputs)

    def logits(self, outputs: Any) -> np.ndarray:
        return outputs["logits"].float().numpy()

    def executed_precision(self, inputs: Any) -> ExecutedPrecision:
        return torch_shared.count_executed(self.forward, inputs)


def _trace(checkpoint: Path, *, train_mode: bool) -> Any:
    from transformers import AutoModelForSequenceClassification
    from transformers.utils.fx import symbolic_trace

    network = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, attn_implementation="eager", local_files_only=True, use_safetensors=True
    )
    # Dropout is traced only in training mode; in an evaluation graph it is gone.
    return symbolic_trace(network.train(train_mode), input_names=list(INPUTS))


def _qconfigs(graph: Any, cell: Cell, qconfig: Any) -> Any:
    """Return a mapping that names Linears only: a global one would observe sizes, which breaks."""
    import torch
    from torch.ao.quantization import QConfigMapping

    linears = {name for name, module in graph.named_modules() if isinstance(module, torch.nn.Linear)}
    unknown = [name for name in cell.approach.fallback if name not in linears]
    if unknown:
        raise StageError("bad_config", f"approach.fallback: '{unknown[0]}' is no Linear of the model")
    qconfigs = QConfigMapping().set_object_type(torch.nn.Linear, qconfig)
    for name in cell.approach.fallback:
        qconfigs.set_module_name(name, None)
    return qconfigs


def _tuple(train: Rows, indices: np.ndarray) -> tuple:
    there = torch_shared.tensors(train.batch(indices))
    return tuple(there[name] for name in INPUTS)


def _static(graph: Any, cell: Cell, train: Rows, report: Report) -> tuple[Any, dict[str, Any]]:
    import torch
    from torch.ao.quantization import QConfig
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    approach = cell.approach
    qconfig = QConfig(
        activation=torch_shared.activation_observer(approach.activation),
        weight=torch_shared.weight_observer(approach.weight),
    )
    batches = calibration_batches(len(train), approach.calibration)
    with torch.no_grad():
        prepared = prepare_fx(graph.eval(), _qconfigs(graph, cell, qconfig), example_inputs=_tuple(train, batches[0]))
        for done, indices in enumerate(batches, start=1):
            prepared(*_tuple(train, indices))
            report.progress("calibrate", done, len(batches))
        return convert_fx(prepared), calibration_provenance(batches)


def _train(graph: Any, cell: Cell, train: Rows, report: Report) -> tuple[Any, list[float]]:
    """Fine-tune with fake quantization in both passes, then convert; return the graph and mean losses."""
    import torch
    from torch.ao.quantization import FakeQuantize, QConfig, disable_observer
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_qat_fx

    from harness.worker.finetune import GRADIENT_NORM, batches
    from harness.worker.seeding import seed_torch

    approach, config = cell.approach, cell.approach.qat
    seed_torch(config.seed, torch.get_num_threads())
    qconfig = QConfig(
        activation=FakeQuantize.with_args(observer=torch_shared.activation_observer(approach.activation)),
        weight=FakeQuantize.with_args(observer=torch_shared.weight_observer(approach.weight)),
    )
    first = np.arange(min(2, len(train)))
    prepared = prepare_qat_fx(graph.train(), _qconfigs(graph, cell, qconfig), example_inputs=_tuple(train, first))
    optimizer = torch.optim.AdamW(prepared.parameters(), lr=config.learning_rate)
    losses: list[float] = []
    for step, indices in enumerate(batches(train.lengths, config.batch_size, config.steps, config.seed)):
        if step == round(config.freeze_observers_at * config.steps):
            prepared.apply(disable_observer)
        logits = prepared(*_tuple(train, indices))["logits"]
        labels = torch.from_numpy(train.labels[indices])
        if labels.is_floating_point():
            loss = torch.nn.functional.mse_loss(logits[:, 0], labels)
        else:
            loss = torch.nn.functional.cross_entropy(logits, labels)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise StageError("nan", f"the loss of QAT step {step + 1} of {config.steps} is {losses[-1]}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(prepared.parameters(), GRADIENT_NORM)
        optimizer.step()
        report.progress("qat", step + 1, config.steps, f"loss {losses[-1]:.3f}")
    with torch.no_grad():
        converted = convert_fx(prepared.eval())
    return converted, [float(np.mean(losses[at : at + LOSS_STEPS])) for at in range(0, len(losses), LOSS_STEPS)]
