"""A tiny random vision Transformer on the torch backends: made in one process, loaded and run in another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.approaches.mapping import signal_to_noise_db
from harness.backends.base import backend_class
from harness.config.cell import Cell
from tests.backend_env import environment_python, run_in
from tests.backends.torch_tiny import CALIBRATION, make_cell

pytestmark = pytest.mark.backend("torch")

#: Six linear layers in each of two layers, and the classifier.
LINEARS = 13

#: The convolution that cuts the patches is not quantized.
CONVOLUTIONS = 1


def _cell(backend: str, method: str, **changes: Any) -> Cell:
    return make_cell(backend, method, architecture="vit", **changes)


CELLS = {
    "fp32 eager": _cell("eager", "none"),
    "bf16 eager": _cell("eager", "cast"),
    "dynamic": _cell("eager", "dynamic"),
    "static eager": _cell("eager", "static"),
    "fp32 fx": _cell("fx", "none"),
    "bf16 fx": _cell("fx", "cast"),
    "static fx": _cell("fx", "static", activation={"observer": "histogram"}),
    "qat": _cell("fx", "qat", activation={"observer": "moving_average"}),
}

POST_TRAINING = ("dynamic", "static eager", "static fx")

_SHARED = """
import dataclasses
from pathlib import Path
import numpy as np
from harness.backends.base import backend_class
from harness.config.cell import cell_from_dict
from harness.data.image_rows import ImageRows
from tests.backends.torch_tiny import Silent

base, cells = Path(ARGS[0]), {name: cell_from_dict(cell) for name, cell in ARGS[1].items()}

def make_rows(count, seed):
    pixels = np.random.RandomState(seed).randint(0, 256, (count, 12, 8)).astype(np.uint8)
    return ImageRows(pixels, (pixels[:, :6].mean((1, 2)) > pixels[:, 6:].mean((1, 2))).astype(np.int64))
"""

_MAKE = (
    _SHARED
    + """
import torch
from transformers import ViTConfig, ViTForImageClassification

torch.manual_seed(0)
sizes = ViTConfig(image_size=(12, 8), patch_size=4, num_channels=1, hidden_size=64, num_hidden_layers=2,
                  num_attention_heads=2, intermediate_size=128, initializer_range=0.15, num_labels=2)
network = ViTForImageClassification(sizes).eval()
network.save_pretrained(base / "checkpoint")
made = {}
for name, cell in cells.items():
    cell = dataclasses.replace(cell, task=dataclasses.replace(cell.task, fine_tune=dataclasses.replace(
        cell.task.fine_tune, frozen=())))
    (base / name).mkdir()
    made[name] = backend_class(cell.backend.name)().quantize(
        base / "checkpoint", cell, make_rows(120, 1), base / name, Silent())
with torch.no_grad():
    pixels = torch.from_numpy(make_rows(48, 2).batch(range(48))["pixel_values"])
    made["logits"] = network(pixels).logits.tolist()
print(json.dumps(made))
"""
)

_RUN = (
    _SHARED
    + """
rows, found = make_rows(48, 2), {}
for name, cell in cells.items():
    backend = backend_class(cell.backend.name)()
    backend.load(base / name, cell)
    batches = [*rows.by_length(16), np.array([0]), np.array([1])]
    executed = backend.executed_precision(backend.inputs(rows.batch(batches[0])))
    logits = np.concatenate([backend.logits(backend.forward(backend.inputs(rows.batch(batch)))) for batch in batches])
    found[name] = {"logits": logits[:48].tolist(), "alone": logits[48:].tolist(), "kernels": dict(executed.kernels),
                   "executed": [executed.int8_ops, executed.bf16_ops, executed.fp32_ops]}
print(json.dumps(found))
"""
)


@pytest.fixture(scope="module")
def made_and_ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    base, cells = tmp_path_factory.mktemp("vit"), {name: cell.to_dict() for name, cell in CELLS.items()}
    python = environment_python("torch")
    return run_in(python, _MAKE, base, cells), run_in(python, _RUN, base, cells)


def test_fp32_is_the_model_itself(made_and_ran):
    made, ran = made_and_ran
    for name in ("fp32 eager", "fp32 fx"):
        np.testing.assert_allclose(ran[name]["logits"], made["logits"], atol=1e-5)


@pytest.mark.needs("vnni")
@pytest.mark.parametrize("name", [*POST_TRAINING, "bf16 eager", "bf16 fx"])
def test_lower_precision_is_near_fp32_and_not_it(made_and_ran, name, there):
    wanted, found = (np.array(logits) for logits in (made_and_ran[0]["logits"], made_and_ran[1][name]["logits"]))
    least = 20 if there or name.startswith("bf16") else 15  # sums of 8-bit products saturate without VNNI
    assert least < signal_to_noise_db(wanted, found) < 70


@pytest.mark.parametrize("name", [*POST_TRAINING, "qat"])
def test_every_linear_layer_runs_in_int8_and_the_rest_in_fp32(made_and_ran, name):
    attention = 2 if CELLS[name].backend.name == "eager" else 4  # one fused kernel a layer, or two batched products
    assert made_and_ran[1][name]["executed"] == [LINEARS, 0, attention + CONVOLUTIONS], made_and_ran[1][name]


def test_float_cells_run_in_their_precision(made_and_ran):
    _, ran = made_and_ran
    assert ran["fp32 eager"]["executed"] == [0, 0, LINEARS + 2 + CONVOLUTIONS]
    assert ran["fp32 fx"]["executed"] == [0, 0, LINEARS + 4 + CONVOLUTIONS]
    assert ran["bf16 eager"]["executed"] == [0, LINEARS + 2 + CONVOLUTIONS, 0]
    assert ran["bf16 fx"]["executed"] == [0, LINEARS + 4 + CONVOLUTIONS, 0]


@pytest.mark.parametrize("name", [name for name in CELLS if name != "dynamic"])
def test_an_image_alone_gives_the_logits_it_gives_in_a_batch(made_and_ran, name):
    together, alone = np.array(made_and_ran[1][name]["logits"])[:2], np.array(made_and_ran[1][name]["alone"])
    assert np.abs(together - alone).max() < 0.05 * np.abs(together).max()


def test_qat_trains_and_its_int8_model_predicts_what_was_trained(made_and_ran):
    training = made_and_ran[0]["qat"]["qat"]
    assert training["steps"] == CELLS["qat"].approach.qat.steps and np.isfinite(training["losses"]).all()
    same = training["int8_against_fake_quantization"]
    assert same["rows"] == CALIBRATION.samples and same["agreement"] > 0.9


@pytest.mark.parametrize(
    "backend", ["ipex", "pt2e", "onnxruntime", "openvino", "tensorflow", "intel_tensorflow", "itex"]
)
def test_backends_that_were_not_tried_with_it_say_so(backend):
    because = backend_class(backend).supports(_cell(backend, "static", weight={"granularity": "per_tensor"}))
    assert "vit" in because and "\n" not in because
