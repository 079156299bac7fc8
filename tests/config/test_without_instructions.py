"""What a suite leaves out on hosts without some instructions is there on others, and where a person asks for it."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from harness.errors import UserError
from harness.host.describe import describe
from harness.plan.catalogue import catalogue
from harness.plan.matrix import Plan, make_plan
from harness.plan.suite import read_suite

#: What /proc/cpuinfo tells of a Zen 3, a Cooper Lake and a Sapphire Rapids.
ZEN_3 = dataclasses.replace(describe(), isa=("avx2",))
COOPER_LAKE = dataclasses.replace(ZEN_3, isa=("avx2", "avx512f", "avx512_vnni", "avx512_bf16"))
SAPPHIRE_RAPIDS = dataclasses.replace(COOPER_LAKE, isa=(*COOPER_LAKE.isa, "amx_tile", "amx_int8", "amx_bf16"))


def _plan(host, *overrides: str) -> Plan:
    return make_plan(catalogue(), ["suite=quickstart", "task=sentiment", *overrides], host)


def _approaches(plan: Plan) -> set[str]:
    return {cell.labels[2] for cell in plan.cells}


def test_quickstart_leaves_bf16_out_where_it_would_be_emulated_and_says_how_to_have_it():
    plan = _plan(ZEN_3)
    assert _approaches(plan) == {"fp32", "ptq_dynamic", "ptq_static"}
    (left,) = (item for item in plan.excluded if item.cell.labels[2:4] == ("bf16", "eager"))
    assert left.reason.kind == "excluded"
    assert "no BF16 instructions" in left.reason.because and "approach=bf16" in left.reason.because


@pytest.mark.parametrize("host", [COOPER_LAKE, SAPPHIRE_RAPIDS])
def test_quickstart_has_bf16_where_the_host_has_it(host):
    assert ("bf16", "eager") in {cell.labels[2:4] for cell in _plan(host).cells}


def test_what_a_person_asks_for_by_name_is_there(tmp_path):
    assert "bf16" in _approaches(_plan(ZEN_3, "approach=fp32,bf16"))
    values = yaml.safe_load(catalogue().suite("quickstart").read_text())
    values["axes"]["approach"] = ["fp32"]
    values["gates"] = []  # most are on approaches that are not there any more
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(values))
    assert "bf16" in _approaches(make_plan(catalogue(), [f"suite={tmp_path / 'own.yaml'}", "+approach=bf16"], ZEN_3))


def test_asking_for_another_axis_by_name_does_not_ask_for_bf16():
    assert "bf16" not in _approaches(_plan(ZEN_3, "backend=eager", "model=minilm", "approach.calibration.samples=50"))


def test_what_no_host_runs_stays_out_also_where_bf16_is_asked_for():
    plan = _plan(ZEN_3, "approach=fp32,bf16")
    (left,) = (item for item in plan.excluded if item.cell.labels[2:4] == ("bf16", "fx"))
    assert left.reason.because.startswith("FX graph mode runs the same float kernels")


def _suite(tmp_path, **exclusion):
    path = tmp_path / "own.yaml"
    values = yaml.safe_load(catalogue().suite("quickstart").read_text())
    values["exclude"] = [{"match": {"approach": "ptq_dynamic"}, "because": "why", **exclusion}]
    path.write_text(yaml.safe_dump(values))
    return path


def test_an_unknown_flag_is_one_line_with_the_nearest(tmp_path):
    with pytest.raises(UserError) as error:
        read_suite(_suite(tmp_path, without=["avx512_bf61"]))
    assert str(error.value).endswith("exclude: without: no instruction set 'avx512_bf61'; did you mean 'avx512_bf16'?")


def test_a_suite_without_such_a_field_keeps_its_identity(tmp_path):
    plain = read_suite(_suite(tmp_path)).digest
    assert read_suite(_suite(tmp_path, without=[])).digest == plain
    assert read_suite(_suite(tmp_path, without="amx_bf16")).digest != plain
