"""Frozen graphs of TensorFlow tuned by Neural Compressor: 2.x op by op, 3.x by whole-model configs in turn."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.common import external_candidates
from harness.backends.tensorflow_common import frozen_graph
from harness.backends.tensorflow_common.encoder import read_encoder
from harness.config.schema import QuantizerConfig
from harness.tuning.external import inc
from harness.tuning.external.search import CandidateRegistry
from harness.tuning.recipe import Recipe, whole_model

if TYPE_CHECKING:
    from harness.backends.base import Tunable, TuningRequest
    from harness.config.schema import ApproachConfig
    from harness.tuning.trials import Trials

_PRODUCT = "/MatMul"

#: Where 3.x has its ``autotune``.
_AUTOTUNE = "neural_compressor.tensorflow.quantization.autotune"


def fit(request: TuningRequest) -> Tunable:
    """Return a cell as what Neural Compressor 2.x tunes."""
    graph = _graph(request)
    inputs = frozen_graph.inputs_of(graph)
    shown = _shown(request, inputs)
    registry, cell = CandidateRegistry(), request.cell

    def config(**options: Any) -> Any:
        from neural_compressor import PostTrainingQuantConfig

        return PostTrainingQuantConfig(
            approach="static",
            # Also where the plug-in is installed: "itex" quantizes activations symmetrically.
            backend="default",
            inputs=list(inputs),
            outputs=[frozen_graph.OUTPUT],
            calibration_sampling_size=[shown.samples],
            excluded_precisions=["bf16", "fp16"],
            op_type_dict={"MatMul": {"weight": {"granularity": [cell.approach.weight.granularity]}}},
            **options,
        )

    def search(trials: Trials, recipes: Sequence[Recipe]) -> None:
        method, workspace = cell.approach.method, external_candidates.workspace(request)
        inc.fit(trials, registry, cell.tuner.strategy or "", graph, config, shown, _name, method, workspace)

    return external_candidates.tunable(
        request, registry, _store, search, {"calibration": shown.calibration.provenance()}
    )


def autotune(request: TuningRequest) -> Tunable:
    """Return a cell as what Neural Compressor 3.x tunes."""
    from neural_compressor.tensorflow import Model, StaticQuantConfig

    graph = _graph(request)
    inputs = frozen_graph.inputs_of(graph)
    shown = _shown(request, inputs)
    registry, module = CandidateRegistry(), importlib.import_module(_AUTOTUNE)
    configs = [
        StaticQuantConfig(
            weight_granularity=request.cell.approach.weight.granularity,
            act_sym=[False, True],
            act_algorithm=["minmax", "kl"],
        )
    ]

    def run(tuning: Any, evaluated: Any) -> Any:
        model = Model(graph)
        model.input_tensor_names, model.output_tensor_names = list(inputs), [frozen_graph.OUTPUT]
        return module.autotune(model, tuning, evaluated, calib_dataloader=shown, calib_iteration=len(shown))

    recipe_of = functools.partial(_recipe, request.cell.approach)

    def search(trials: Trials, recipes: Sequence[Recipe]) -> None:
        workspace = external_candidates.workspace(request)
        inc.autotune(trials, registry, module, "quantize_model", run, configs, recipe_of, workspace)

    return external_candidates.tunable(
        request, registry, _store, search, {"calibration": shown.calibration.provenance()}
    )


def _graph(request: TuningRequest) -> Any:
    encoder = read_encoder(request.checkpoint)
    return frozen_graph.build(encoder, frozen_graph.float_dense(encoder))


def _shown(request: TuningRequest, inputs: list[str]) -> external_candidates.Shown:
    return external_candidates.Shown(request, lambda batch: tuple(batch[name].astype(np.int32) for name in inputs))


def _name(adaptor: Any, key: Any) -> str:
    return key[0].removesuffix(_PRODUCT)


def _recipe(approach: ApproachConfig, config: Any) -> Recipe:
    activation = QuantizerConfig(
        dtype="uint8", scheme="symmetric" if config.act_sym else "affine", observer=config.act_algorithm
    )
    return whole_model(approach.method, activation, approach.weight)


def _store(quantized: Any, out: Path) -> None:
    frozen_graph.write(quantized.graph_def, out, {"cast_to_bfloat16": False})
