"""The host's INT8 peak is measured once a run and set of cores, and what fails there costs a note alone."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from harness.config.schema import ApproachConfig, HostConfig
from harness.errors import StageError
from harness.execute.run import peaks
from harness.execute.run.progress import Progress, progress_so_far
from harness.results.records import record
from tests.execute.process.stand_ins import cell

VALUES = {"int8_per_second": 4e9, "size": 1024, "kernel": "x86 of torch 2", "threads": 2}


class Run:
    """What a run is to the peak: cells on cores (by the host's option), children and records."""

    def __init__(self, outcome=None):
        self.done, self.asked, self.notes, self.lines = Progress(), [], [], []
        self.outcome = outcome or (lambda cores: {**VALUES, "cores": cores})

    def cores(self, one):
        return one.host.cores or [1, 0]

    def run(self, stage, one, *, environment, inputs):
        self.asked.append((stage, environment, self.cores(one)))
        return SimpleNamespace(values=self.outcome(sorted(self.cores(one))))

    def append(self, line):
        record.check(line)
        self.lines.append(line)
        self.done.add(line)

    def progress(self, *told):
        pass

    def note(self, line):
        self.notes.append(line)

    def measure(self, *cells):
        peaks.measure(cells, self, self, self)


def planned(precision="int8", **host):
    return dataclasses.replace(
        cell(), approach=ApproachConfig(name="a", precision=precision), host=HostConfig(name="h", **host)
    )


def test_once_for_cells_of_the_same_cores_also_when_the_run_goes_on():
    run = Run()
    run.measure(planned(), planned(), planned(cores=(1,)))
    assert [cores for _, _, cores in run.asked] == [[1, 0], (1,)]
    assert {(stage, environment) for stage, environment, _ in run.asked} == {("peak", "torch")}
    assert [line["cores"] for line in run.lines] == [[0, 1], [1]]
    again = Run()
    again.done = progress_so_far(run.lines)
    again.measure(planned(), planned(cores=(1,)))
    assert again.asked == []


@pytest.mark.parametrize("one", [planned("fp32"), planned("bf16"), planned(emulated="avx2")])
def test_not_for_what_has_no_int8_or_no_speed(one):
    run = Run()
    run.measure(one)
    assert run.asked == []


def _fail(cores):
    raise StageError("import_error", "no torch")


@pytest.mark.parametrize("outcome", [_fail, lambda cores: {"cores": cores}])
def test_a_peak_that_cannot_be_had_is_said_once(outcome):
    run = Run(outcome)
    run.measure(planned(), planned())
    assert len(run.asked) == len(run.notes) == 1 and run.lines == []
    assert "peak could not be measured" in run.notes[0]
