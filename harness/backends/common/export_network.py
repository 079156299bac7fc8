"""The FP32 network in the form that exporters take: tokens in, logits out, and nothing else. Needs torch.

Shared by the backends whose runtime reads a file of its own and knows nothing of PyTorch.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.backends.common import tuner_support
from harness.backends.common.linear_layers import quantized_linears
from harness.errors import StageError
from harness.models.base import architecture, modality

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from harness.config.cell import Cell


#: What a network may take, in the order of its exported inputs; DistilBERT takes the first two.
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

OUTPUT = "logits"

#: The attribute below which an exported node's name holds the module it comes from.
_INSIDE = "network"

#: What each method's operations are executed in.
PRECISION = {"none": "fp32", "cast": "bf16", "dynamic": "int8", "static": "int8", "weight_only": "fp32"}


def unsupported(cell: Cell, methods: Iterable[str], tunes: bool = False) -> str | None:
    """Return one line on why a backend that exports the network and offers `methods` cannot run the cell, or None.

    Parameters
    ----------
    tunes : whether it has candidates for a tuner.
    """
    approach, backend = cell.approach, cell.backend
    if approach.method not in methods:
        return f"approach.method={approach.method}: this backend offers {', '.join(methods)}"
    if approach.precision != PRECISION[approach.method]:
        return f"method {approach.method} executes {PRECISION[approach.method]}, not {approach.precision}"
    if modality(cell.model.architecture) != "text":
        found = modality(cell.model.architecture)
        return f"model.architecture={cell.model.architecture}: reads {found}, what is exported here are models of text"
    if cell.tuner.name != "none":
        because = tuner_support.unsupported_tuner(cell, tunes) or tuner_support.unscored(cell)
        if because is not None:
            return because
    if backend.engine is not None:
        return f"backend.engine={backend.engine}: this runtime has one engine"
    if backend.options:
        return f"backend.options: {', '.join(backend.options)} mean nothing to this backend"
    if approach.fallback and approach.method in ("none", "cast"):
        return f"approach.fallback: method {approach.method} quantizes nothing that could fall back"
    return None


def threads() -> int:
    """Return how many threads the parent has given this process."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def load_network(checkpoint: Path, cell: Cell) -> PreTrainedModel:
    """Load the checkpoint, whose head is in the task's order already, with attention as plain matrix products.

    Raises
    ------
    StageError : as the architecture's own `load`; ``nan`` when a weight is not finite.
    """
    import torch

    torch.set_num_threads(threads())
    model = dataclasses.replace(cell.model, fine_tuned=True)
    network = architecture(model.architecture).load(checkpoint, model, labels=_labels(checkpoint), seed=0)
    for name, value in network.named_parameters():
        if not torch.isfinite(value).all():
            raise StageError("nan", f"weight {name} of the checkpoint is not finite")
    # Fused attention is traced with Python conditions on lengths, which would become constants of the graph.
    network.set_attn_implementation("eager")
    return network.requires_grad_(False)


def _labels(checkpoint: Path) -> list[str]:
    try:
        config = json.loads((checkpoint / "config.json").read_text())
    except FileNotFoundError as error:
        raise StageError("missing_file", f"{checkpoint}: no config.json in the checkpoint") from error
    if config.get("problem_type") == "regression":
        return []
    names = config.get("id2label") or {}
    return [names[index] for index in sorted(names, key=int)]


def exportable(network: PreTrainedModel) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """Return a module that maps its inputs by position to logits alone, and an example of them by name.

    The example is a batch of two rows of unequal length, so that no size is 1 and the mask is not all ones.
    """
    import torch

    names = [name for name in INPUTS if name in inspect.signature(network.forward).parameters]

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            setattr(self, _INSIDE, network)

        def forward(self, *arrays: torch.Tensor) -> torch.Tensor:
            return self.network(**dict(zip(names, arrays, strict=True))).logits

    ids, mask = torch.zeros(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64)
    ids += torch.arange(8)
    mask[1, 5:] = 0
    example = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return Logits().eval(), {name: example[name] for name in names}


def place_of(node: str) -> tuple[str, str]:
    """Return the module that an exported node's name tells, or an empty text, and the node's own name in it.

    OpenVINO writes ``__module.network.a.b/aten::linear/MatMul``, ONNX ``/network/a/b/MatMul``.
    """
    if node.startswith(f"__module.{_INSIDE}."):
        module, _, own = node.removeprefix(f"__module.{_INSIDE}.").partition("/")
        return module, own
    if node.startswith(f"/{_INSIDE}/"):
        module, _, own = node.removeprefix(f"/{_INSIDE}/").rpartition("/")
        return module.replace("/", "."), own
    return "", node


def module_of(node: str) -> str:
    """Return the module that an exported node's name tells, or an empty text."""
    return place_of(node)[0]


def op_of(node: str, linears: Iterable[str]) -> str:
    """Return the name by which an exported product falls back: its linear layer, or ``MODULE/NODE`` where it has none.

    That is a product of two activations, as attention has.
    """
    module, own = place_of(node)
    return module if module in linears else f"{module}/{own}"


def linear_names(network: PreTrainedModel) -> list[str]:
    """Return the names of the network's linear layers."""
    import torch

    return [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]


def kept_nodes(network: PreTrainedModel, fallback: Iterable[str], nodes: Iterable[str]) -> list[str]:
    """Return those of the exported matrix products named `nodes` that stay in FP32 because they fall back.

    Parameters
    ----------
    fallback : names of modules, all linear layers below which fall back, or of products of activations (:func:`op_of`).

    Raises
    ------
    StageError : ``bad_config`` for a name of `fallback` that no linear layer has or stands below, and no product has.
    """
    linears = set(linear_names(network))
    ops = {node: op_of(node, linears) for node in nodes}
    products = set(fallback) & set(ops.values()) - linears
    modules = [name for name in fallback if name not in products]
    kept = products | linears - set(quantized_linears(network, modules))
    return [node for node, op in ops.items() if op in kept]


def require_equal(
    network: PreTrainedModel, run: Callable[[dict[str, np.ndarray]], np.ndarray], tolerance: float = 1e-4
) -> float:
    """Return the largest difference of `run`'s FP32 logits from the network's, on a batch of another shape.

    Raises
    ------
    StageError : ``error`` when it is above `tolerance`: then the exporter has changed the network.
    """
    import torch

    _, example = exportable(network)
    rows, length = 3, 11
    generator = np.random.RandomState(0)
    ids = generator.randint(0, network.config.vocab_size, (rows, length))
    mask = (np.arange(length) < np.array([[11], [7], [4]])).astype(np.int64)
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    batch = {name: batch[name] for name in example}
    with torch.no_grad():
        expected = network(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.numpy()
    difference = float(np.abs(run(batch) - expected).max())
    if not difference <= tolerance:
        raise StageError("error", f"the exported network's logits differ from PyTorch's by {difference:.2g}")
    return difference
