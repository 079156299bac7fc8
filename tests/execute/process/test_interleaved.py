"""Real children that are timed interleaved: never two at the same time, and none left behind whatever one does."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from harness.execute.process import interleaved as module
from harness.execute.process.interleaved import launch_interleaved, pipes
from harness.execute.process.request import Children
from tests.execute.process.stand_ins import cell, entry, is_gone, this_host

#: A stage whose threads spin on after each turn, as those of some runtimes do, and which tells when it was at work.
_STAGE = """
import os, pathlib, signal, subprocess, threading, time
from harness.worker.timing import interleave

def run(spec, cell, report):
    options = spec["options"]
    place = options["place"]
    pathlib.Path(options["folder"], f"{{place}}.pid").write_text(str(os.getpid()))
    spun = [0.0]
    def spin():
        while True:
            spun[0] = time.monotonic()
    threading.Thread(target=spin, daemon=True).start()
    {before}
    spans = []
    with interleave.of(options) as turns:
        report.ready()
        turns.begin()
        least = turns.agree(10 - place)
        for number in range(4):
            with turns.turn():
                begin = time.monotonic()
                seen = []
                while time.monotonic() < begin + 0.05:
                    seen.append(spun[0])
                {during}
                spans.append([begin, time.monotonic()])
        turns.end()
    return {{"least": least, "spans": spans, "memory": spec["memory_limit_bytes"]}}
"""

CORES = sorted(os.sched_getaffinity(0))


def _run(folder: Path, before: str = "pass", during: str = "pass", variants: int = 2) -> dict:
    python = entry(folder, _STAGE.format(before=before, during=during))
    children = Children({"e": python}, this_host(CORES), 4 * 2**30, folder / "logs", folder / "cache")
    with pipes(variants, seconds=1.0, least=4) as ends:
        options = [{"folder": str(folder), "place": place, "turns": end} for place, end in enumerate(ends)]
        calls = [
            children.call("measure", cell(), environment="e", inputs={}, options=one, share=variants) for one in options
        ]
        return launch_interleaved(calls, time_limit_seconds=30)


def _pids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in folder.glob("*.pid")]


@pytest.mark.parametrize("variants", [2, 4])
def test_turns_alternate_and_do_not_overlap(tmp_path, variants):
    outcomes = _run(tmp_path, variants=variants)
    places = list(range(variants))
    assert [outcomes[place].status for place in places] == ["ok"] * variants
    merged = sorted((*span, place) for place in places for span in outcomes[place].values["spans"])
    assert [variant for *_, variant in merged] == places * 4
    assert all(end <= begin for (_, end, _), (begin, _, _) in itertools.pairwise(merged))
    assert {outcomes[place].values["least"] for place in places} == {10 - places[-1]}
    assert sum(outcome.values["memory"] for outcome in outcomes.values()) <= 4 * 2**30
    assert len(_pids(tmp_path)) == variants and all(is_gone(pid) for pid in _pids(tmp_path))


@pytest.mark.parametrize(
    ("before", "during", "variant", "kind"),
    [
        ("if place == 0: os.kill(os.getpid(), signal.SIGKILL)", "", 0, "crash"),
        ("if place == 1: import no_such_framework", "", 1, "import_error"),
        # While it holds the other stopped.
        ("", "if place == 1 and number == 2: os.kill(os.getpid(), signal.SIGKILL)", 1, "crash"),
        ("", "if place == 0 and number == 1: raise FloatingPointError('logits')", 0, "nan"),
    ],
    ids=["killed before", "no import", "killed in its turn", "not finite"],
)
def test_one_that_fails_is_the_only_outcome_and_none_is_left(tmp_path, before, during, variant, kind):
    outcomes = _run(tmp_path, before or "pass", during or "pass")
    assert {place: outcome.status for place, outcome in outcomes.items()} == {variant: kind}
    assert _pids(tmp_path) and all(is_gone(pid) for pid in _pids(tmp_path))


def test_a_python_that_is_not_there_is_an_environment_that_fails(tmp_path):
    children = Children({"e": tmp_path / "none"}, this_host(CORES), 2**30, tmp_path / "logs", tmp_path / "cache")
    with pipes(2, seconds=1.0, least=4) as ends:
        calls = [children.call("measure", cell(), environment="e", inputs={}, options={"turns": end}) for end in ends]
        outcomes = launch_interleaved(calls, time_limit_seconds=30)
    assert {place: outcome.status for place, outcome in outcomes.items()} == {0: "environment"}


def test_an_interruption_ends_them_all(tmp_path, monkeypatch):
    def interrupted(listening):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_heard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path)
    assert len(_pids(tmp_path)) == 2 and all(is_gone(pid) for pid in _pids(tmp_path))
