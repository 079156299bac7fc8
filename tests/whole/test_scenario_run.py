"""Scenarios in a whole run: recorded beside the invocations, shown in the table, and not measured twice."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from harness.config.schema import HostConfig
from harness.host.describe import describe
from harness.host.placement import place
from harness.results import store
from tests.whole.tiny import harness

pytestmark = pytest.mark.alone

_ONE_CELL = (
    *("run", "suite=tiny", "approach=fp32", "backend=eager", "protocol.blocks=1"),
    *(
        "protocol.scenarios=[offline,server]",
        "protocol.scenario.seconds=0.1",
        "protocol.scenario.server_limit_ms=0.001",
    ),
)


@pytest.mark.backend("torch")
def test_an_interrupted_run_measures_only_the_scenarios_that_it_lacks(project, cache):
    before = set(store.runs(project / "results"))
    finished = harness(project, cache, *_ONE_CELL)
    assert finished.returncode == 0, finished.stderr
    (path,) = set(store.runs(project / "results")) - before
    lines = store.read_run(path)
    assert [line["type"] for line in lines][-4:] == ["invocation", "scenario", "scenario", "end"]
    offline, server = (line for line in lines if line["type"] == "scenario")
    assert offline["scenario"] == "offline" and offline["valid"]
    assert server["scenario"] == "server" and not server["valid"] and server["per_second"] is None
    placed, invocation = place(HostConfig(name="native"), describe()), lines[-4]
    assert (invocation["cores"], invocation["threads"]) == (sorted(placed.cores), placed.threads)
    for told in (invocation["placement"], server["placement"], offline["layouts"][0]["series"][0]["placement"]):
        assert told["nodes"] == list(placed.nodes) and told["memory_nodes"] == list(placed.memory_nodes)
    assert lines[0]["environments"].keys() == {"torch", "loadgen"}
    table = pd.read_csv(project / "results" / "tables" / f"{path.stem}.csv")
    assert table["offline_per_s"][0] == pytest.approx(offline["per_second"]) and not table["server_valid"][0]
    assert table["placement"][0].startswith(f"{placed.threads} thread")
    # A scenario is no failure of the cell. Whether its few timed calls were steady and undisturbed is up to the host.
    assert not table["status"][0].startswith(("failed", "pending", "oom", "timeout", "inaccurate"))
    # As if it had been killed while the server was measured.
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[:-2]))
    finished = harness(project, cache, *_ONE_CELL)
    assert finished.returncode == 0, finished.stderr
    again = store.read_run(path)
    assert again[: len(lines) - 2] == lines[:-2]
    assert [line["type"] for line in again[len(lines) - 2 :]] == ["scenario", "end"]
    assert again[-2]["scenario"] == "server" and again[-2]["time"] > server["time"]
