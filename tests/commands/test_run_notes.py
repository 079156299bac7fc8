"""What ``harness run`` says of a run that is still going on."""

from __future__ import annotations

import json
from pathlib import Path

from harness.commands.run import MOST_SHOWN, _so_far
from harness.results import store
from tests.publish.sample_run import SampleRun, quickstart


def stored(folder: Path, run: SampleRun) -> Path:
    path = folder / "run.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in run.records()))
    return path


def test_each_cell_is_named_with_its_backend_and_the_fastest_comes_first(tmp_path: Path) -> None:
    line = _so_far(store.read_run(stored(tmp_path, quickstart())), 1)
    shown = ["ptq_static/fx 2.09x", "qat/fx 2.08x", "ptq_dynamic/eager 2.06x", "bf16/eager 0.91x"]
    assert line == "  after group 2: " + ", ".join(f"sentiment {one}" for one in shown)


def test_of_many_cells_the_fastest_are_named_and_the_others_counted(tmp_path: Path) -> None:
    run = SampleRun()
    run.measured(run.cell("fp32"), set(), [10.0, 10.0])
    for number in range(MOST_SHOWN + 3):
        milliseconds = 9.0 - number / 2
        run.measured(run.cell("ptq_static", "fx", label=f"ptq_{number}"), set(), [milliseconds, milliseconds])
    line = _so_far(store.read_run(stored(tmp_path, run)), 0)
    assert line.startswith(f"  after group 1: sentiment ptq_{MOST_SHOWN + 2}/fx 2.50x, ")
    assert line.endswith(", and 3 more") and line.count("sentiment") == MOST_SHOWN
