"""What a person sees of a tuning while it goes on: a table on a terminal, one line a trial elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.publish.live import SHOWN_TRIALS, LiveView, PlainView, view_for
from tests.results.records import sample_records

RECIPE = {
    "method": "static",
    "activation": {"observer": "kl", "scheme": "affine", "reduce_range": False},
    "weight": {"granularity": "per_channel"},
}


def _trial(index: int, **changed):
    return sample_records.trial(index, **{"recipe": RECIPE, "status": "inaccurate", **changed})


def _failed(index: int):
    fields = {"metric": None, "latency_ns": None, "size_bytes": None, "rows": None}
    return _trial(index, status="failed", kind="oom", message="out of memory", **fields)


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)


def _shown(console: Console) -> str:
    return console.file.getvalue()


def test_elsewhere_a_trial_is_one_line():
    console = Console(file=io.StringIO(), width=160)
    view = view_for(console)
    assert isinstance(view, PlainView)
    with view:
        view.trial("tiny/ptq", _trial(3))
        view.trial("tiny/ptq", _failed(4))
    first, second = _shown(console).splitlines()
    assert "tiny/ptq: trial 3: inaccurate, accuracy -0.2500, allowed 0.2500, 4.0 ms, 1 ops fall back" in first
    assert "trial 4: failed (out of memory)" in second


def test_a_failure_of_ten_thousand_characters_is_one_line_with_its_beginning_and_end():
    console = Console(file=io.StringIO(), width=160)
    view_for(console).note(f"  tiny/ptq: failed(error): {'x' * 10_000}\nand its end")
    assert len(_shown(console)) <= 401 and _shown(console).count("\n") == 1
    assert _shown(console).startswith("  tiny/ptq: failed(error): xxx") and _shown(console).endswith("and its end\n")


def test_on_a_terminal_trials_are_a_table_that_grows_above_the_bars(terminal):
    with view_for(terminal) as view:
        assert isinstance(view, LiveView)
        view.begin("run x", 2)
        view.step(0, "prepare tiny/ptq")
        view.trial("tiny/ptq", _trial(0))
        first = _shown(terminal)
        assert "trials of tiny/ptq" in first and "kl affine, weights per_channel" in first
        assert first.rindex("trials of") < first.rindex("run")
        view.trial("tiny/ptq", _failed(1))
        assert "failed(oom)" in _shown(terminal)[len(first) :]


def test_the_table_shows_the_newest_and_at_the_end_all_stay(terminal):
    count = SHOWN_TRIALS + 3
    with view_for(terminal) as view:
        view.begin("run x", 2)
        for index in range(count):
            before = len(_shown(terminal))
            view.trial("tiny/ptq", _trial(index, fallback=(f"op{index}",)))
        newest = _shown(terminal)[before:]
        assert f"op{count - 1}" in newest and "op2 " not in newest and "op3" in newest
        before = len(_shown(terminal))
        view.step(1, "evaluate tiny/ptq")
        ended = _shown(terminal)[before:]
        assert all(f"1 fall back: op{index}" in ended for index in range(count))
        before = len(_shown(terminal))
        view.step(2, "something else")
    assert "trials of" not in _shown(terminal)[before:]


def test_trials_of_another_cell_begin_another_table(terminal):
    with view_for(terminal) as view:
        view.begin("run x", 2)
        view.trial("tiny/ptq", _trial(0, fallback=("old",)))
        view.trial("tiny/other", _trial(0, fallback=("new",)))
        newest = _shown(terminal)[_shown(terminal).rindex("trials of tiny/other") :]
        assert "new" in newest and "old" not in newest


def test_each_of_several_builds_has_a_line_of_its_own():
    console = Console(file=io.StringIO(), width=160)
    with PlainView(console) as view:
        view.building("torch", "Downloading numpy")
        view.building("ipex", "Downloading torch")
        view.building("torch", "Downloading scipy")  # within ten seconds of the last one of its own
        view.building("torch", None)
        view.progress("tokenise", 1, 2)
    assert _shown(console).splitlines() == [
        "    environment torch: Downloading numpy",
        "    environment ipex: Downloading torch",
        "    tokenise 1/2",
    ]


def test_on_a_terminal_each_of_several_builds_has_a_bar_while_it_goes_on(terminal):
    with LiveView(terminal) as view:
        view.building("torch", "Downloading [numpy]")
        view.building("ipex", "checking versions")
        both = _shown(terminal)
        assert (
            "torch: Downloading [numpy]" in both.splitlines()[-2] and "ipex: checking versions" in both.splitlines()[-1]
        )
        view.building("torch", None)
        view.building("loadgen", None)  # was there already
        view.building("ipex", "Installed")
        assert "torch" not in _shown(terminal)[len(both) :].rpartition("ipex: Installed")[0].splitlines()[-1]
