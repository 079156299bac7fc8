"""OpenVINO with NNCF, on a tiny random BERT: equal logits, the precision executed, and every field of a recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness.backends.openvino.backend import Backend
from harness.backends.openvino.precision import _read
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.exported import (
    ATTENTION_PRODUCTS,
    LINEARS,
    StageRunner,
    largest_difference,
    make_cell,
    quantizer_changes,
)
from tests.needs import ISA

DYNAMIC = {"dtype": "int8", "scheme": "symmetric", "granularity": "per_channel"}
SYMMETRIC = {"dtype": "int8", "scheme": "symmetric"}
FALLBACK = ("encoder.layer.0", "classifier")  # seven of the linear layers

CELLS = {
    "fp32": make_cell("openvino", "none", "fp32"),
    "static": make_cell("openvino", "static", "int8"),
    "bf16": make_cell("openvino", "cast", "bf16"),
    "histogram": make_cell("openvino", "static", "int8", activation={"observer": "histogram"}),
    "symmetric": make_cell("openvino", "static", "int8", activation=SYMMETRIC),
    "reduced": make_cell("openvino", "static", "int8", weight={"reduce_range": True}),
    "per_tensor": make_cell("openvino", "static", "int8", weight={"granularity": "per_tensor"}),
    "static_fallback": make_cell("openvino", "static", "int8", fallback=FALLBACK),
    "dynamic": make_cell("openvino", "dynamic", "int8", activation=DYNAMIC),
    "weight_only": make_cell("openvino", "weight_only", "fp32"),
}

#: The largest code, and the numbers of scales, of the weights of products; an embedding's are quantized otherwise.
_CODES = program_text(__file__, "openvino_codes")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> StageRunner:
    return StageRunner.open(environment_python("openvino"), tmp_path_factory.mktemp("openvino"))


@pytest.fixture(scope="module")
def made(runner: StageRunner) -> Any:
    return runner.prepare(CELLS)


@pytest.fixture(scope="module")
def ran(runner: StageRunner, made: Any) -> Any:
    return runner.run(CELLS)


@pytest.mark.backend("openvino")
@pytest.mark.parametrize(
    ("name", "kind", "products"),
    [
        ("fp32", "fp32_ops", LINEARS),
        ("static", "int8_ops", LINEARS),
        ("histogram", "int8_ops", LINEARS),
        ("symmetric", "int8_ops", LINEARS),
        ("static_fallback", "int8_ops", LINEARS - 7),
        ("weight_only", "fp32_ops", LINEARS),
    ],
)
def test_the_runtime_model_shows_the_precision_executed(ran: Any, name: str, kind: str, products: int) -> None:
    executed = ran[name]["executed"]
    # Attention's products are nodes of their own or one compiled group a layer, and static quantizes them or not.
    assert products <= executed[kind] <= products + ATTENTION_PRODUCTS
    total = executed["int8_ops"] + executed["bf16_ops"] + executed["fp32_ops"]
    assert LINEARS < total <= LINEARS + ATTENTION_PRODUCTS
    assert "runtime model" in executed["source"]


@pytest.mark.backend("openvino")
@pytest.mark.needs("avx512")
def test_bf16_runs_in_bf16_or_is_refused_where_the_runtime_falls_back_by_itself(ran: Any, there: bool) -> None:
    executed, because = ran["bf16"]["executed"], Backend.supports(CELLS["bf16"], ISA)
    if there:
        assert because is None and LINEARS <= executed["bf16_ops"] <= LINEARS + ATTENTION_PRODUCTS
    else:
        assert "computes in FP32" in because and executed["bf16_ops"] == 0
        assert ran["bf16"]["logits"] == ran["fp32"]["logits"]


@pytest.mark.backend("openvino")
@pytest.mark.needs("vnni")
def test_dynamic_runs_in_int8_or_is_refused_where_the_runtime_falls_back_by_itself(ran: Any, there: bool) -> None:
    executed, because = ran["dynamic"]["executed"], Backend.supports(CELLS["dynamic"], ISA)
    if there:
        assert because is None and LINEARS <= executed["int8_ops"] <= LINEARS + ATTENTION_PRODUCTS
    else:
        assert "multiplies in FP32" in because and executed["int8_ops"] == 0
        assert ran["dynamic"]["logits"] == ran["weight_only"]["logits"]


@pytest.mark.backend("openvino")
@pytest.mark.needs("vnni")
def test_only_the_log_tells_dynamic_quantization_from_weights_alone(ran: Any, there: bool) -> None:
    dynamic, weight_only = ran["dynamic"]["executed"], ran["weight_only"]["executed"]
    if not there:
        assert not any(name.endswith("quantizes its input") for name in dynamic["kernels"])
        return
    assert any(name.endswith("quantizes its input") for name in dynamic["kernels"])
    assert not any(name.endswith("quantizes its input") for name in weight_only["kernels"])
    assert weight_only["int8_ops"] == 0
    assert "oneDNN verbose" in dynamic["source"]
    assert ran["dynamic"]["logits"] != ran["weight_only"]["logits"]


@pytest.mark.backend("openvino")
@pytest.mark.needs("vnni")
def test_lower_precision_is_near_fp32_and_not_equal_to_it(ran: Any, there: bool) -> None:
    most = 1.0 if there else 1.5  # sums of 8-bit products saturate without VNNI
    for name in (name for name, cell in CELLS.items() if name != "fp32" and Backend.supports(cell, ISA) is None):
        difference = largest_difference(ran[name]["logits"], ran["fp32"]["logits"])
        assert 1e-4 < difference < (1.0 if name == "reduced" else most), name


@pytest.mark.backend("openvino")
def test_an_artefact_loads_without_the_packages_that_made_it(made: Any, ran: Any) -> None:
    assert not {"torch", "transformers", "nncf", "openvino_telemetry"} & set(ran["imported"])
    assert set(made["static"]["files"]) == {"model.xml", "model.bin"}
    assert made["weight_only"]["files"]["model.bin"][0] < 0.4 * made["fp32"]["files"]["model.bin"][0]


@pytest.mark.backend("openvino")
def test_weights_are_narrowed_and_scaled_as_the_recipe_says(runner: StageRunner, made: Any) -> None:
    names = ["static", "reduced", "per_tensor"]
    codes = run_in(runner.python, _CODES, runner.folder / "artefacts", names)
    assert all(codes[name]["weights"] == LINEARS for name in names)
    assert codes["static"]["largest"] in (127, 128)
    assert codes["reduced"]["largest"] in (63, 64)
    assert min(codes["static"]["scales"]) > 1
    assert codes["per_tensor"]["scales"] == [1]


ACCEPTED = {
    ("activation", "observer", "histogram"),
    ("weight", "granularity", "per_tensor"),
    ("weight", "reduce_range", True),
}


@pytest.mark.parametrize(("part", "field", "value"), quantizer_changes())
def test_a_static_field_is_applied_or_refused_by_name(part: str, field: str, value: Any) -> None:
    because = Backend.supports(make_cell("openvino", "static", "int8", **{part: {field: value}}))
    if (part, field, value) in ACCEPTED:
        assert because is None
    else:
        assert because is not None
        assert because.startswith(f"approach.{part}") and "\n" not in because


@pytest.mark.parametrize(("part", "field", "value"), quantizer_changes())
def test_weights_alone_take_one_recipe(part: str, field: str, value: Any) -> None:
    because = Backend.supports(make_cell("openvino", "weight_only", "fp32", **{part: {field: value}}))
    assert (because is None) == (part == "activation")


def test_dynamic_takes_the_range_that_the_runtime_takes() -> None:
    assert Backend.supports(CELLS["dynamic"]) is None
    for field, value in {"dtype": "uint8", "scheme": "affine", "granularity": "per_tensor"}.items():
        changed = make_cell("openvino", "dynamic", "int8", activation={**DYNAMIC, field: value})
        assert f"approach.activation.{field}" in str(Backend.supports(changed))
    odd = make_cell("openvino", "dynamic", "int8", activation=DYNAMIC, options={"group_size": 7})
    assert "group_size=7" in str(Backend.supports(odd))


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        (make_cell("openvino", "qat", "int8"), "method=qat"),
        (make_cell("openvino", "weight_only", "int8"), "weight_only executes fp32"),
        (make_cell("openvino", "static", "int8", options={"alpha": 1}), "options.alpha"),
        (make_cell("openvino", "none", "fp32", fallback=("classifier",)), "fallback"),
        (dataclasses.replace(CELLS["fp32"], tuner=dataclasses.replace(CELLS["fp32"].tuner, name="inc")), "tuner=inc"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(cell: Any, named: str) -> None:
    assert named in str(Backend.supports(cell))


def test_a_log_proves_int8_only_where_every_kernel_quantizes_its_input_and_is_a_vnni_kernel() -> None:
    line = (
        "onednn_verbose,v1,primitive,create:cache_miss,cpu,inner_product,brgemm:{isa},forward_inference,"
        "src:f32::blocked:ab::f0 wei:u8:a:blocked:AB4b32a4b::f0 bia:f32::blocked:a::f0 dst:f32::blocked:ab::f0,"
        "attr-scratchpad:user attr-scales:wei:1:f32:2::undef:384x1{group},,mb128ic384oc384,0.3"
    )
    quantizes = line.format(isa="avx512_core_vnni", group=" src_dyn_quant_group_size:32;")
    plain = line.format(isa="avx512_core", group="")
    no_vnni = line.format(isa="avx512_core", group=" src_dyn_quant_group_size:32;")
    unit = line.format(isa="avx10_1_512_amx", group=" src_dyn_quant_group_size:128;")
    assert _read(quantizes + "\n" + unit) == (
        True,
        {
            "inner_product brgemm:avx512_core_vnni quantizes its input": 1,
            "inner_product brgemm:avx10_1_512_amx quantizes its input": 1,
        },
    )
    assert not _read(quantizes + "\n" + plain)[0]
    assert not _read(no_vnni)[0]
    assert not _read("onednn_verbose,v1,info,cpu,runtime:TBB")[0]


def test_the_environment_s_lock_pins_public_versions_only() -> None:
    for name in ("openvino", "onnxruntime"):
        lines = (Path(__file__).parents[2] / "conf" / "environment" / f"{name}.txt").read_text().splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        assert pins and all(line.count("==") == 1 and "+" not in line and "@" not in line for line in pins)
