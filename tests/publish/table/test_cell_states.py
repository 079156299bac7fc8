"""``harness status`` counts the cells and blocks of a run as its table does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.__main__ import main
from harness.config.schema import ProtocolConfig
from harness.publish.table.cell_states import DONE, FAILED, LEFT, cell_states
from harness.publish.table.rows import rows
from harness.results.records import record
from harness.stats.decisions.verdict import has_failed
from tests.publish.sample_run import RUN, SampleRun
from tests.results.store_sample import store_sample

BLOCKS = 3

#: What may become of a block: it went well, failed, or is still to be measured.
_BLOCK = st.sampled_from(["well", "failed", "left"])


def run_of(cells: list[tuple[bool, bool, list[str]]], precision: str = "fp32") -> list[dict]:
    """Return the records of a run: of each cell whether it failed as a whole, was evaluated, and its blocks."""
    sample = SampleRun(protocol=ProtocolConfig(name="quick", blocks=BLOCKS))
    for number, (broken, evaluated, blocks) in enumerate(cells):
        cell = sample.cell(precision, label=f"{precision}[options.n={number}]")
        if broken:
            sample.failure(cell, "quantize", "oom", "no memory")
            continue
        sample.prepared(cell)
        if evaluated:
            sample.accuracy(cell, sample.predictions(set()))
        for block, outcome in enumerate(blocks):
            if outcome == "well":
                sample.invocation(cell, block, 10.0, throughput_ms=60.0)
            elif outcome == "failed":
                sample.failure(cell, "measure", "crash", "died by signal 11", block)
    return sample.records()


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.lists(_BLOCK, max_size=BLOCKS)), min_size=1, max_size=4))
def test_states_and_blocks_are_those_of_the_table(cells):
    lines = run_of(cells)
    shown = {row["cell_key"]: row for row in rows(lines).to_dict("records")}
    for one in cell_states(lines, complete=True):
        row = shown[one.cell]
        state = FAILED if has_failed(row["status"]) else LEFT if row["status"] == "pending" else DONE
        assert (one.state, one.measured, one.wanted) == (state, row["blocks"], row["blocks_wanted"])


def test_a_failed_block_is_no_measured_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    root = store_sample(tmp_path, run_of([(False, True, ["well", "failed", "well"])]))
    assert main(["status", RUN, "--results", str(root)]) == 0
    shown = capsys.readouterr().out
    assert "2/3, 1 failed" in shown and "1 done" in shown
    assert main(["table", RUN, "--results", str(root), "--out", "-"]) == 0
    assert "| 2/3 |" in " ".join(capsys.readouterr().out.split())


def test_two_failed_blocks_fail_the_cell_in_both(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    root = store_sample(tmp_path, run_of([(False, True, ["failed", "failed", "well"])]))
    assert main(["status", RUN, "--results", str(root)]) == 3
    assert "1 failed" in capsys.readouterr().out
    assert main(["table", RUN, "--results", str(root), "--out", "-"]) == 0
    assert "failed(crash)" in capsys.readouterr().out


@pytest.mark.parametrize(("complete", "state"), [(False, LEFT), (True, DONE)])
def test_a_budget_that_may_still_be_spent_leaves_a_cell_open(complete, state):
    sample = SampleRun(protocol=ProtocolConfig(name="quick", blocks=1, target_half_width=0.01))
    sample.measured(sample.cell("fp32"), set(), [10.0])
    (one,) = cell_states([*sample.records(), record.end("complete", {}, 1.0)], complete)
    assert (one.state, one.blocks_in_words) == (state, "1/1")
