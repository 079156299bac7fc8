"""Confirmations outlive the process that wrote them, and damaged lines harm no other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.results import confirmations
from harness.results.confirmations import Confirmation

ONE = Confirmation(
    time="2026-11-24T12:00:00Z",
    cell="minilm/sentiment",
    metric="latency",
    before="run1",
    after="run2",
    runs=("run3", "run4"),
    pairs=12,
    verdict="slower",
    because="",
    ratio=1.03,
    low=1.02,
    high=1.04,
)
NONE = dataclasses.replace(ONE, verdict="inconclusive", because="no pairs", ratio=None, low=None, high=None, runs=())


def test_what_is_appended_is_read_in_its_order_for_its_machine(tmp_path: Path) -> None:
    for one in (ONE, NONE, ONE):
        path = confirmations.append(tmp_path, "m1", one)
    assert path == tmp_path / "confirmations" / "m1.jsonl"
    assert confirmations.read(tmp_path, "m1") == [ONE, NONE, ONE]
    assert confirmations.read(tmp_path, "m2") == []


@pytest.mark.parametrize("rubbish", [b"{", b"[]\n", b'{"time": "x"}\n', b"\xff\xfe", b'{"pairs": "12"}'])
def test_a_line_that_is_none_is_passed_over_and_spoils_no_later_one(tmp_path: Path, rubbish: bytes) -> None:
    path = confirmations.append(tmp_path, "m1", ONE)
    with path.open("ab") as stream:
        stream.write(rubbish)
    confirmations.append(tmp_path, "m1", NONE)
    assert confirmations.read(tmp_path, "m1") == [ONE, NONE]


def test_a_field_of_another_type_is_no_confirmation(tmp_path: Path) -> None:
    path = confirmations.append(tmp_path, "m1", ONE)
    path.write_text(path.read_text().replace('"pairs":12', '"pairs":true'))
    assert confirmations.read(tmp_path, "m1") == []


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "confirmations").write_text("in the way")
    with pytest.raises(UserError, match=r"m1\.jsonl: cannot be written"):
        confirmations.append(tmp_path, "m1", ONE)
