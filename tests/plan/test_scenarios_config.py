"""Scenarios and lengths as fields of a protocol: what a plan makes of them, and what it refuses."""

from __future__ import annotations

import pytest

from harness.config.schema import ScenarioConfig
from harness.errors import UserError
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

SMALL = ("suite=quickstart", "task=sentiment", "approach=fp32", "backend=eager")


def _plan(*fields: str):
    return make_plan(catalogue(), [*SMALL, *fields])


def test_a_protocol_has_no_scenarios_and_pads_unless_it_says_so():
    (cell,) = _plan().cells
    assert (cell.protocol.scenarios, cell.protocol.scenario, cell.protocol.lengths) == ((), ScenarioConfig(), "padded")


@pytest.mark.parametrize(
    ("wanted", "environments"),
    [("[offline]", ["torch"]), ("[server]", ["torch", "loadgen"]), ("[offline,single_stream]", ["torch", "loadgen"])],
)
def test_loadgens_environment_is_built_only_for_what_it_drives(wanted, environments):
    plan = _plan(f"protocol.scenarios={wanted}")
    assert plan.environments == environments
    assert plan.cells[0].protocol.scenarios == tuple(wanted.strip("[]").split(","))


def test_batches_and_lengths_are_axes():
    plan = _plan("protocol.latency_batch_size=1,4", "protocol.sequence_length=32,64")
    assert [(cell.protocol.latency_batch_size, cell.protocol.sequence_length) for cell in plan.cells] == [
        (1, 32),
        (1, 64),
        (4, 32),
        (4, 64),
    ]
    assert [cell.protocol.lengths for cell in _plan("protocol.lengths=padded,real").cells] == ["padded", "real"]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("protocol.scenarios=[sever]", "protocol.scenarios=sever: .*did you mean 'server'"),
        ("protocol.scenarios=[server,server]", "server.server: each of them once"),
        ("protocol.lengths=ragged", "protocol.lengths=ragged: want one of padded, real"),
        ("protocol.scenario.server_percentile=90", "protocol.scenario.server_percentile=90.0: want at most"),
        ("protocol.scenario.server_limit=10", "did you mean 'server_limit_ms'"),
        ("protocol.scenario.offline_cores=[0]", "protocol.scenario.offline_cores=0: want at least 1"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_field(field, words):
    with pytest.raises(UserError, match=words) as caught:
        _plan(field)
    assert "\n" not in str(caught.value)


def test_a_length_to_pad_to_and_real_lengths_exclude_each_other():
    with pytest.raises(UserError, match=r"protocol\.sequence_length=32: it pads, and lengths=real does not"):
        _plan("protocol.lengths=real", "protocol.sequence_length=32")


def test_images_have_no_lengths_of_their_own():
    plan = make_plan(catalogue(), ["suite=vision", "approach=fp32", "backend=eager", "protocol.lengths=padded,real"])
    assert [cell.protocol.lengths for cell in plan.cells] == ["padded"]
    (left,) = [one for one in plan.excluded if one.reason.kind == "unsupported"]
    assert "all of one size" in left.reason.because


def test_the_scenario_suite_runs_every_scenario():
    plan = make_plan(catalogue(), ["suite=scenarios"])
    assert {cell.protocol.scenarios for cell in plan.cells} == {("single_stream", "server", "offline")}
    assert {(cell.approach.name, cell.backend.name) for cell in plan.cells} == {
        ("fp32", "eager"),
        ("ptq_static", "fx"),
        ("ptq_static", "openvino"),
    }
