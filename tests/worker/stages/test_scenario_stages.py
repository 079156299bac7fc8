"""The scenarios of a tiny real model, in the children and environments that a run has."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config.schema import ScenarioConfig
from harness.execute.process.request import Children
from harness.execute.run import scenarios
from harness.results.records import record
from harness.worker.stages.measure import choose
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.torch_tiny import CELLS, make_rows
from tests.execute.process.stand_ins import this_host

pytestmark = [pytest.mark.backend("torch"), pytest.mark.alone]

_MAKE = program_text(__file__, "scenario_stages_make")

CORES = tuple(sorted(os.sched_getaffinity(0))[:2])


@pytest.fixture(scope="module")
def what(tmp_path_factory: pytest.TempPathFactory) -> scenarios.Measured:
    folder = tmp_path_factory.mktemp("scenario")
    run_in(environment_python("torch"), _MAKE, folder)
    make_rows(40, 2).save(folder / "evaluation.npz")
    facts = {"kind": "classification", "labels": ["a", "b"], "max_length": 24}
    (folder / "task.json").write_text(json.dumps(facts))
    return scenarios.Measured(folder / "artefact", folder, 0)


@pytest.fixture
def children(tmp_path: Path) -> Children:
    pythons = {name: environment_python(name) for name in ("torch", "loadgen")}
    return Children(pythons, this_host(CORES), 8 * 2**30, tmp_path / "logs", tmp_path / "cache")


def _measure(children: Children, what: scenarios.Measured, name: str, **fields: Any) -> dict[str, Any]:
    protocol = {"lengths": fields.pop("lengths", "padded"), "throughput_batch_size": 4, "warmup_max_seconds": 0.2}
    scenario = ScenarioConfig(**{"seconds": 0.3, "server_probes": 3, **fields})
    cell = CELLS["fp32 eager"]
    cell = dataclasses.replace(cell, protocol=dataclasses.replace(cell.protocol, scenario=scenario, **protocol))
    values = scenarios.measure(children, cell, name, what)
    line = record.scenario(cell=cell.key, cell_digest="d", artefact="a", block=0, scenario=name, **values)
    return json.loads(record.encode(line))


def test_a_single_stream_of_texts_of_their_own_lengths(children, what):
    found = _measure(children, what, "single_stream", lengths="real")
    assert found["valid"] and found["generator"] == "mlcommons-loadgen 6.0.17"
    (probe,) = found["probes"]
    assert len(probe["latency_ns"]) >= 64
    for one in found["percentiles"]:
        assert one["latency_ns"] == probe["loadgen"][f"result_{100 * one['percentile']:.2f}_percentile_latency_ns"]
    assert [one["percentile"] for one in found["percentiles"]] == [0.5, 0.9, 0.95, 0.99]
    batches = choose(make_rows(40, 2), 1, None, 0, 0, len(found["tokens"]))
    assert found["sequence_length"] is None
    assert found["tokens"] == [batch["attention_mask"].sum() for batch in batches]
    assert len(set(found["tokens"])) > 5


def test_a_server_has_the_highest_rate_that_was_valid_and_none_where_none_can_be(children, what):
    found = _measure(children, what, "server", server_limit_ms=1000.0)
    assert found["valid"] and 1 <= len(found["probes"]) <= 3
    assert found["per_second"] == max(one["target_per_second"] for one in found["probes"] if one["valid"])
    # Words of our own for what LoadGen calls valid: enough of the queries were answered within the limit.
    for probe in found["probes"]:
        within = np.mean(np.array(probe["latency_ns"]) <= found["limit_ns"])
        assert not probe["valid"] or within >= found["percentile"]
    assert found["sequence_length"] == 24 and found["tokens"] == []
    impossible = _measure(children, what, "server", server_limit_ms=0.001)
    assert not impossible["valid"] and impossible["per_second"] is None
    assert [probe["valid"] for probe in impossible["probes"]] == [False]


def test_offline_instances_are_pinned_apart_and_their_rows_are_added_up(children, what):
    if len(CORES) < 2:
        pytest.fail("want two cores to pin two instances to")
    found = _measure(children, what, "offline", offline_growth=0.0, offline_cores=(2, 1))
    shapes = [(one["instances"], one["cores_per_instance"]) for one in found["layouts"]]
    assert shapes == [(1, 2), (1, 1), (2, 1)]
    pinned = [series["cores"] for series in found["layouts"][2]["series"]]
    assert sorted(pinned) == [[core] for core in CORES]
    for layout in found["layouts"]:
        # All were at work in the window, so what they did in all of their time bounds it from above.
        rows = sum(4 * len(series["latency_ns"]) for series in layout["series"])
        assert 0 < layout["per_second"] * layout["window_seconds"] <= rows * (1 + 1e-9)
    assert found["per_second"] == max(layout["per_second"] for layout in found["layouts"])
    assert found["valid"] and found["system"] is None
