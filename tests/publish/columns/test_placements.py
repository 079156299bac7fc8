"""A table says where its cells ran, what ran in AMX tiles and whose data it is; those of older runs do not change."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from harness.config.schema import SourceConfig
from harness.publish.columns import placements
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.rows import rows
from tests.publish.sample_run import SampleRun

PLACED = {
    **{"nodes": [0], "memory_nodes": [0], "bound": True, "bind_error": None},
    **{"anonymous_share": 1.0, "file_share": 0.25, "amx": None},
}

DATA = SourceConfig(path="/somewhere", licence="MIT", cite="C. Hutto & E. Gilbert, VADER | ICWSM *2014*")


def _run(*placed: dict[str, Any] | None, kernels: dict[str, int] | None = None, **task: Any) -> SampleRun:
    """Return a run of an FP32 and an INT8 cell, whose invocations tell these placements in turns."""
    run = SampleRun(**task)
    run.model = dataclasses.replace(run.model, source=SourceConfig(package="m==1", licence="Apache-2.0"))
    for approach in ("fp32", "ptq_dynamic"):
        cell = run.cell(approach)
        run.prepared(cell)
        executed = {"int8_ops": 38, "bf16_ops": 0, "fp32_ops": 6, "source": "oneDNN verbose", "kernels": kernels or {}}
        run.accuracy(cell, run.predictions({1, 2}), **({} if approach == "fp32" else {"executed": executed}))
        for block, one in enumerate(placed):
            run.invocation(cell, block, 10.0 + block, placement=one)
    return run


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "2 threads on node 0, memory bound to node 0"),
        ({"nodes": [0, 1], "memory_nodes": [0, 1]}, "2 threads on nodes 0-1, memory bound to nodes 0-1"),
        ({"anonymous_share": None}, "2 threads on node 0, memory bound to node 0"),
        ({"anonymous_share": 0.42}, "2 threads on node 0, memory bound to node 0, 42 % of it there"),
        (
            {"bound": False, "bind_error": "EPERM", "anonymous_share": None},
            "2 threads on node 0, memory not bound to node 0 (the kernel refused: EPERM)",
        ),
        ({"memory_nodes": [], "bound": False}, "2 threads on node 0, memory not bound"),
        ({"nodes": [], "memory_nodes": [], "bound": False, "anonymous_share": None}, "2 threads, memory not bound"),
    ],
)
def test_the_words_claim_no_more_than_the_record(changed, words):
    lines = _run({**PLACED, **changed}).records()
    frame = rows(lines)
    assert list(frame["placement"]) == [words] * 2
    assert words in render.markdown(frame, heading(lines)).split("###")[1].splitlines()[0]


def test_cells_that_ran_in_different_places_are_told_apart_below_the_table():
    run = _run(PLACED)
    other = run.cell("bf16")
    run.prepared(other)
    run.accuracy(other, run.predictions({1}))
    run.invocation(other, 0, 9.0, placement={**PLACED, "nodes": [1], "memory_nodes": [1]})
    frame = rows(run.records())
    (part,) = render.parts(frame, heading(run.records()))
    assert "threads" not in part.title
    assert part.sentences[-2:] == [
        "2 threads on node 0, memory bound to node 0: fp32/eager, ptq_dynamic/eager.",
        "2 threads on node 1, memory bound to node 1: bf16/eager.",
    ]


def test_an_invocation_that_was_not_bound_is_not_hidden_by_one_that_was():
    frame = rows(_run(PLACED, {**PLACED, "bound": False, "bind_error": "EPERM"}).records())
    assert frame["placement"][0] == (
        "2 threads on node 0, memory bound to node 0; "
        "2 threads on node 0, memory not bound to node 0 (the kernel refused: EPERM)"
    )


def test_a_run_that_tells_no_placement_has_neither_the_column_nor_the_lines():
    lines = _run(None, source=DATA).records()
    frame = rows(lines)
    assert not {*placements.COLUMNS, *placements.TILE_COLUMNS}.intersection(frame)
    assert heading(lines).sources == ()
    assert "VADER" not in render.markdown(frame, heading(lines))


def test_data_and_models_stand_below_the_table_with_licence_and_citation(tmp_path: Path):
    lines = _run(PLACED, source=DATA).records()
    frame, above = rows(lines), heading(lines)
    assert above.sources == (
        "data: sentiment (MIT; cite C. Hutto & E. Gilbert, VADER | ICWSM *2014*)",
        "model: minilm (Apache-2.0)",
    )
    text = render.markdown(frame, above)
    assert text.splitlines()[-2:] == [
        "- data: sentiment (MIT; cite C. Hutto & E. Gilbert, VADER \\| ICWSM \\*2014\\*)",
        "- model: minilm (Apache-2.0)",
    ]
    stream = io.StringIO()
    render.show(frame, above, Console(file=stream, width=100))
    assert "data: sentiment (MIT; cite C. Hutto & E. Gilbert, VADER | ICWSM *2014*)" in stream.getvalue()
    unknown = _run(PLACED, source=SourceConfig(path="/my/data")).records()
    assert heading(unknown).sources[0] == "data: sentiment (licence not stated)"


def test_what_ran_in_tiles_stands_beside_what_ran(tmp_path: Path):
    kernels = {"matmul brg_matmul:avx10_1_512_amx u8xs8": 30, "matmul brg_matmul:avx10_1_512 f32xf32": 6}
    lines = _run(PLACED, kernels=kernels).records()
    frame = rows(lines)
    assert frame["amx_int8_ops"][1] == 30 and frame["amx_bf16_ops"][1] == 0
    assert pd.isna(frame["amx_int8_ops"][0])
    text = render.markdown(frame, heading(lines))
    assert "38 int8 (30 AMX) 6 fp32" in text
    assert "multiply in tiles" in text
    (csv, *_) = render.write(frame, tmp_path, heading(lines))
    assert csv.read_text().splitlines()[0].endswith(",placement,amx_int8_ops,amx_bf16_ops")
    assert "amx_int8_ops" not in rows(_run(PLACED, kernels={"quantized::linear (int8)": 38}).records())
