"""A run goes on only on the cores that it was begun on; a wait policy of `default` is left to the runtime."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.execute.process.request import Children
from harness.execute.run import conditions
from harness.execute.run.assemble import Place, open_writer
from harness.results import store
from tests.execute.process.stand_ins import cell, this_host
from tests.results.records import sample_records

HERE = {"native": [0, 1]}


class Notes:
    def __init__(self):
        self.lines = []

    def note(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.parametrize(
    ("now", "goes_on", "words"),
    [
        (HERE, True, ""),
        ({"native": [0]}, False, "2 threads on CPU 0-1, and this process has 1 thread on CPU 0 (host=native)"),
        ({"native": [2, 3]}, False, "2 threads on CPU 0-1, and this process has 2 threads on CPU 2-3"),
        (None, False, "before runs told their cores"),
    ],
)
def test_a_run_goes_on_only_on_the_cores_that_it_was_begun_on(tmp_path, now, goes_on, words):
    store.RunWriter.create(tmp_path, sample_records.header(placements=HERE)).close()
    notes = Notes()
    new = sample_records.header(run="20261125T000000Z-quickstart-0000", placements=now)
    writer, lines = open_writer(Place(tmp_path, tmp_path), new, notes)
    writer.close()
    assert (writer.run == sample_records.RUN) == goes_on == (lines[0]["run"] == sample_records.RUN)
    assert words in notes.lines[0]


def test_what_a_process_may_use_and_where_its_cells_run_stand_in_the_header():
    host = dataclasses.replace(this_host([0]), cgroup_cpus=1.0, cores=((0,), (1,)), isolated=())
    plan = SimpleNamespace(cells=[cell()])
    assert conditions.placements(plan, host) == {"native": [0]}
    assert conditions.limits(host)["affinity"] == [0]
    assert conditions.limits(host)["cgroup_cpus"] == 1.0
    sample_records.record.check(sample_records.header(limits=conditions.limits(host), placements={"native": [0]}))


@pytest.mark.parametrize(("policy", "variable"), [("PASSIVE", "PASSIVE"), ("ACTIVE", "ACTIVE"), ("default", None)])
def test_the_runtimes_own_default_is_a_policy_too(tmp_path, policy, variable):
    of = dataclasses.replace(cell(), protocol=dataclasses.replace(cell().protocol, omp_wait_policy=policy))
    children = Children({"e": Path("python")}, this_host([0]), 2**30, tmp_path / "logs", tmp_path)
    call = children.call("measure", of, environment="e", inputs={})
    assert call.variables.get("OMP_WAIT_POLICY") == variable
