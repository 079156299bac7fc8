"""The file of A/As: what is appended is read back, the newest floor counts, and damage is passed over."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UserError
from harness.results import aa


def entry(**changed: Any) -> dict[str, Any]:
    """Return an entry with fields of your own in the place of the sample's."""
    return {
        **{"time": "2026-11-24T17:00:00Z", "host": "9c2f", "runs": ["a", "b"], "suite": "tiny"},
        **{"harness": {"version": "0.1.0"}, "environments": {"torch": "0" * 16}, "pairs": 12, "left_out_pairs": 1},
        **{"alpha": 0.05, "margin": 0.02, "comparisons": 4, "false_alarms": 1, "false_verdicts": 0},
        **{"deviation_log": 0.01, "smallest_change": 0.009, "floor": 0.012, "floors": {}, "drift": 0.03, "cells": []},
        **changed,
    }


def test_the_newest_floor_of_the_host_counts(tmp_path):
    assert aa.floor_of(tmp_path, "9c2f", "latency") is None
    aa.append(tmp_path, entry(floor=0.03))
    path = aa.append(tmp_path, entry(floor=0.012))
    aa.append(tmp_path, entry(floor=None, smallest_change=None, deviation_log=None))
    aa.append(tmp_path, entry(host="other", floor=0.5))
    assert path == tmp_path / "aa" / "9c2f.jsonl"
    assert aa.floor_of(tmp_path, "9c2f", "latency") == 0.012
    assert [one["floor"] for one in aa.read(tmp_path, "9c2f")] == [0.03, 0.012, None]


def test_a_line_that_a_killed_writer_left_costs_that_line_only(tmp_path):
    path = aa.append(tmp_path, entry())
    with path.open("ab") as stream:
        stream.write(b'{"time": "2026')
    assert aa.floor_of(tmp_path, "9c2f", "latency") == 0.012
    aa.append(tmp_path, entry(floor=0.02))
    assert aa.floor_of(tmp_path, "9c2f", "latency") == 0.02 and len(aa.read(tmp_path, "9c2f")) == 2


@pytest.mark.parametrize("changed", [{"floor": "much"}, {"further": 1}, {"pairs": None}])
def test_what_is_no_entry_is_not_written(tmp_path, changed):
    with pytest.raises(ValueError, match=next(iter(changed))):
        aa.append(tmp_path, entry(**changed))
    assert not (tmp_path / "aa").exists()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "aa").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        aa.append(tmp_path, entry())


def test_a_series_that_is_known_on_its_own_has_its_own_floor(tmp_path):
    aa.append(tmp_path, entry(floor=0.04, floors={"latency": 0.01}))
    assert aa.floor_of(tmp_path, "9c2f", "latency") == 0.01
    assert aa.floor_of(tmp_path, "9c2f", "throughput") == 0.04
