"""Models of torch tuned by Neural Compressor 2.x; what FX and IPEX share of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from harness.backends.common import external_candidates
from harness.backends.torch_common.network import tensors
from harness.tuning.external import inc
from harness.tuning.external.search import CandidateRegistry

if TYPE_CHECKING:
    from harness.backends.base import Tunable, TuningRequest
    from harness.tuning.recipe import Recipe
    from harness.tuning.trials import Trials


def tunable(
    request: TuningRequest,
    model: torch.nn.Module,
    names: tuple[str, ...],
    options: dict[str, Any],
    named: Any,
    store: Any,
) -> Tunable:
    """Return a cell as what Neural Compressor's ``quantization.fit`` tunes.

    Parameters
    ----------
    model : what it quantizes, whose inputs are `names`.
    options : of its configuration, beside those that all cells have.
    named : called with its adaptor and an op's key, gives the op's name.
    store : called with a quantized model and a folder, writes the artefact.
    """
    # Quantized embeddings take no indices that are repeated by their strides, as counted positions are.
    shown = external_candidates.Shown(
        request, lambda batch: {n: v.contiguous() for n, v in tensors(batch, names).items()}
    )
    registry, tuner, reduced = CandidateRegistry(), request.cell.tuner, request.cell.approach.activation.reduce_range
    config = functools.partial(_config, calibration_sampling_size=[shown.samples], **options)

    def search(trials: Trials, recipes: Sequence[Recipe]) -> None:
        from neural_compressor.adaptor import pytorch

        # Its own choice is by what this host's CPU has; ours is the approach's.
        pytorch.REDUCE_RANGE = reduced
        method, strategy = request.cell.approach.method, tuner.strategy or ""
        workspace = external_candidates.workspace(request)
        inc.fit(trials, registry, strategy, model, config, shown, named, method, workspace, reduce_range=reduced)

    provenance = {"calibration": shown.calibration.provenance()}
    return external_candidates.tunable(request, registry, store, search, provenance)


def _config(**options: Any) -> Any:
    from neural_compressor import PostTrainingQuantConfig

    # BF16 where the CPU has it would make a recipe mean another thing on each host.
    return PostTrainingQuantConfig(approach="static", excluded_precisions=["bf16", "fp16"], **options)
