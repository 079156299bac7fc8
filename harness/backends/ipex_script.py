"""The artefact of IPEX: the optimised model as frozen TorchScript, its weights packed for oneDNN."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from harness.backends.torch_example import example
from harness.backends.torch_network import input_names
from harness.errors import StageError

SCRIPT_FILE = "model.pt"

#: Largest difference of a logit between script and network, as a share of the largest logit. FP32 differs in the order
#: of sums only; a sum on the edge of a code may fall either way and is carried on by the layers behind it.
TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "int8": 2e-1}

#: (rows, tokens) of the batches on which they are compared: others than the script was traced with.
_SHAPES = ((1, 7), (3, 9))


def save(network: torch.nn.Module, precision: str, out: Path) -> float:
    """Trace `network`, freeze it, write it into the folder `out`, and return how far its logits are from the network's.

    Parameters
    ----------
    precision : ``bf16`` for operations in BF16 where torch's autocast has them so; ``fp32`` and ``int8`` as they are.

    Raises
    ------
    StageError : ``error`` when the largest difference of a logit is above :data:`TOLERANCE`.
    """
    names, vocabulary = input_names(network), network.config.vocab_size
    cast = torch.amp.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")
    with torch.no_grad(), cast, warnings.catch_warnings():
        # The tracer warns of conditions on sizes; the other shapes below are held against the network instead.
        warnings.simplefilter("ignore")
        inputs = example(names, vocabulary)
        # Not strict: the output is a dict.
        traced = torch.jit.trace(network, example_kwarg_inputs=inputs, strict=False, check_trace=False)
        script = torch.jit.freeze(traced.eval())
        torch.jit.save(script, str(out / SCRIPT_FILE))
        return max(_difference(script, network, example(names, vocabulary, *shape), precision) for shape in _SHAPES)


def _difference(script: Any, network: torch.nn.Module, batch: dict[str, torch.Tensor], precision: str) -> float:
    wanted, found = network(**batch)["logits"].float(), script(**batch)["logits"].float()
    difference = float((wanted - found).abs().max())
    if not difference <= TOLERANCE[precision] * max(1.0, float(wanted.abs().max())):
        raise StageError("error", f"the script's logits differ from the network's by {difference:.2g}")
    return difference


def load(artefact: Path) -> tuple[Any, tuple[str, ...]]:
    """Return the script that :func:`save` wrote and the names of its inputs in order.

    Raises
    ------
    StageError : ``missing_file`` or ``damaged``.
    """
    path = artefact / SCRIPT_FILE
    if not path.is_file():
        raise StageError("missing_file", f"artefact: no {SCRIPT_FILE} in {artefact}")
    try:
        script = torch.jit.load(str(path)).eval()
    except RuntimeError as error:
        raise StageError("damaged", f"{path}: {(str(error).splitlines() or [''])[0]}") from error
    return script, tuple(argument.name for argument in script.forward.schema.arguments[1:])
