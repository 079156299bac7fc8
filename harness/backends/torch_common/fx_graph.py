"""Graphs of transformers models for FX graph mode: traced, held against the model, and stored as TorchScript.

transformers' own tracer follows BERT where torch's cannot. While graph mode works on it, a graph takes ``position_ids``
as an input, because the model's buffer of positions is cut to a length that a second trace would bake in. Afterwards
:func:`finish` has it count the positions itself.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.backends.torch_common.network import input_names
from harness.errors import StageError

if TYPE_CHECKING:
    from torch.fx import GraphModule
    from transformers import PretrainedConfig, PreTrainedModel

GRAPH_FILE = "model.pt"

#: Positions of these begin behind the padding's number and skip padding, so the model must count them itself.
_COUNTS_POSITIONS = ("roberta", "xlm-roberta", "camembert")

_POSITIONS = "position_ids"

#: (rows, tokens) of the batches on which graph and model must agree: another than it was traced with, and padded.
_SHAPES = ((2, 16), (3, 9))

#: Largest difference of a logit between graph and model, as a share of the largest logit: sums in another order.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def trace(network: PreTrainedModel) -> GraphModule:
    """Return the graph of `network` (attention ``eager``), which gives the same logits for any batch and length.

    Raises
    ------
    StageError : ``bad_config`` when the tracer does not know the model or what it traced is not the model.
    """
    from transformers.utils.fx import symbolic_trace

    names = traced_names(network)
    taken = [name for name in names if name in inspect.signature(network.forward).parameters]
    try:
        with _plain_forward(network):
            graph = symbolic_trace(network, input_names=taken)
    except Exception as error:
        message = f"FX cannot trace {type(network).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise StageError("bad_config", message) from error
    if _POSITIONS in names and _POSITIONS not in taken:
        _take_positions(graph)
    _settle_limits(graph, network.dtype)
    scale_of = _TOLERANCE[network.dtype]
    for rows, tokens in _SHAPES:
        batch = example(network, rows, tokens)
        with torch.no_grad():
            wanted = network(**{name: batch[name] for name in taken}).logits
            found = graph(**batch)["logits"]
        if not torch.allclose(wanted, found, rtol=0, atol=scale_of * max(1.0, float(wanted.abs().max()))):
            raise StageError(
                "bad_config", f"the FX graph of {type(network).__name__} gives other logits than the model"
            )
    return graph


def traced_names(network: PreTrainedModel) -> tuple[str, ...]:
    """Return the names of the inputs that `network` is traced with."""
    names = input_names(network)
    counts = "input_ids" not in names or network.config.model_type in _COUNTS_POSITIONS
    return names if counts else (*names, _POSITIONS)


@contextlib.contextmanager
def _plain_forward(network: PreTrainedModel) -> Iterator[None]:
    """Show the tracer a forward of images that has no decorator around it.

    It reads the arguments of the function below the decorators, but calls the one above them, whose places are others.
    """
    if input_names(network) != ("pixel_values",):
        yield
        return
    kind = type(network)

    def forward(self: PreTrainedModel, pixel_values: torch.Tensor) -> Any:
        return kind.forward(self, pixel_values)

    network.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    try:
        yield
    finally:
        network.__class__ = kind


def _take_positions(graph: GraphModule) -> None:
    """Have the graph of a network that takes no positions (DistilBERT) take them in place of its buffer's cut."""
    last = [node for node in graph.graph.nodes if node.op == "placeholder"][-1]
    with graph.graph.inserting_after(last):
        taken = graph.graph.placeholder(_POSITIONS)
    for buffer in [node for node in graph.graph.nodes if node.op == "get_attr" and node.target.endswith(_POSITIONS)]:
        for cut in list(buffer.users):
            cut.replace_all_uses_with(taken)
            graph.graph.erase_node(cut)
        graph.graph.erase_node(buffer)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _settle_limits(graph: GraphModule, dtype: torch.dtype) -> None:
    """Write the lowest number of `dtype` where the graph asks for it (DistilBERT's mask); no second trace could ask."""
    asked = [node for node in graph.graph.nodes if node.op == "call_function" and node.target is torch.finfo]
    for limit in [user for node in asked for user in node.users]:
        value = getattr(torch.finfo(dtype), limit.args[1])
        for made in [user for user in limit.users if user.target is torch.tensor]:
            for user in list(made.users):
                user.args = tuple(value if argument is made else argument for argument in user.args)
    if asked:
        graph.graph.eliminate_dead_code()
        graph.recompile()


def example(network: PreTrainedModel, rows: int, tokens: int) -> dict[str, torch.Tensor]:
    """Return a batch of tokens of which the first row is padded to half, or of images, which have no tokens."""
    if "pixel_values" in traced_names(network):
        return {"pixel_values": _images(network.config, rows)}
    ids = torch.arange(rows * tokens).reshape(rows, tokens) % network.config.vocab_size
    mask = torch.ones_like(ids)
    mask[0, tokens // 2 :] = 0
    batch = {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": torch.zeros_like(ids),
        "position_ids": torch.arange(tokens).expand(rows, tokens).contiguous(),
    }
    return {name: batch[name] for name in traced_names(network)}


def _images(config: PretrainedConfig, rows: int) -> torch.Tensor:
    size = config.image_size
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    shape = (rows, config.num_channels, height, width)
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float32)).reshape(shape)


def finish(graph: GraphModule) -> GraphModule:
    """Have the graph count positions itself and return its logits as a tensor; changes `graph` in place."""
    nodes = {node.target: node for node in graph.graph.nodes if node.op == "placeholder"}
    positions = nodes.get("position_ids")
    if positions is not None:
        with graph.graph.inserting_before(positions):
            # Placeholders stand first, so the input whose size is asked is there already.
            tokens = graph.graph.call_method("size", (nodes["input_ids"], 1))
            counted = graph.graph.call_function(torch.arange, (tokens,))
            row = graph.graph.call_method("unsqueeze", (counted, 0))
        positions.replace_all_uses_with(row)
        graph.graph.erase_node(positions)
    output = next(node for node in graph.graph.nodes if node.op == "output")
    output.args = (output.args[0]["logits"],)
    graph.graph.lint()
    graph.recompile()
    return graph


def save(graph: GraphModule, out: Path) -> None:
    """Write the finished graph as TorchScript, which loads without transformers, into the folder `out`.

    Scripted, not traced: nothing of an example's shape can be baked in.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.freeze(torch.jit.script(graph.eval()))
    torch.jit.save(script, str(out / GRAPH_FILE))


def load(artefact: Path) -> tuple[Any, tuple[str, ...]]:
    """Return the script that :func:`save` wrote and the names of its inputs in order.

    Raises
    ------
    StageError : ``missing_file`` or ``damaged``.
    """
    path = artefact / GRAPH_FILE
    if not path.is_file():
        raise StageError("missing_file", f"artefact: no {GRAPH_FILE} in {artefact}")
    try:
        script = torch.jit.load(str(path))
    except RuntimeError as error:
        raise StageError("damaged", f"{path}: {(str(error).splitlines() or [''])[0]}") from error
    return script, tuple(argument.name for argument in script.forward.schema.arguments[1:])
