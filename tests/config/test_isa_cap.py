"""A ceiling reaches the processes it is for, is refused where it cannot be had, and is believed by kernels alone."""

from __future__ import annotations

import dataclasses

import pytest

from harness.config import isa_cap
from harness.config.schema import ISA_CEILINGS, BackendConfig, HostConfig
from harness.errors import StageError, UserError
from harness.execute.artefacts.keys import stage_keys
from harness.host.describe import describe
from harness.plan.catalogue import catalogue
from harness.plan.domains import check_domains
from harness.plan.matrix import make_plan

#: What /proc/cpuinfo tells of a Skylake-SP, and of a Sapphire Rapids.
SKYLAKE = dataclasses.replace(describe(), isa=("avx2", "avx512f"))
SAPPHIRE_RAPIDS = dataclasses.replace(
    SKYLAKE, isa=(*SKYLAKE.isa, "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16")
)

QUICK = ["suite=quickstart", "task=sentiment", "approach=fp32", "backend=eager"]


def capped(isa):
    (cell,) = make_plan(catalogue(), [*QUICK, f"host.isa={isa}"], SAPPHIRE_RAPIDS).cells
    return cell


def test_ceilings_are_an_axis_by_field_and_by_option():
    by_field = make_plan(catalogue(), [*QUICK, "host.isa=native,avx512_core_vnni,avx512_core,avx2"], SAPPHIRE_RAPIDS)
    by_option = make_plan(catalogue(), [*QUICK, "host=native,avx512_core_vnni,avx512_core,avx2"], SAPPHIRE_RAPIDS)
    wanted = [None, "avx512_core_vnni", "avx512_core", "avx2"]
    assert [isa_cap.ceiling(cell.host) for cell in by_field.cells] == wanted
    assert [isa_cap.ceiling(cell.host) for cell in by_option.cells] == wanted
    assert [cell.group for cell in by_option.cells] == list(dict.fromkeys(cell.group for cell in by_option.cells))


def test_a_ceiling_above_the_host_is_left_out_with_its_reason():
    plan = make_plan(catalogue(), [*QUICK, "host=native,avx512_core_vnni,avx512_core,avx2"], SKYLAKE)
    assert [cell.labels[5] for cell in plan.cells] == ["native", "avx512_core", "avx2"]
    (left,) = (item for item in plan.excluded if item.cell.labels[5] == "avx512_core_vnni")
    assert left.reason.because == (
        "host.isa=avx512_core_vnni: this host has no avx512_vnni, so it is below that ceiling already"
    )


def test_a_backend_that_cannot_be_capped_says_why():
    plan = make_plan(
        catalogue(), ["suite=feature_matrix", "task=sentiment", "approach=fp32", "host=native,avx2"], SAPPHIRE_RAPIDS
    )
    (left,) = (item for item in plan.excluded if item.cell.labels[3:6:2] == ("onnxruntime", "avx2"))
    assert left.reason.kind == "unsupported"
    assert "MLAS" in left.reason.because
    assert any(cell.labels[3:6:2] == ("onnxruntime", "native") for cell in plan.cells)


def test_a_wrong_name_is_one_line_with_the_nearest():
    with pytest.raises(UserError, match=r"host.isa=avx512_vnni: .*did you mean 'avx512_core_vnni'"):
        make_plan(catalogue(), [*QUICK, "host.isa=avx512_vnni"], SAPPHIRE_RAPIDS)
    with pytest.raises(UserError, match=r"backend.isa_variables: no ceiling 'avx512_cor'; did you mean 'avx512_core'"):
        check_domains(BackendConfig(name="x", environment="y", isa_variables={"avx512_cor": {}}), "backend")


def test_variables_are_those_of_the_ceiling_alone():
    assert isa_cap.variables(capped("native")) == {}
    assert isa_cap.variables(capped("avx2"))["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert isa_cap.variables(capped("avx512_core"))["ONEDNN_MAX_CPU_ISA"] == "AVX512_CORE"


def test_what_cells_share_is_shared_under_a_ceiling_and_the_rest_is_not():
    def keys(isa):
        return stage_keys(capped(isa), locks={"torch": "lock"}, host="h", cores=2, contents=(None, None))

    (plain,) = make_plan(catalogue(), QUICK).cells
    assert keys("native") == stage_keys(plain, locks={"torch": "lock"}, host="h", cores=2, contents=(None, None))
    found = [keys(isa) for isa in ("native", *ISA_CEILINGS)]
    assert len({(one.tokenise, one.finetune) for one in found}) == 1
    assert len({one.artefact for one in found}) == len({one.evaluate for one in found}) == len(found)


def test_variables_of_another_ceiling_change_no_artefact():
    cell = capped("avx2")
    others = {**cell.backend.isa_variables, "avx512_core": {"A": "1"}}
    changed = dataclasses.replace(cell, backend=dataclasses.replace(cell.backend, isa_variables=others))
    one, other = (
        stage_keys(each, locks={"torch": "lock"}, host="h", cores=2, contents=(None, None)) for each in (cell, changed)
    )
    assert one == other


@pytest.mark.parametrize(
    ("kernel", "highest"),
    [
        ("matmul brg_matmul:avx512_core_vnni u8xs8", "avx512_core_vnni"),
        ("inner_product brgemm:avx512_core_amx u8xs8", "avx512_core_amx"),
        ("inner_product gemm:jit:avx2 f32xf32", "avx2"),
        ("matmul brg_matmul:avx10_1_512_amx f32xf32", "avx10_1_512_amx"),
        ("matmul brg_matmul:avx10_1_512 f16xf16", "avx10_1_512"),
        ("matmul brg_matmul:avx10_2_amx_2 f16xf16", "avx10_2_amx_2"),
        ("FullyConnected brgemm_avx512_I8", "avx512"),
        ("FullyConnected brgemm_avx512_amx_I8", "avx512_amx"),
        ("FullyConnected brgemm_avx512_BF16", "avx512"),
        ("Subgraph jit_avx2_FP32", "avx2"),
        ("MatMul brgemm_avx2_vnni_2_I8", "avx2_vnni_2"),
        ("FullyConnected jit_gemm_I8", None),
        ("quantized::linear (int8)", None),
        ("ATen DEFAULT", None),
    ],
)
def test_instruction_sets_are_read_from_the_names_of_kernels(kernel, highest):
    assert isa_cap.highest([kernel]) == highest


@pytest.mark.parametrize("isa", ISA_CEILINGS)
def test_a_ceiling_fails_by_what_ran_above_it_and_by_nothing_below(isa):
    ladder = ("avx2", "avx512_core", "avx512_core_vnni", "avx512_core_bf16", "avx512_core_amx")
    cell = capped(isa)
    for place, name in enumerate(ladder):
        kernels = {"matmul jit:avx2": 1, f"matmul brg:{name} u8xs8": 3, "aten::bmm (fp32)": 2}
        if place <= ladder.index(isa):
            isa_cap.require_held(cell, kernels)
            continue
        with pytest.raises(StageError, match=f"host.isa={isa}: ran above it: matmul brg:{name}") as caught:
            isa_cap.require_held(cell, kernels)
        assert caught.value.kind == "isa_ceiling"


def test_a_ceiling_that_no_kernel_speaks_of_is_not_taken_on_trust():
    isa_cap.require_held(capped("native"), {"MatMul": 3})
    with pytest.raises(StageError, match="no kernel that ran tells its instruction set"):
        isa_cap.require_held(capped("avx2"), {"MatMul": 3})


def test_a_kernel_that_no_variable_caps_fails_the_ceiling_whatever_the_others_tell():
    kernels = {"FullyConnected gemm_mlas_f32": 31, "FullyConnected brgemm_avx2_f32": 7}
    isa_cap.require_held(capped("native"), kernels)
    with pytest.raises(StageError, match="no variable caps the library of FullyConnected gemm_mlas_f32"):
        isa_cap.require_held(capped("avx2"), kernels)


def test_a_label_never_passes_a_ceiling_off_as_a_host():
    assert isa_cap.label("native", None) == isa_cap.label("native", "native") == "native"
    assert isa_cap.label("avx2", "avx2") == "avx2 ceiling"
    assert isa_cap.label("native[isa=avx2]", "avx2") == "native[isa=avx2] (avx2 ceiling)"
    assert isa_cap.ceiling(HostConfig(name="native", isa="native")) is None
