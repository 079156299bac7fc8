"""IPEX on a tiny random BERT: made in one process, loaded and run in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.approaches.mapping import signal_to_noise_db
from harness.backends.base import backend_class
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.torch_tiny import CALIBRATION, LINEARS, make_cell
from tests.needs import ISA

pytestmark = pytest.mark.backend("ipex")

FALLBACK = ("bert.encoder.layer.1.output.dense", "encoder.layer.0.attention")

CELLS = {
    "fp32": make_cell("ipex", "none"),
    "bf16": make_cell("ipex", "cast"),
    "static": make_cell("ipex", "static", activation={"observer": "histogram"}),
    "static, minmax": make_cell("ipex", "static"),
    "static, per tensor": make_cell(
        "ipex", "static", activation={"observer": "moving_average"}, weight={"granularity": "per_tensor"}
    ),
    "static, 7 bits": make_cell("ipex", "static", activation={"reduce_range": True}, weight={"reduce_range": True}),
    "static, fallback": make_cell("ipex", "static", fallback=FALLBACK),
}

_MAKE = program_text(__file__, "ipex_make")

_RUN = program_text(__file__, "ipex_run")


#: What this host's instruction sets let run.
RUNNABLE = {name: cell for name, cell in CELLS.items() if backend_class("ipex").supports(cell, ISA) is None}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ipex")


@pytest.fixture(scope="module")
def made(base: Path) -> dict[str, Any]:
    return run_in(environment_python("ipex"), _MAKE, base, {name: cell.to_dict() for name, cell in RUNNABLE.items()})


@pytest.fixture(scope="module")
def ran(base: Path, made: dict[str, Any]) -> dict[str, Any]:
    return run_in(environment_python("ipex"), _RUN, base, {name: cell.to_dict() for name, cell in RUNNABLE.items()})


def test_fp32_gives_pytorchs_logits_at_any_batch_and_length(made, ran):
    reference = np.array(made["reference"])
    assert np.abs(np.array(ran["fp32"]["logits"]) - reference).max() < 1e-4
    assert np.abs(np.array(ran["fp32"]["alone"]) - reference[:8]).max() < 1e-4
    assert ran["fp32"]["executed"][:2] == [0, 0] and ran["fp32"]["executed"][2] > 0


@pytest.mark.needs("avx512")
def test_bf16_runs_bf16_kernels_near_fp32_or_is_refused_as_by_ipex(base, made, ran, there):
    if not there:
        assert "approach.method=cast: IPEX refuses" in backend_class("ipex").supports(CELLS["bf16"], ISA)
        with pytest.raises(AssertionError, match="BF16 weight prepack needs the cpu support"):
            run_in(environment_python("ipex"), _MAKE, base / "refused", {"bf16": CELLS["bf16"].to_dict()})
        return
    assert signal_to_noise_db(np.array(made["reference"]), np.array(ran["bf16"]["logits"])) > 25
    int8, bf16, _ = ran["bf16"]["executed"]
    assert int8 == 0 and bf16 >= LINEARS - 4  # IPEX may join query, key and value to one product


@pytest.mark.needs("vnni")
@pytest.mark.parametrize("name", [name for name in CELLS if name.startswith("static")])
def test_static_runs_int8_kernels_near_fp32(name, made, ran, there):
    least = 15 if there or "7 bits" in name else 10  # sums of 8-bit products saturate without VNNI
    assert signal_to_noise_db(np.array(made["reference"]), np.array(ran[name]["logits"])) > least
    int8, bf16, _ = ran[name]["executed"]
    assert int8 >= made["made"][name]["quantized_layers"] and bf16 == 0
    assert any("u8xs8" in kernel for kernel in ran[name]["kernels"])


@pytest.mark.needs("vnni")
@pytest.mark.parametrize("name", [name for name in CELLS if name.startswith("static")])
def test_the_script_computes_what_the_network_does_with_this_hosts_sums(name, made, there):
    found = made["made"][name]
    exact = found["largest_difference_from_module"] if there else found["int16_sums"]["largest_difference"]
    # Codes are the same to the last one, so FP32's rounding is all that is left.
    assert exact < 1e-5
    narrow = "7 bits" in name
    # With one scale a tensor so few sums saturate that the logits are those of exact ones: nothing tells.
    tells = not narrow and "per tensor" not in name
    assert found["int16_sums"]["saturate"] is (not there if tells else None)
    assert (found["int16_sums"]["share"] > 0) is not narrow


def test_each_field_of_the_quantizers_changes_what_is_computed(ran):
    names = [name for name in CELLS if name.startswith("static")]
    assert len({str(ran[name]["logits"]) for name in names}) == len(names)


def test_fallback_keeps_layers_and_their_attention_in_fp32(made, ran):
    assert made["made"]["static, fallback"]["quantized_layers"] == LINEARS - 5
    assert ran["static"]["executed"][2] == 0
    # IPEX joins query, key and value to one product; the products of attention are more int8 ops than the five layers.
    assert ran["static, fallback"]["executed"][2] == 3
    assert ran["static, fallback"]["executed"][0] < ran["static"]["executed"][0] - 5


def test_calibration_shows_exactly_the_chosen_training_rows(made):
    shown = made["made"]["static"]["shown"]
    assert len(shown) == len(set(shown)) == CALIBRATION.samples
    assert made["made"]["static, minmax"]["shown"] == shown
    assert made["made"]["fp32"]["shown"] == []


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (make_cell("ipex", "dynamic"), "approach.method=dynamic"),
        (make_cell("ipex", "qat"), "approach.method=qat"),
        (make_cell("ipex", "static", activation={"scheme": "symmetric"}), "approach.activation.scheme=symmetric"),
        (make_cell("ipex", "static", weight={"scheme": "affine"}), "approach.weight.scheme=affine"),
        (make_cell("ipex", "static", weight={"observer": "percentile"}), "approach.weight.observer=percentile"),
        (make_cell("ipex", "static", activation={"observer": "kl"}), "approach.activation.observer=kl"),
        (make_cell("ipex", "static", activation={"dtype": "int8"}), "approach.activation.dtype=int8"),
        (make_cell("ipex", "static", engine="onednn"), "backend.engine=onednn"),
        (make_cell("ipex", "static", precision="bf16"), "int8, not bf16"),
    ],
)
def test_what_ipex_cannot_do_is_refused_in_one_line(cell, told):
    because = backend_class("ipex").supports(cell)
    assert told in because and "\n" not in because


def test_all_other_cells_are_supported():
    assert [backend_class("ipex").supports(cell) for cell in CELLS.values()] == [None] * len(CELLS)
