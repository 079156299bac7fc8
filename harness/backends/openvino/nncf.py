"""OpenVINO tuned by NNCF's accuracy control."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.approaches.calibration import choose
from harness.backends.common import export_network, external_candidates
from harness.backends.openvino import quantizer, runtime
from harness.backends.openvino.export import Shown, convert, import_nncf, store_codes
from harness.tuning.external import nncf
from harness.tuning.external.search import CandidateRegistry

if TYPE_CHECKING:
    from harness.backends.base import Tunable, TuningRequest
    from harness.tuning.trials import Trials


def tunable(request: TuningRequest) -> Tunable:
    """Return a cell of OpenVINO as what NNCF tunes."""
    openvino, cell = runtime.import_openvino(), request.cell
    framework = import_nncf()
    model = convert(openvino, export_network.load_network(request.checkpoint, cell))
    inputs = [port.any_name for port in model.inputs]
    calibration = choose(request.train.lengths, cell.approach.calibration)
    arguments = quantizer.static_arguments(cell.approach)
    control = functools.partial(
        framework.quantize_with_accuracy_control,
        calibration_dataset=framework.Dataset(Shown(request.train, calibration, inputs, request.report)),
        subset_size=len(calibration.batches),
        model_type=arguments["model_type"],
        preset=arguments["preset"],
        target_device=arguments["target_device"],
        advanced_quantization_parameters=arguments["advanced_parameters"],
    )
    properties = runtime.properties(cell)
    registry, words = CandidateRegistry(), nncf.InWords(cell.approach, _name)

    def compiled(candidate: Any) -> Any:
        return openvino.Core().compile_model(candidate, "CPU", properties)

    def search(trials: Trials, recipes: Sequence[Any]) -> None:
        scores = functools.partial(_outcomes, request, inputs)
        nncf.search(trials, registry, model, control, compiled, scores, len(request.evaluation), words.recipe)

    def store(candidate: Any, out: Path) -> None:
        # The search works on weights in FP32 with their quantizers; so does ``quantize`` before it is done.
        packed = candidate.clone()
        store_codes(packed)
        openvino.save_model(packed, out / runtime.MODEL, compress_to_fp16=False)

    return external_candidates.tunable(request, registry, store, search, {"calibration": calibration.provenance()})


def _outcomes(request: TuningRequest, inputs: list[str], compiled: Any, numbers: Sequence[int]) -> np.ndarray:
    """Return 1 for each of the evaluation rows that a model gets right, else 0; of numbers, minus squared errors."""
    rows = request.evaluation
    found: dict[int, Any] = {}
    chosen = np.asarray(numbers)[np.argsort(rows.lengths[list(numbers)], kind="stable")]
    size = request.cell.task.evaluation_batch_size
    for start in range(0, len(chosen), size):
        indices = chosen[start : start + size]
        batch = rows.batch(indices)
        logits = compiled({name: np.ascontiguousarray(batch[name]) for name in inputs})[0]
        if request.cell.task.kind == "regression":
            scores = -np.square(logits[:, 0] - rows.labels[indices])
        else:
            scores = (logits.argmax(axis=1) == rows.labels[indices]).astype(np.float64)
        found.update(zip(indices.tolist(), scores.tolist(), strict=True))
    return np.array([found[number] for number in numbers])


def _name(node: str) -> str:
    """Return the layer whose product an operation is, or the operation's own name."""
    module, kind = export_network.module_of(node), node.partition("/")[2]
    return module if module and kind.startswith("aten::linear/") else node
