from __future__ import annotations

import io
import math
import random
import re

import pandas as pd
import pytest
from rich.console import Console

from harness.config.schema import ProtocolConfig
from harness.errors import UserError
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.rows import COLUMNS, rows
from tests.publish.sample_run import RUN, SampleRun, quickstart

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+\.\d+x?(?![\w.])")


def shown(run: SampleRun, width: int, **console) -> str:
    records = run.records()
    stream = io.StringIO()
    render.show(rows(records), heading(records, "Xeon"), Console(file=stream, width=width, **console))
    return stream.getvalue()


def joined(text: str) -> str:
    return " ".join(text.split())


def fast_and_exact(levels: dict[str, float], rows_wrong: int = 0, blocks: int = 4) -> SampleRun:
    """Return a run whose cells are all as right as FP32 on 400 rows, with a criterion that this decides."""
    run = SampleRun(protocol=ProtocolConfig(name="quick", blocks=blocks, criterion=0.02))
    noise = [1.0, 1.02, 0.99, 1.01][:blocks]
    for number, (name, level) in enumerate(levels.items()):
        approach, backend = name.split("/")
        # Each cell meets each block's noise in another order, so that the pairs scatter.
        turned = noise[number % blocks :] + noise[: number % blocks]
        run.measured(run.cell(approach, backend), set(range(rows_wrong)), [level * factor for factor in turned])
    return run


@pytest.mark.parametrize("width", [60, 80, 100, 120, 150, 200, 260])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width):
    text = shown(quickstart(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    every = set(NUMBER.findall(shown(quickstart(), 260)))
    assert set(NUMBER.findall(text)) <= every
    for kept in ("ptq_static", "inaccurate", "unsupported", "85.0", "81.2, 88.2", "2.06x", "2.02, 2.10"):
        assert kept in text


def test_at_80_columns_the_question_of_speed_within_the_criterion_is_still_answered():
    run = quickstart()
    text = shown(run, 80)
    for title in ("accuracy %", "difference", "criterion", "speed-up", "p50 ms"):
        assert title in text
    assert "McNemar p" not in text


def test_from_152_columns_on_every_column_is_there():
    for width in (152, 200, 260):
        text = joined(shown(quickstart(), width))
        for title in ("agree %", "-broken +fixed", "McNemar p", "p90 ms", "p99 ms", "rows/s@8", "size MB", "peak MB",
                      "executed", "blocks"):  # fmt: skip
            assert title in text, (width, title)


def test_a_narrow_terminal_gets_the_whole_first_columns():
    text = shown(quickstart(), 12)
    assert "undecided" in text and "unsupported" in text and "…" not in text


def test_every_reason_stands_once_below_the_table_and_is_referred_to():
    text = shown(quickstart(), 200)
    assert text.count("FX graph mode runs the same float kernels") == 1
    index = re.search(r"^\[(\d)\] FX graph mode", text, re.M)[1]
    assert text.count(f"[{index}]") == 3  # two excluded cells and the reason itself
    assert "[2] quantize: the child took 20.1 GB" in text


def test_labels_in_brackets_are_no_markup():
    run = SampleRun()
    run.failure(run.cell("ptq_static", "fx", label="[red]bold[/red]"), "quantize", "error", "bad [/] and [bold]x")
    for force_terminal in (False, True):
        text = shown(run, 80, force_terminal=force_terminal, color_system=None)
        assert "bold[/red]" in text and "bad [/] and [bold]x" in text


def test_the_fastest_cell_that_meets_the_criterion_is_named():
    text = joined(shown(fast_and_exact({"fp32/eager": 20, "ptq_static/fx": 9, "bf16/eager": 21}), 80))
    found = re.search(
        r"Fastest within the allowed loss of 2 points: ptq_static/fx, (2\.\d+)x \[2\.\d+, 2\.\d+\]\.", text
    )
    assert found and float(found[1]) == pytest.approx(20 / 9, rel=0.01)


def test_what_the_intervals_do_not_tell_apart_is_said():
    text = joined(shown(fast_and_exact({"fp32/eager": 20, "ptq_static/fx": 9, "qat/fx": 9.05}), 80))
    assert re.search(r"Fastest .*: ptq_static/fx, .*; not distinguishable from qat/fx\.", text)


def test_with_one_block_nothing_is_told_apart():
    text = joined(shown(fast_and_exact({"fp32/eager": 20, "ptq_static/fx": 9, "qat/fx": 15}, blocks=1), 80))
    assert "ptq_static/fx, 2.22x (no interval); not distinguishable from qat/fx, fp32/eager." in text


def test_an_undecided_cell_is_not_called_the_fastest():
    text = joined(shown(quickstart(), 80))
    assert "No cell is shown to be within the allowed loss of 0.85 points and faster than fp32/eager." in text
    assert re.search(r"Undecided on 400 rows, so not counted, fastest first: ptq_static/fx 2\.09x", text)


def test_an_unsteady_cell_is_not_called_the_fastest_but_named():
    run = fast_and_exact({"fp32/eager": 20, "ptq_static/fx": 9, "bf16/eager": 5})
    for line in run.lines:
        if line["type"] == "invocation" and "/bf16/" in line["cell"]:
            line["series"] = [series | {"steady": False} for series in line["series"]]
    text = joined(shown(run, 80))
    assert "Fastest within the allowed loss of 2 points: ptq_static/fx" in text
    assert re.search(r"Timed without a steady state, so not counted, fastest first: bf16/eager 4\.\d+x \[.*\]\.", text)


def test_a_group_without_its_baseline_says_so():
    run = quickstart()
    run.baseline = {"approach": "fp32", "backend": "onnxruntime"}
    text = joined(shown(run, 120))
    assert "No one cell of this group is the baseline (approach=fp32, backend=onnxruntime)" in text
    assert "Fastest" not in text


def test_each_comparison_group_has_its_own_table():
    run = SampleRun()
    run.measured(run.cell("fp32"), set(), [20.0] * 4)
    run.protocol = ProtocolConfig(name="standard", blocks=4)
    run.measured(run.cell("fp32"), set(), [20.0] * 4)
    text = shown(run, 80)
    assert "minilm / sentiment / quick: 400" in joined(text) and "minilm / sentiment / standard: 400" in joined(text)
    assert text.count("speed-up  ") == 2


def test_a_run_that_has_only_begun_can_be_shown_and_written(tmp_path):
    run = SampleRun()
    run.cell("fp32")
    assert "pending" in shown(run, 80)
    records = run.records()
    assert len(render.write(rows(records), tmp_path, heading(records))) == 3


def test_tables_hold_what_the_frame_holds(tmp_path):
    records = quickstart().records()
    frame = rows(records)
    csv, markdown, parquet = render.write(frame, tmp_path / "new" / "folder", heading(records))
    assert [path.name for path in (csv, markdown, parquet)] == [f"{RUN}.csv", f"{RUN}.md", f"{RUN}.parquet"]
    for read in (pd.read_csv(csv), pd.read_parquet(parquet)):
        assert list(read.columns) == list(COLUMNS)
        for column in ("value_low", "speedup_high", "blocks", "mcnemar_p"):
            assert read[column].astype(float).tolist() == pytest.approx(frame[column].tolist(), nan_ok=True)
    # Counts are written as such, and a missing one as missing.
    assert pd.read_csv(csv, dtype=str)["int8_ops"].tolist()[:3] == ["0", "0", "38"]
    assert pd.read_parquet(parquet)["int8_ops"].dtype == "Int64"


def test_the_same_records_give_the_same_bytes(tmp_path):
    records = quickstart().records()
    again = [*records[:2], *random.Random(0).sample(records[2:], len(records) - 2)]
    written = []
    for number, lines in enumerate((records, again)):
        paths = render.write(rows(lines), tmp_path / str(number), heading(lines))
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


def test_markdown_has_as_many_cells_in_every_row_whatever_the_labels_hold():
    run = SampleRun()
    run.failure(run.cell("ptq_static", "fx", label="a|b<i>*c*_d_`e`"), "quantize", "error", "one | two <b>\nthree")
    records = run.records()
    text = render.markdown(rows(records), heading(records))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 3
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert r"a\|b\<i>\*c\*\_d\_\`e\`" in text
    assert r"1. quantize: one \| two \<b> three" in text


def test_markdown_says_what_the_terminal_says():
    records = quickstart().records()
    text = render.markdown(rows(records), heading(records, "Xeon"))
    assert "2.06x \\[2.02, 2.10]" in text
    assert "3. FX graph mode" in text and "excluded \\[3]" in text
    assert "95% intervals" in text and "p90 from 29 samples an invocation on and p99 from 299" in text
    assert "The fewest here are 25" in text


def test_images_are_not_told_in_tokens():
    records = quickstart().records()
    assert "latency at batch 1 of 128 tokens" in render.markdown(rows(records), heading(records))
    for series in (series for line in records for series in line.get("series", ())):
        series["sequence_length"] = None
    text = render.markdown(rows(records), heading(records))
    assert "latency at batch 1" in text and "tokens" not in text


def test_correlations_are_not_percent():
    run = SampleRun(metric="matthews")
    run.accuracy(run.cell("fp32"), run.predictions(set(range(40))), value=0.8)
    text = joined(shown(run, 80))
    assert "matthews " in text and "matthews %" not in text
    assert re.search(r"\b0\.800\b", text)
    assert "over evaluation rows (Bayesian bootstrap with one extreme row more)" in text


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    records = quickstart().records()
    with pytest.raises(UserError, match="file: the tables cannot be written"):
        render.write(rows(records), tmp_path / "file", heading(records))


def test_unknown_values_are_dashes_and_never_nan():
    frame = rows(quickstart().records())
    frame.loc[frame["approach"] == "bf16", ["p50_ms", "speedup", "value", "size_mb"]] = math.nan
    records = quickstart().records()
    stream = io.StringIO()
    render.show(frame, heading(records), Console(file=stream, width=260))
    assert "nan" not in stream.getvalue().lower() and "None" not in stream.getvalue()
    assert "<NA>" not in stream.getvalue()
