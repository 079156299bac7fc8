"""Records of one run that contradict each other: damage, each told with its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.results import store
from tests.results.records import sample_records
from tests.results.store_sample import store_sample

Lines = list[dict[str, Any]]


def line_of(lines: Lines, kind: str) -> dict[str, Any]:
    return next(line for line in lines if line["type"] == kind)


def config_of(lines: Lines, axis: str) -> dict[str, Any]:
    return next(option["config"] for option in lines[0]["options"] if option["axis"] == axis)


def second_header(lines: Lines) -> None:
    lines.append(lines[0])


def another_cells_name(lines: Lines) -> None:
    line_of(lines, "invocation")["cell"] = "no/such"


def another_cells_digest(lines: Lines) -> None:
    line_of(lines, "accuracy")["cell_digest"] = "d9"


def a_label_too_many(lines: Lines) -> None:
    line_of(lines, "accuracy")["predictions"][0] = 7


def another_batch(lines: Lines) -> None:
    line_of(lines, "invocation")["series"][1]["batch_size"] = 99


def the_same_block_twice(lines: Lines) -> None:
    lines.append({**line_of(lines, "invocation"), "order": 9})


def another_artefact(lines: Lines) -> None:
    line_of(lines, "accuracy")["artefact"] = "other"


def other_cores(lines: Lines) -> None:
    config_of(lines, "host")["cores"] = [7]


def fewer_threads(lines: Lines) -> None:
    config_of(lines, "host")["threads"] = 1
    line_of(lines, "invocation")["threads"] = 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (second_header, r"line \d+: damaged: a second header"),
        (another_cells_name, r"line \d+: damaged: cell d1 is .* in the header"),
        (another_cells_digest, r"line \d+: damaged: cell d9 is none of the run in the header"),
        (a_label_too_many, r"line \d+: damaged: predictions: want the places of 2 labels, from 0 to 1"),
        (another_batch, r"line \d+: damaged: throughput at batch 99, but the cell's protocol has batch 8"),
        (the_same_block_twice, r"line \d+: damaged: the same invocation as in line \d+; want each once"),
        (another_artefact, r"line \d+: damaged: artefact 'other', but '\w+' was prepared for cell"),
        (other_cores, r"line \d+: damaged: on cores \[0, 1\], but the cell's host names \[7\]"),
        (fewer_threads, r"line \d+: damaged: 2 threads, but the cell's host names 1"),
    ],
)
def test_what_contradicts_an_earlier_record_is_damage(
    tmp_path: Path, change: Callable[[Lines], None], words: str
) -> None:
    lines = sample_records.all_types()
    store.read_run(store.find_run(store_sample(tmp_path / "whole", lines)))
    change(lines)
    path = store.find_run(store_sample(tmp_path / "changed", lines))
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}, {words}"):
        store.read_run(path)
