"""What a host's instruction sets leave out of a plan, and what is said of sums that saturate, on made hosts."""

from __future__ import annotations

import dataclasses

import pytest

from harness.backends.base import backend_class
from harness.config import instructions
from harness.config.schema import HostConfig
from harness.host.describe import ISA_FLAGS, describe
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan
from harness.publish.columns.saturation import note

ZEN_3 = ("avx2",)
SKYLAKE = ("avx2", "avx512f")
ICE_LAKE = (*SKYLAKE, "avx512_vnni")
ALDER_LAKE = ("avx2", "avx_vnni")

FLOAT = ["suite=feature_matrix", "task=sentiment", "approach=fp32,bf16"]
BF16_BELOW_AVX512 = {"eager", "fx"}
BF16_ANYWHERE = BF16_BELOW_AVX512 | {"ipex", "pt2e", "openvino", "tensorflow", "intel_tensorflow", "itex"}


def on(isa):
    return dataclasses.replace(describe(), isa=isa)


@pytest.mark.parametrize(
    ("isa", "backends"),
    [(ZEN_3, BF16_BELOW_AVX512), (ALDER_LAKE, BF16_BELOW_AVX512), (SKYLAKE, BF16_ANYWHERE), (ISA_FLAGS, BF16_ANYWHERE)],
)
def test_bf16_is_planned_where_the_runtime_has_kernels_for_it(isa, backends):
    plan = make_plan(catalogue(), FLOAT, on(isa))
    assert {cell.backend.name for cell in plan.cells if cell.approach.method == "cast"} == backends
    left = {item.cell.backend.name: item.reason for item in plan.excluded if item.cell.approach.method == "cast"}
    assert all(reason.kind == "unsupported" and "\n" not in reason.because for reason in left.values())
    for name in BF16_ANYWHERE - backends:
        assert left[name].because.endswith("this host has none of avx512f, avx512_bf16, amx_bf16")


def test_a_ceiling_takes_the_instructions_above_it_away():
    native, capped = (HostConfig(name="x", isa=isa) for isa in ("native", "avx2"))
    assert instructions.effective(native, ISA_FLAGS) == ISA_FLAGS
    assert instructions.effective(capped, ISA_FLAGS) == ZEN_3
    assert instructions.effective(HostConfig(name="x", isa="avx512_core_vnni"), ISA_FLAGS) == ICE_LAKE
    plan = make_plan(catalogue(), [*FLOAT, "backend=eager,openvino", "host=native,avx2"], on(ISA_FLAGS))
    ran = {(cell.backend.name, cell.labels[5]) for cell in plan.cells if cell.approach.method == "cast"}
    assert ran == {("eager", "native"), ("openvino", "native"), ("eager", "avx2")}


DYNAMIC = [
    *("suite=feature_matrix", "task=sentiment", "backend=openvino", "approach=fp32,ptq_dynamic"),
    *("approach.activation.dtype=int8", "approach.activation.scheme=symmetric"),
    "approach.activation.granularity=per_channel",
]


@pytest.mark.parametrize(("isa", "runs"), [(ZEN_3, False), (SKYLAKE, False), (ICE_LAKE, True), (ALDER_LAKE, True)])
def test_openvinos_dynamic_quantization_is_planned_with_vnni_only(isa, runs):
    plan = make_plan(catalogue(), DYNAMIC, on(isa))
    assert any(cell.approach.method == "dynamic" for cell in plan.cells) is runs


def _entry(backend, *fields):
    overrides = ["suite=feature_matrix", "task=sentiment", f"backend={backend}", "approach=ptq_static", *fields]
    plan = make_plan(catalogue(), [*overrides, "approach.activation.observer=minmax"], on(ISA_FLAGS))
    return plan.cells[0].to_dict()


@pytest.mark.parametrize(
    ("backend", "offered"),
    [
        *((name, "activation") for name in ("fx", "ipex", "pt2e")),
        *((name, "weight") for name in ("onnxruntime", "openvino")),
    ],
)
def test_a_row_that_may_saturate_says_so_and_offers_the_field_that_its_backend_has(backend, offered):
    said = note(_entry(backend), ZEN_3, {})
    assert said == (
        "sums of 8-bit products may saturate here, without VNNI; "
        f"approach.{offered}.reduce_range=true keeps them in range"
    )
    assert note(_entry(backend), ICE_LAKE, {}) is None and note(_entry(backend), None, {}) is None


def test_a_row_with_7_bits_has_nothing_to_say():
    assert note(_entry("fx", "approach.activation.reduce_range=true"), ZEN_3, {}) is None


def test_tensorflow_has_no_field_to_offer():
    overrides = ["suite=feature_matrix", "task=sentiment", "backend=tensorflow", "approach=ptq_static_tensor"]
    entry = make_plan(catalogue(), overrides, on(ISA_FLAGS)).cells[0].to_dict()
    assert note(entry, SKYLAKE, {}) == "sums of 8-bit products may saturate here, without VNNI"


def test_what_was_seen_goes_before_what_may_be():
    seen = {"int16_sums": {"saturate": True, "share": 0.00125, "largest_difference": 1e-7}}
    assert note(_entry("ipex"), ZEN_3, seen) == (
        "sums of 8-bit products saturate here, without VNNI (0.12 % of them on a probe); "
        "approach.activation.reduce_range=true keeps them in range"
    )


def test_unknown_instructions_leave_nothing_out():
    cells = make_plan(catalogue(), FLOAT, on(ISA_FLAGS)).cells
    assert all(backend_class(cell.backend.name).supports(cell) is None for cell in cells)


def test_a_record_of_code_with_other_fields_has_nothing_to_say():
    entry = _entry("fx")
    assert note({**entry, "approach": {**entry["approach"], "gone": 1}}, ZEN_3, {}) is None
