"""The torch backends on a tiny random BERT: made in one process, loaded and run in another."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.approaches import mapping
from harness.approaches.mapping import signal_to_noise_db
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.torch_tiny import CALIBRATION, CELLS, LINEARS

pytestmark = pytest.mark.backend("torch")

_MAKE = program_text(__file__, "torch_backends_make")

_MAKE_ONE = program_text(__file__, "torch_backends_make_one")

_RUN = program_text(__file__, "torch_backends_run")

INT8 = [name for name, cell in CELLS.items() if cell.approach.precision == "int8"]
POST_TRAINING = [name for name in INT8 if name != "qat"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("torch")


@pytest.fixture(scope="module")
def made(base: Path) -> dict[str, Any]:
    return run_in(environment_python("torch"), _MAKE, base)


@pytest.fixture(scope="module")
def ran(base: Path, made: dict[str, Any]) -> dict[str, Any]:
    return run_in(environment_python("torch"), _RUN, base, list(CELLS))


def stored(base: Path, name: str) -> dict[str, np.ndarray]:
    """Return the tensors of an eager artefact, read without torch (safetensors: a JSON header, then the bytes)."""
    content = (base / "first" / name / "model.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    types = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I8": "i1"}
    tensors = {}
    for key, entry in header.items():
        if key != "__metadata__":
            start, end = (8 + size + offset for offset in entry["data_offsets"])
            tensors[key] = np.frombuffer(content[start:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def scales(base: Path, name: str) -> dict[str, float]:
    """Return the scale of what goes into each static layer of an eager artefact."""
    layers = json.loads((base / "first" / name / "model.json").read_text())["layers"]
    return {layer: values["input"][0] for layer, values in layers.items()}


@pytest.mark.needs("vnni")
@pytest.mark.parametrize("name", POST_TRAINING)
def test_int8_logits_are_close_to_those_of_fp32(ran: dict[str, Any], name: str, there: bool) -> None:
    wanted = np.array(ran["fp32 eager"]["logits"])
    # Seven bits cost 6 dB; clipping is meant to hurt; a moving average of four batches clips at the first one's range.
    least = {
        "dynamic, 7 bits": 14,
        "static eager, 7 bits": 14,
        "static eager, percentile": 6,
        "static fx, symmetric": 6,
    }.get(name, 20 if there else 12)  # saturating sums cost up to 7 dB, which 7 bits do not lose
    assert signal_to_noise_db(wanted, np.array(ran[name]["logits"])) > least
    assert ran[name]["logits"] != ran["fp32 eager"]["logits"]


def test_graph_and_modules_agree_in_fp32_and_bf16(ran: dict[str, Any]) -> None:
    np.testing.assert_allclose(ran["fp32 fx"]["logits"], ran["fp32 eager"]["logits"], atol=1e-5)
    for name in ("bf16 eager", "bf16 fx"):
        ratio = signal_to_noise_db(np.array(ran["fp32 eager"]["logits"]), np.array(ran[name]["logits"]))
        assert 25 < ratio < 70, name


@pytest.mark.parametrize("name", [name for name in CELLS if "dynamic" not in name])
def test_a_row_alone_and_padded_gives_the_logits_it_gives_in_a_batch(ran: dict[str, Any], name: str) -> None:
    # Any batch size and length: nothing of an example's shape is baked into an artefact.
    together, alone = np.array(ran[name]["logits"])[:8], np.array(ran[name]["alone"])
    assert signal_to_noise_db(together, alone) > 25


@pytest.mark.parametrize("name", [name for name in INT8 if "fallback" not in name])
def test_every_linear_layer_runs_in_int8_and_attention_in_fp32(ran: dict[str, Any], name: str) -> None:
    attention = 2 if CELLS[name].backend.name == "eager" else 4  # one fused kernel a layer, or two batched products
    assert ran[name]["executed"] == [LINEARS, 0, attention]
    kernel = "quantized::linear_dynamic (int8)" if "dynamic" in name else "quantized::linear (int8)"
    assert ran[name]["kernels"][kernel] == LINEARS


@pytest.mark.parametrize("name", ["static eager, fallback", "static fx, fallback"])
def test_what_falls_back_runs_in_fp32(ran: dict[str, Any], made: dict[str, Any], name: str) -> None:
    attention = 2 if "eager" in name else 4
    assert ran[name]["executed"] == [LINEARS - 5, 0, attention + 5]
    assert made[name]["quantized_layers"] == LINEARS - 5


@pytest.mark.parametrize("name", ["static eager, bf16 fallback", "dynamic, bf16 fallback"])
def test_what_falls_back_runs_in_bf16_when_asked_to(ran: dict[str, Any], made: dict[str, Any], name: str) -> None:
    assert ran[name]["executed"] == [LINEARS - 5, 5, 2]
    assert made[name]["quantized_layers"] == LINEARS - 5


def test_float_cells_run_in_their_precision(ran: dict[str, Any]) -> None:
    assert ran["fp32 eager"]["executed"] == [0, 0, LINEARS + 2]
    assert ran["fp32 fx"]["executed"] == [0, 0, LINEARS + 4]
    assert ran["bf16 eager"]["executed"] == [0, LINEARS + 2, 0]
    assert ran["bf16 fx"]["executed"] == [0, LINEARS + 4, 0]


@pytest.mark.parametrize("name", [name for name in INT8 if CELLS[name].approach.method == "static"])
def test_static_is_shown_exactly_the_calibration_rows(made: dict[str, Any], name: str) -> None:
    shown = made[name]["shown"]
    assert len(shown) == len(set(shown)) == CALIBRATION.samples
    digest = hashlib.sha256(",".join(map(str, shown)).encode()).hexdigest()
    assert made[name]["calibration"] == {"samples": CALIBRATION.samples, "rows_sha256": digest}


@pytest.mark.parametrize("name", [name for name in INT8 if CELLS[name].approach.method == "dynamic"])
def test_dynamic_is_shown_no_row(made: dict[str, Any], name: str) -> None:
    assert made[name]["shown"] == []


@pytest.mark.parametrize(("name", "per_channel"), [("dynamic", True), ("dynamic, per tensor", False)])
def test_stored_codes_are_those_of_the_formulae(base: Path, ran: dict[str, Any], name: str, per_channel: bool) -> None:
    codes, weights = stored(base, name), stored(base, "fp32 eager")
    layers = [key.removesuffix(".codes") for key in codes if key.endswith(".codes")]
    assert len(layers) == LINEARS
    for layer in layers:
        weight = weights[f"{layer}.weight"]
        axis = 1 if per_channel else None
        wanted = mapping.symmetric(weight.min(axis=axis), weight.max(axis=axis), mapping.codes("int8"))
        np.testing.assert_allclose(codes[f"{layer}.scale"], wanted.scale, rtol=1e-6)
        assert not codes[f"{layer}.zero_point"].any()
        difference = codes[f"{layer}.codes"] - mapping.quantize(weight, wanted)
        # torch multiplies by 1 / S in FP32, which decides a tie the other way now and then.
        assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 0.01


def test_reduced_range_leaves_seven_bits(base: Path, ran: dict[str, Any]) -> None:
    reduced = [codes for key, codes in stored(base, "dynamic, 7 bits").items() if key.endswith(".codes")]
    assert min(codes.min() for codes in reduced) == -64 and max(codes.max() for codes in reduced) == 63
    full, seven = scales(base, "static eager"), scales(base, "static eager, 7 bits")
    for layer in full:
        assert seven[layer] / full[layer] == pytest.approx(255 / 127, rel=1e-5), layer


def test_reduced_range_of_dynamic_activations_is_executed(base: Path) -> None:
    """The 8-bit and the 7-bit kernel differ by the activations' range alone: same weights, same process."""
    assert run_in(environment_python("torch"), _DYNAMIC_RANGE) == [True, True]


_DYNAMIC_RANGE = program_text(__file__, "torch_backends_dynamic_range")


@pytest.mark.parametrize("observer", ["percentile", "kl"])
def test_clipping_observers_narrow_the_range(base: Path, ran: dict[str, Any], observer: str) -> None:
    full, clipped = scales(base, "static eager"), scales(base, f"static eager, {observer}")
    assert all(clipped[layer] <= full[layer] * 1.000001 for layer in full)
    assert sum(clipped[layer] < 0.99 * full[layer] for layer in full) > LINEARS / 2


def test_percentile_of_a_weight_is_that_of_each_of_its_rows(base: Path, ran: dict[str, Any]) -> None:
    codes, weights = stored(base, "static eager, percentile"), stored(base, "fp32 eager")
    layer = "bert.encoder.layer.0.output.dense"
    wanted = np.percentile(np.abs(weights[f"{layer}.weight"]), 97, axis=1, method="inverted_cdf")
    np.testing.assert_allclose(codes[f"{layer}.scale"], 2 * wanted / 255, rtol=1e-6)


def test_an_artefact_gives_the_same_bits_in_every_process(base: Path, ran: dict[str, Any]) -> None:
    names = ["dynamic", "static eager", "static fx", "qat"]
    again = run_in(environment_python("torch"), _RUN, base, names)
    assert all(again[name]["logits"] == ran[name]["logits"] for name in names)


@pytest.mark.parametrize("name", ["dynamic", "static fx", "qat"])
def test_another_process_makes_the_same_bytes(base: Path, made: dict[str, Any], tmp_path: Path, name: str) -> None:
    # A process for each, as a run has it: TorchScript numbers the classes that its process has compiled so far.
    for out in (tmp_path / "first", tmp_path / "second"):
        run_in(environment_python("torch"), _MAKE_ONE, base, out, name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file


def test_loading_imports_no_more_than_it_needs(ran: dict[str, Any]) -> None:
    assert ran["static fx"]["imported"] == []
    assert ran["dynamic"]["imported"] == ["transformers"]


def test_qat_trains_and_its_int8_model_predicts_what_was_trained(made: dict[str, Any], ran: dict[str, Any]) -> None:
    training = made["qat"]["qat"]
    assert training["steps"] == CELLS["qat"].approach.qat.steps and np.isfinite(training["losses"]).all()
    same = training["int8_against_fake_quantization"]
    assert same["rows"] == CALIBRATION.samples and same["agreement"] > 0.9
    # Trained weights are others than those of the checkpoint, so its logits are far from FP32's.
    assert signal_to_noise_db(np.array(ran["fp32 eager"]["logits"]), np.array(ran["qat"]["logits"])) < 20


def test_qat_trains_without_dropout(tmp_path: Path) -> None:
    losses = run_in(environment_python("torch"), _DROPOUT, tmp_path)
    assert losses["none"] == losses["half"] and np.isfinite(losses["none"]).all()


_DROPOUT = program_text(__file__, "torch_backends_dropout")
