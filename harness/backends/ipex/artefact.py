"""The artefact of IPEX: the optimised model as frozen TorchScript, its weights packed for oneDNN."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from harness.backends.torch_common.example import example
from harness.backends.torch_common.network import input_names
from harness.backends.torch_common.verify import require_same
from harness.errors import StageError

SCRIPT_FILE = "model.pt"

#: TorchScript fuses quantized layers into integer kernels in its first runs; until then it computes as the network.
_RUNS_TO_COMPILE = 3

#: (rows, tokens) of the batches on which they are compared: others than the script was traced with.
_SHAPES = ((1, 7), (3, 9))


def save(network: torch.nn.Module, precision: str, out: Path) -> dict[str, Any]:
    """Trace `network`, freeze it, write it into the folder `out`, and return how it agrees with the network.

    Parameters
    ----------
    precision : ``bf16`` for operations in BF16 where torch's autocast has them so; ``fp32`` and ``int8`` as they are.

    Raises
    ------
    StageError : ``error`` when their logits differ (see :mod:`harness.backends.torch_common.verify`).
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
        for _ in range(_RUNS_TO_COMPILE):
            script(**inputs)
        return require_same(
            lambda batch: script(**batch)["logits"],
            lambda batch: network(**batch)["logits"],
            [example(names, vocabulary, *shape) for shape in _SHAPES],
            precision,
        )


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
