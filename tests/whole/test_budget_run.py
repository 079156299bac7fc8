"""A run with a target and a budget: further blocks are paired, end with the budget, and survive a kill."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter

import pandas as pd

from harness.publish.columns.disturbances import counted
from harness.publish.common.recorded import index
from harness.results import store
from tests.whole.tiny import command, harness, variables

BLOCKS = 2
BUDGET_SECONDS = 25.0

#: A target that no invocations reach, so that the budget decides.
ARGUMENTS = (
    *("run", "suite=tiny", "approach=fp32,ptq_dynamic", "backend=eager", f"protocol.blocks={BLOCKS}"),
    *("protocol.target_half_width=0.0001", f"protocol.budget_seconds={BUDGET_SECONDS}"),
)


def _run_file(project):
    found = [path for path in store.runs(project / "results") if "budget_seconds" in path.read_text()]
    return found[0] if found else None


def _further(lines):
    return [line for line in lines if line["type"] == "invocation" and line["block"] >= BLOCKS]


def test_further_blocks_are_paired_and_end_with_the_budget_also_after_a_kill(project, cache):
    parent = subprocess.Popen(
        command(project, *ARGUMENTS), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables(cache)
    )
    end = time.monotonic() + 400
    while time.monotonic() < end and parent.poll() is None:
        path = _run_file(project)
        if path is not None and _further(store.read_run(path)):
            break
        time.sleep(0.1)
    parent.send_signal(signal.SIGKILL)
    assert parent.wait() == -signal.SIGKILL, "it ended before a further block was measured"
    path = _run_file(project)
    before = store.read_run(path)
    half = harness(project, cache, "status", path.stem)
    assert "2 left" in half.stdout, half.stdout

    finished = harness(project, cache, *ARGUMENTS)
    assert finished.returncode == 0, finished.stderr
    assert _run_file(project) == path
    lines = store.read_run(path)
    assert lines[: len(before)] == before
    assert store.is_complete(lines)

    further = _further(lines)
    cells = {cell["digest"] for cell in lines[0]["cells"]}
    blocks = Counter(line["block"] for line in further)
    assert set(blocks.values()) == {len(cells)}, blocks
    assert sorted(blocks) == list(range(BLOCKS, BLOCKS + len(blocks)))
    measured = Counter((line["cell_digest"], line["block"]) for line in lines if line["type"] == "invocation")
    assert set(measured.values()) == {1}
    orders = [line["order"] for line in lines if line["type"] == "invocation"]
    assert orders == list(range(len(orders)))
    # Those that were timed interleaved were there together.
    spent = [line["wall_seconds"] / len(line.get("ring", [0])) for line in further]
    assert sum(spent[: -len(cells)]) < BUDGET_SECONDS <= sum(spent)

    table = pd.read_csv(project / "results" / "tables" / f"{path.stem}.csv").set_index("approach")
    # A busy machine may disturb blocks of one cell or the other, whose pairs then do not count.
    counting = [set(of_cell) for of_cell in counted(index(lines)).invocations.values()]
    assert table.loc["ptq_dynamic", "speedup_pairs"] == len(set.intersection(*counting))
    assert "speed inconclusive" in table.loc["ptq_dynamic", "reason"]
    # A baseline has no speed-up. A busy machine may leave it unsteady or disturbed, which are other reasons.
    assert "speed inconclusive" not in str(table.loc["fp32", "reason"])
    status = harness(project, cache, "status", path.stem)
    assert f"{BLOCKS}+{len(blocks)}" in status.stdout, status.stdout
    assert status.returncode == 0
