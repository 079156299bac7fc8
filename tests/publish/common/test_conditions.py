"""Threads, cores, the wait policy, pages and turns are part of a row, of its heading and of a comparison."""

from __future__ import annotations

import dataclasses
import io
import json

import pandas as pd
import pytest
from rich.console import Console

from harness.config.schema import ProtocolConfig
from harness.publish.common.heading import heading
from harness.publish.compare import records
from harness.publish.compare.comparison import comparison
from harness.publish.compare.sentences import differences
from harness.publish.table import render
from harness.publish.table.rows import rows
from harness.results import store
from harness.results.records import host_limits
from harness.stats.decisions.changes import Rule
from tests.publish.sample_run import SampleRun

HOST = {"cores": [[0, 2], [1, 3]], "affinity": [0, 1, 2, 3], "cgroup_cpus": None, "cgroup_memory_bytes": None}
FREE = {name: HOST[name] for name in host_limits.FIELDS}


def sampled(policy="PASSIVE", threads=2, ring=None, huge_pages=False) -> SampleRun:
    protocol = ProtocolConfig(name="quick", blocks=4, omp_wait_policy=policy, huge_pages=huge_pages)
    run = SampleRun(protocol=protocol)
    for name in ("fp32", "ptq_static"):
        cell = run.cell(name)
        run.accuracy(cell, run.predictions({1}))
        for block in range(4):
            run.invocation(cell, block, 9.0 + 0.01 * block, threads=threads, **({"ring": ring} if ring else {}))
    return run


def printed(lines) -> str:
    console = Console(file=io.StringIO(), width=400)
    render.show(rows(lines), heading(lines), console)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "2 threads on CPU 0-1 that sleep while they wait (OMP_WAIT_POLICY=PASSIVE), small pages, timed alone"),
        ({"policy": "ACTIVE", "threads": 1}, "1 thread on CPU 0 that spin"),
        ({"policy": "default"}, "that wait as the runtime does by default (no OMP_WAIT_POLICY)"),
        ({"ring": [0, 1], "huge_pages": True}, "huge pages, timed interleaved in groups of 2"),
    ],
)
def test_a_heading_says_under_which_conditions_its_rows_were_measured(how, words):
    lines = sampled(**how).records()
    assert words in printed(lines)
    assert words.replace("_", "\\_") in render.markdown(rows(lines), heading(lines))


def test_rings_of_several_sizes_are_the_same_conditions():
    run = sampled(ring=[0, 1])
    run.lines[-1]["ring"] = [4, 5, 6, 7]
    del run.lines[-2]["ring"]
    assert heading(run.records()).conditions.count("thread") == 1
    assert heading(run.records()).conditions.endswith(
        "small pages, timed alone or timed interleaved in groups of 2 or 4"
    )


def test_blocks_that_were_measured_again_are_said():
    run = sampled()
    run.invocation(run.cells[0], 4, 9.0)
    assert heading(run.records()).blocks == "9 invocations in 4 blocks", (
        "the baseline is measured in each interleaved group"
    )
    cell = run.cell("ptq_dynamic")
    for block in range(5):
        run.invocation(cell, block, 8.0)
    assert heading(run.records()).blocks == "14 invocations in 4 blocks and more in the place of disturbed ones"


def test_they_are_columns_of_what_is_written(tmp_path):
    lines = sampled(policy="default", ring=[3, 4]).records()
    paths = render.write(rows(lines), tmp_path, heading(lines))
    for frame in (pd.read_csv(paths[0]), pd.read_parquet(paths[2])):
        row = frame.iloc[0]
        assert (row["threads"], row["cores"], row["wait_policy"]) == (2, "0-1", "default")
        assert (bool(row["huge_pages"]), str(row["timed_with"])) == (False, "2")


def test_a_row_of_several_numbers_of_threads_has_none_and_says_that_it_is_mixed():
    run = sampled()
    run.lines[-1]["threads"], run.lines[-1]["cores"] = 1, [0]
    found = rows(run.records()).set_index("approach").loc["ptq_static"]
    assert pd.isna(found["threads"]) and found["cores"] == "0-1 or 0"
    assert "mixed of 2 threads on CPU 0-1 and 1 thread on CPU 0" in found["reason"]


def compared(tmp_path, one: SampleRun, other: SampleRun, limits=(FREE, FREE)) -> list[str]:
    runs = []
    for side, (run, of) in enumerate(zip((one, other), limits, strict=True)):
        header, *rest = run.records()
        lines = [{**header, "run": f"20261124T091500Z-sample-000{side}", "limits": of}, *rest]
        path = tmp_path / store.RUNS / f"{lines[0]['run']}.jsonl"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        runs.append(records.read(path))
    return list(differences(comparison(*runs, tmp_path, Rule()), tmp_path))


def test_a_comparison_says_which_conditions_differ(tmp_path):
    found = "\n".join(compared(tmp_path, sampled(), sampled("ACTIVE", threads=1)))
    assert "conditions: threads 2 -> 1" in found
    assert "conditions: CPUs 0-1 -> 0" in found
    assert "conditions: OMP_WAIT_POLICY PASSIVE -> ACTIVE" in found


def test_a_comparison_under_equal_conditions_says_nothing_of_them(tmp_path):
    assert not [line for line in compared(tmp_path, sampled(), sampled()) if line.startswith(("conditions", "limits"))]


def test_a_comparison_tells_a_control_groups_quota_from_fewer_cores(tmp_path):
    quota = {**FREE, "cgroup_cpus": 2.0}
    (found,) = [line for line in compared(tmp_path, sampled(), sampled(), (FREE, quota)) if line.startswith("limits")]
    assert found == "limits: CPUs of the control group no limit -> 2"


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (None, "2 cores"),
        (FREE, "2 cores"),
        ({**FREE, "affinity": [0, 2]}, "2 cores, of which 2 of 4 logical CPUs were allowed"),
        ({**FREE, "cgroup_cpus": 1.5}, "2 cores, of which a control group allowed the time of 1.5"),
    ],
)
def test_cores_of_a_host_and_what_a_run_might_use_of_them_are_told_apart(limits, text):
    assert host_limits.cores(HOST, limits) == text


def test_what_a_process_may_use_is_no_part_of_what_a_host_is():
    assert host_limits.without(HOST) == {"cores": HOST["cores"]}


def test_a_cell_that_was_not_measured_has_no_conditions():
    run = SampleRun()
    run.accuracy(run.cell("fp32"), run.predictions({1}))
    assert rows(run.records())[["threads", "cores"]].isna().all(axis=None)
    assert dataclasses.asdict(heading(run.records()))["conditions"] == ""
