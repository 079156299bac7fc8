"""Frozen graphs of TensorFlow tuned by Neural Compressor: 2.x op by op, 3.x by whole-model configs in turn."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends import inc_tuning, tensorflow_graph
from harness.models.tensorflow_encoder import read_encoder
from harness.plan.config import QuantizerConfig
from harness.tuning import inc
from harness.tuning.foreign import Offers
from harness.tuning.recipe import Recipe, whole_model

if TYPE_CHECKING:
    from harness.backends.base import ToTune, Tunable
    from harness.plan.config import ApproachConfig
    from harness.tuning.trials import Trials

_PRODUCT = "/MatMul"

#: Where 3.x has its ``autotune``.
_AUTOTUNE = "neural_compressor.tensorflow.quantization.autotune"


def fit(asked: ToTune) -> Tunable:
    """Return a cell as what Neural Compressor 2.x tunes."""
    graph = _graph(asked)
    inputs = tensorflow_graph.inputs_of(graph)
    shown = _shown(asked, inputs)
    offers, cell = Offers(), asked.cell

    def config(**options: Any) -> Any:
        from neural_compressor import PostTrainingQuantConfig

        return PostTrainingQuantConfig(
            approach="static",
            # Also where the plug-in is installed: "itex" quantizes activations symmetrically.
            backend="default",
            inputs=list(inputs),
            outputs=[tensorflow_graph.OUTPUT],
            calibration_sampling_size=[shown.samples],
            excluded_precisions=["bf16", "fp16"],
            op_type_dict={"MatMul": {"weight": {"granularity": [cell.approach.weight.granularity]}}},
            **options,
        )

    def search(trials: Trials, recipes: list[Recipe]) -> None:
        method, workspace = cell.approach.method, inc_tuning.workspace(asked)
        inc.fit(trials, offers, cell.tuner.strategy, graph, config, shown, _name, method, workspace)

    return inc_tuning.tunable(asked, offers, _store, search, {"calibration": shown.calibration.provenance()})


def autotune(asked: ToTune) -> Tunable:
    """Return a cell as what Neural Compressor 3.x tunes."""
    from neural_compressor.tensorflow import Model, StaticQuantConfig

    graph = _graph(asked)
    inputs = tensorflow_graph.inputs_of(graph)
    shown = _shown(asked, inputs)
    offers, module = Offers(), importlib.import_module(_AUTOTUNE)
    configs = [
        StaticQuantConfig(
            weight_granularity=asked.cell.approach.weight.granularity,
            act_sym=[False, True],
            act_algorithm=["minmax", "kl"],
        )
    ]

    def run(tuning: Any, evaluated: Any) -> Any:
        model = Model(graph)
        model.input_tensor_names, model.output_tensor_names = list(inputs), [tensorflow_graph.OUTPUT]
        return module.autotune(model, tuning, evaluated, calib_dataloader=shown, calib_iteration=len(shown))

    recipe_of = functools.partial(_recipe, asked.cell.approach)

    def search(trials: Trials, recipes: list[Recipe]) -> None:
        workspace = inc_tuning.workspace(asked)
        inc.autotune(trials, offers, module, "quantize_model", run, configs, recipe_of, workspace)

    return inc_tuning.tunable(asked, offers, _store, search, {"calibration": shown.calibration.provenance()})


def _graph(asked: ToTune) -> Any:
    encoder = read_encoder(asked.checkpoint)
    return tensorflow_graph.build(encoder, tensorflow_graph.float_dense(encoder))


def _shown(asked: ToTune, inputs: list[str]) -> inc_tuning.Shown:
    return inc_tuning.Shown(asked, lambda batch: tuple(batch[name].astype(np.int32) for name in inputs))


def _name(adaptor: Any, key: Any) -> str:
    return key[0].removesuffix(_PRODUCT)


def _recipe(approach: ApproachConfig, config: Any) -> Recipe:
    activation = QuantizerConfig(
        dtype="uint8", scheme="symmetric" if config.act_sym else "affine", observer=config.act_algorithm
    )
    return whole_model(approach.method, activation, approach.weight)


def _store(quantized: Any, out: Path) -> None:
    tensorflow_graph.write(quantized.graph_def, out, {"cast_to_bfloat16": False})
