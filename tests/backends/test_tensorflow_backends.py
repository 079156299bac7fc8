"""The TensorFlow backends on tiny random checkpoints: made in one process, loaded and run in another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.approaches.calibration import choose
from harness.approaches.mapping import signal_to_noise_db
from harness.backends.base import backend_class
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.tensorflow_env import KINDS, NAMES, cells
from tests.backends.torch_tiny import CALIBRATION, LINEARS, make_rows
from tests.needs import ISA, has

#: A checkpoint of each architecture, and PyTorch's logits of the rows that the artefacts are run on.
_CHECKPOINTS = program_text(__file__, "tensorflow_backends_checkpoints")

_MAKE = program_text(__file__, "tensorflow_backends_make")

_RUN = program_text(__file__, "tensorflow_backends_run")

_BF16 = program_text(__file__, "tensorflow_backends_bf16")

_INT8 = ("static", "static, fallback", "qat", "qat, minmax, fallback")

#: The fallback of the cells keeps four products of the first layer's attention and one of the second layer.
_KEPT = 5


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("checkpoints")
    logits = run_in(environment_python("torch"), _CHECKPOINTS, folder, list(KINDS))
    return folder, {kind: np.array(values) for kind, values in logits.items()}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.backend(name)) for name in NAMES])
def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    checkpoints: tuple[Path, dict[str, np.ndarray]],
) -> dict[str, Any]:
    """All artefacts of one environment, made in one process, and what another found in them."""
    base, python = tmp_path_factory.mktemp(request.param), environment_python(request.param)
    made = run_in(python, _MAKE, base, checkpoints[0], request.param, backend=request.param)
    ran = run_in(python, _RUN, base, request.param, backend=request.param)
    return {"name": request.param, "base": base, "made": made, **ran}


@pytest.fixture
def base_of(stack: dict[str, Any], checkpoints: tuple[Path, dict[str, np.ndarray]]) -> list[str]:
    """Where the checkpoint of a BERT lies, and where a test may write."""
    return [str(checkpoints[0] / "Bert"), str(stack["base"] / "again")]


def logits(stack: dict[str, Any], name: str) -> np.ndarray:
    return np.array(stack["cells"][name]["logits"])


@pytest.mark.parametrize("kind", KINDS)
def test_fp32_logits_are_those_of_pytorch(stack, checkpoints, kind):
    wanted = checkpoints[1][kind]
    assert np.ptp(wanted) > 0.1
    found = np.array(stack["kinds"][kind]["logits"])
    assert np.abs(found - wanted).max() <= 1e-4
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).all()


def test_a_row_alone_and_padded_further_has_the_same_logits(stack):
    alone = np.array(stack["cells"]["fp32"]["alone"])
    assert np.abs(alone - logits(stack, "fp32")[:8]).max() <= 1e-4


@pytest.mark.parametrize("name", _INT8)
def test_int8_products_run_and_onednn_says_so(stack, name):
    wanted = LINEARS - (_KEPT if "fallback" in name else 0)
    ran, made = stack["cells"][name], stack["made"][name]
    assert made["quantized_layers"] == wanted
    assert ran["executed"]["int8_ops"] == wanted
    # Two products of attention in each of two layers stay in floats, and so does what has fallen back.
    assert ran["executed"]["fp32_ops"] == 4 + LINEARS - wanted
    multiplied = [line for line in ran["onednn"] if re.search(r"src[:_]u8:.*\bwei[:_]s8:", line)]
    assert len(multiplied) == wanted, ran["onednn"]


def test_fp32_runs_in_fp32(stack):
    counts = stack["cells"]["fp32"]["executed"]
    assert [counts[kind] for kind in ("int8_ops", "bf16_ops", "fp32_ops")] == [0, 0, LINEARS + 4]


@pytest.mark.needs("avx512")
def test_bf16_runs_in_onednns_kernels_or_is_refused(stack, base_of, there):
    name = stack["name"]
    cell = cells(name)["bf16"]
    if there:
        counts = stack["cells"]["bf16"]["executed"]
        # The plug-in leaves a product as narrow as the classifier in FP32.
        assert counts["bf16_ops"] >= LINEARS
        assert counts["bf16_ops"] + counts["fp32_ops"] == LINEARS + 4
        assert any(re.search(r"src[:_]bf16:", line) for line in stack["cells"]["bf16"]["onednn"])
        assert 20 < signal_to_noise_db(logits(stack, "fp32"), logits(stack, "bf16")) < 80
        return
    assert "approach.method=cast" in backend_class(name).supports(cell, ISA)
    if name == "itex":
        with pytest.raises(AssertionError, match=r"exit -11"):  # a segmentation fault
            run_in(environment_python(name), _BF16, base_of, name, backend=name)
    else:
        assert not any("bf16" in line for line in run_in(environment_python(name), _BF16, base_of, name, backend=name))


@pytest.mark.parametrize("name", ["static", "static, fallback"])
def test_static_keeps_the_signal_and_saw_exactly_the_calibration_rows(stack, name):
    assert signal_to_noise_db(logits(stack, "fp32"), logits(stack, name)) > 12
    made = stack["made"][name]
    rows = choose(make_rows(120, 1).lengths, CALIBRATION).rows
    assert made["calibration"]["samples"] == CALIBRATION.samples
    assert sorted(set(made["shown"])) == sorted(int(row) for row in rows)
    assert len(made["shown"]) % CALIBRATION.samples == 0


def test_fewer_quantized_layers_leave_less_noise(stack):
    whole, partly = (
        signal_to_noise_db(logits(stack, "fp32"), logits(stack, name)) for name in ("static", "static, fallback")
    )
    assert partly > whole


@pytest.mark.parametrize("name", ["qat", "qat, minmax, fallback"])
def test_qat_trains_and_leaves_no_fake_quantization(stack, name):
    losses = stack["made"][name]["losses"]
    assert len(losses) == 1
    assert 0 < losses[0] < 3
    assert stack["made"][name]["steps"]["qat"] == [12, 12]
    graph = (stack["base"] / "first" / name / "model.pb").read_bytes()
    assert b"FakeQuant" not in graph
    assert b"QuantizedMatMulWithBiasAndDequantize" in graph


def test_int8_graph_computes_the_function_that_training_rounded(stack):
    rounded = np.array(stack["made"]["qat"]["rounded"])
    found = logits(stack, "qat")
    assert signal_to_noise_db(rounded, found) > 30
    assert (rounded.argmax(axis=1) == found.argmax(axis=1)).mean() >= 0.98


@pytest.mark.parametrize("name", ["static", "qat"])
def test_the_same_cell_gives_the_same_bytes(stack, name):
    first, second = (
        [(stack["base"] / run / name / file).read_bytes() for file in ("model.pb", "model.json")]
        for run in ("first", "second")
    )
    assert first == second


def test_cells_of_the_tests_are_those_made(stack):
    assert set(stack["made"]) == set(cells(stack["name"])) - (set() if has("avx512") else {"bf16"})


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.backend(name), *[pytest.mark.hours] * (name != "tensorflow")])
        for name in NAMES
    ],
)
def test_qat_learns_at_the_rate_of_each_step(name: str, checkpoints: tuple[Path, dict]) -> None:
    moved = run_in(environment_python(name), _RATES, checkpoints[0], name, backend=name)
    assert moved["nothing"] == 0 and moved["first alone"] > 0
    # AdamW's first step moves what has a gradient by the rate itself.
    assert moved["first alone"] == pytest.approx(1e-3, rel=0.05)


_RATES = program_text(__file__, "tensorflow_backends_rates")
