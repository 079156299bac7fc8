from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.config.schema import ProtocolConfig
from harness.errors import UserError
from harness.publish.common.heading import heading
from harness.publish.table.rows import COLUMNS, rows
from harness.stats.predictions.accuracy import tango_interval
from tests.publish.sample_run import LOCK, RUN, SampleRun, quickstart

QUARTER = [10.0, 10.4, 9.9, 10.1]


def table(run: SampleRun):
    return rows(run.records()).set_index("cell_key")


def row_of(frame, approach: str, backend: str = "eager"):
    return frame[(frame["approach"] == approach) & (frame["backend"] == backend)].iloc[0]


def two_cells(**task) -> SampleRun:
    """A baseline with 60 wrong rows, and a cell that is twice as fast and has 4 of them right and 2 others wrong."""
    run = SampleRun(**task)
    run.measured(run.cell("fp32"), set(range(60)), [2 * level for level in QUARTER])
    run.measured(run.cell("ptq_dynamic"), {*range(4, 60), 90, 91}, QUARTER, size_bytes=23_100_000)
    return run


def test_one_row_a_cell_and_one_for_each_that_is_left_out():
    run = quickstart()
    frame = rows(run.records())
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == len(run.cells) + len(run.excluded) == 9
    assert frame["status"].tolist() == ["ok"] * 4 + ["inaccurate", "oom", "excluded", "excluded", "unsupported"]
    assert frame["cell_digest"].tolist()[:6] == [cell["digest"] for cell in run.cells]
    left_out = frame.iloc[6]
    assert (left_out["approach"], left_out["backend"], left_out["protocol"]) == ("fp32", "fx", "quick")
    assert left_out["reason"].startswith("FX graph mode")
    assert math.isnan(left_out["value"]) and math.isnan(left_out["speedup"])


def test_a_row_holds_what_the_records_say():
    row = row_of(rows(two_cells().records()), "ptq_dynamic")
    assert (row["metric"], row["rows"]) == ("accuracy", 400)
    assert row["value"] == pytest.approx(1 - 58 / 400)
    assert (row["broken"], row["fixed"], row["agreement"]) == (2, 4, pytest.approx(1 - 6 / 400))
    expected = tango_interval(4, 2, 400)
    found = (row["difference"], row["difference_low"], row["difference_high"])
    assert found == pytest.approx((expected.estimate, expected.low, expected.high))
    assert row["mcnemar_p"] == pytest.approx(44 / 64)
    assert (row["criterion"], row["criterion_within"]) == ("undecided", True)
    assert row["criterion_allowed"] == pytest.approx(0.01 * (1 - 60 / 400))
    assert (row["latency_batch"], row["throughput_batch"], row["sequence_length"]) == (1, 8, 128)
    level = float(stats.gmean(QUARTER))
    assert row["p50_ms"] == pytest.approx(level, rel=1e-6) and row["p50_ms_low"] < level < row["p50_ms_high"]
    assert row["throughput_per_s"] == pytest.approx(8 / (6e-3 * level), rel=1e-6)
    assert row["throughput_per_s_low"] < row["throughput_per_s"] < row["throughput_per_s_high"]
    assert (row["size_mb"], row["peak_memory_mb"]) == (23.1, 412.000003)
    assert (row["int8_ops"], row["bf16_ops"], row["fp32_ops"], row["ops_source"]) == (38, 0, 0, "torch.profiler")
    assert (row["blocks"], row["iterations"]) == (4, 25)
    assert (row["environment"], row["environment_lock"], row["run"]) == ("torch", LOCK, RUN)


def test_speed_up_is_paired_within_blocks_whatever_the_order_of_the_records():
    run = two_cells()
    run.lines.sort(key=lambda line: (line["type"], line.get("block", 0) % 2, line["cell"]))
    row = row_of(rows(run.records()), "ptq_dynamic")
    # Each block's ratio is 2 exactly, though the blocks differ by 5 %: paired, that is no noise.
    ends = (row["speedup"], row["speedup_low"], row["speedup_high"])
    assert ends == pytest.approx((2, 2, 2), rel=1e-6)
    assert row["speedup_pairs"] == 4


def test_the_baseline_has_a_speed_up_of_one_and_no_comparison_with_itself():
    row = row_of(rows(two_cells().records()), "fp32")
    assert row["speedup"] == 1
    assert math.isnan(row["speedup_low"]) and math.isnan(row["difference"]) and math.isnan(row["broken"])
    assert row["criterion"] is None
    assert row["baseline"] == row["cell_key"]


@pytest.mark.parametrize("baseline", [{}, {"approach": "fp32", "backend": "onnxruntime"}, {"model": "minilm"}])
def test_without_exactly_one_baseline_nothing_is_compared(baseline):
    run = two_cells()
    run.baseline = baseline
    frame = rows(run.records())
    for column in ("difference", "criterion_allowed", "agreement", "speedup"):
        assert frame[column].isna().all()
    assert frame["criterion"].isna().all() and frame["baseline"].isna().all()
    assert frame["status"].tolist() == ["ok", "ok"]
    assert frame["p50_ms"].notna().all()


def test_a_baseline_is_found_by_the_options_name_when_its_label_has_fields_in_brackets():
    run = SampleRun()
    run.measured(run.cell("fp32", label="fp32[calibration.samples=50]"), set(), [20.0, 20.0])
    run.measured(run.cell("ptq_dynamic"), set(), [10.0, 10.0])
    assert row_of(rows(run.records()), "ptq_dynamic")["speedup"] == pytest.approx(2)


def test_a_baseline_of_another_group_is_none():
    run = SampleRun()
    run.measured(run.cell("fp32"), set(), QUARTER)
    run.protocol = ProtocolConfig(name="standard", blocks=4)
    run.measured(run.cell("ptq_dynamic"), set(), QUARTER)
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert row["baseline"] is None and math.isnan(row["speedup"])


def test_one_block_gives_a_speed_up_without_interval():
    run = SampleRun(protocol=ProtocolConfig(name="once", blocks=1))
    run.measured(run.cell("fp32"), set(), [20.0])
    run.measured(run.cell("ptq_dynamic"), set(), [10.0])
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert (row["status"], row["speedup_pairs"]) == ("ok", 1)
    assert row["speedup"] == pytest.approx(2)
    assert math.isnan(row["speedup_low"]) and math.isnan(row["p50_ms_high"]) and row["p50_ms"] == 10


@pytest.mark.parametrize(("samples", "p90", "p99"), [(28, False, False), (29, True, False), (299, True, True)])
def test_a_percentile_stands_only_where_the_samples_can_bear_it(samples, p90, p99):
    run = SampleRun()
    cell = run.cell("fp32")
    for block in range(4):
        run.invocation(cell, block, 10.0, iterations=samples)
    row = row_of(rows(run.records()), "fp32")
    assert (not math.isnan(row["p90_ms"]), not math.isnan(row["p99_ms"])) == (p90, p99)
    assert row["iterations"] == samples
    if p90:  # of samples evenly between 9.5 and 10.5 ms, one more is beyond it in a tenth of all cases
        assert row["p90_ms"] == pytest.approx(9.5 + (0.9 * (samples + 1) - 1) / (samples - 1), rel=1e-4)


def test_one_invocation_with_too_few_samples_leaves_the_tail_of_all_empty():
    run = SampleRun()
    cell = run.cell("fp32")
    for block, samples in enumerate((299, 299, 12)):
        run.invocation(cell, block, 10.0, iterations=samples)
    row = row_of(rows(run.records()), "fp32")
    assert math.isnan(row["p90_ms"]) and math.isnan(row["p99_ms"]) and row["iterations"] == 12


def test_only_blocks_that_both_sides_have_are_paired():
    run = SampleRun()
    base, cell = run.cell("fp32"), run.cell("ptq_dynamic")
    run.measured(base, set(), [20.0, 21.0, 22.0, 100.0])
    run.measured(cell, set(), [10.0, 10.5, 11.0])
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert (row["status"], row["speedup_pairs"]) == ("pending", 3)
    assert row["speedup"] == pytest.approx(2)


def test_a_cell_that_failed_keeps_what_was_measured_before():
    run = two_cells()
    failed = run.cell("qat", "fx")
    run.prepared(failed)
    run.failure(failed, "evaluate", "nan", "logits of evaluation row 7 are not finite")
    row = row_of(rows(run.records()), "qat", "fx")
    assert (row["status"], row["reason"]) == ("failed(nan)", "evaluate: logits of evaluation row 7 are not finite")
    assert row["size_mb"] == 90.4
    assert math.isnan(row["value"]) and math.isnan(row["speedup"])


def test_an_int8_row_without_int8_operations_is_failed_even_if_nobody_said_so():
    run = two_cells()
    cell = run.cell("qat", "fx")
    executed = {"int8_ops": 0, "bf16_ops": 0, "fp32_ops": 38, "source": "graph", "kernels": {}}
    run.accuracy(cell, run.predictions(set()), executed=executed)
    for block in range(4):
        run.invocation(cell, block, 10.0)
    row = row_of(rows(run.records()), "qat", "fx")
    assert row["status"] == "failed(no_int8_kernels)"
    assert "graph saw no int8 operation" in row["reason"]


def test_a_cell_without_a_steady_state_is_unstable():
    run = SampleRun()
    cell = run.cell("fp32")
    run.accuracy(cell, run.predictions(set()))
    for block in range(4):
        run.invocation(cell, block, 10.0, steady=block == 0)
    assert row_of(rows(run.records()), "fp32")["status"] == "unstable"


def test_only_the_first_rows_are_compared_when_the_evaluation_was_limited():
    run = SampleRun()
    base, cell = run.cell("fp32"), run.cell("ptq_dynamic")
    run.accuracy(base, run.predictions({0})[:50])
    run.accuracy(cell, run.predictions({1})[:50])
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert (row["rows"], row["broken"], row["fixed"], row["value"]) == (50, 1, 1, 0.98)


def test_sides_that_saw_different_rows_have_a_difference_but_no_pairing():
    run = SampleRun()
    base, cell = run.cell("fp32"), run.cell("ptq_dynamic")
    run.accuracy(base, run.predictions(set()))
    run.accuracy(cell, run.predictions({1})[:50])
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert row["difference"] == pytest.approx(-0.02)
    assert math.isnan(row["difference_low"]) and math.isnan(row["agreement"])
    assert (row["criterion"], row["criterion_within"]) == ("undecided", False)


def test_a_metric_that_its_predictions_contradict_gets_no_interval_and_says_so():
    run = SampleRun()
    run.accuracy(run.cell("fp32"), run.predictions({1, 2}), value=0.7)
    row = row_of(rows(run.records()), "fp32")
    assert row["value"] == 0.7 and math.isnan(row["value_low"])
    assert "accuracy does not follow from its predictions (0.995)" in row["reason"]


@pytest.mark.parametrize("contradicted", ["fp32", "ptq_dynamic"])
def test_a_difference_has_no_interval_when_one_sides_metric_is_contradicted(contradicted):
    run = SampleRun()
    for approach in ("fp32", "ptq_dynamic"):
        value = 0.7 if approach == contradicted else None
        run.accuracy(run.cell(approach), run.predictions({1, 2}), value=value)
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert abs(row["difference"]) == pytest.approx(0.295)
    assert math.isnan(row["difference_low"]) and row["criterion"] == "undecided"


def test_numbers_carry_no_more_digits_than_every_maths_library_agrees_on():
    frame = rows(quickstart().records()).select_dtypes(float)
    values = [value for value in frame.to_numpy().ravel() if not math.isnan(value)]
    assert len(values) > 100
    assert all(value == float(f"{value:.10g}") for value in values)


def test_a_hub_metric_has_outcomes_but_no_intervals():
    run = SampleRun(metric="exact_match")
    for approach in ("fp32", "ptq_dynamic"):
        run.accuracy(run.cell(approach), run.predictions({1} if approach == "fp32" else set()))
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert row["difference"] == pytest.approx(1 / 400) and math.isnan(row["difference_low"])
    assert (row["fixed"], row["criterion"], row["criterion_within"]) == (1, "undecided", True)


def test_a_regression_has_a_correlation_and_no_right_or_wrong():
    run = SampleRun(kind="regression", metric="pearson")
    run.references = [row / 10 for row in range(400)]
    exact = run.references
    near = [value + (-1) ** row for row, value in enumerate(exact)]
    run.accuracy(run.cell("fp32"), exact, value=1.0)
    run.accuracy(run.cell("ptq_dynamic"), near, value=float(np.corrcoef(near, exact)[0, 1]))
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert math.isnan(row["agreement"]) and math.isnan(row["broken"]) and math.isnan(row["mcnemar_p"])
    # A row more may be lost by either side: the interval allows it.
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    # 0.4 points are lost of 1 that are allowed, but a far-off row more would take the rest.
    assert row["criterion_within"] and row["criterion"] == "undecided"


def test_a_metric_where_less_is_better_fails_by_a_rise():
    run = SampleRun(metric="loss", greater_is_better=False)
    run.accuracy(run.cell("fp32"), run.predictions(set()), value=0.30)
    run.accuracy(run.cell("ptq_dynamic"), run.predictions(set()), value=0.35)
    run.accuracy(run.cell("qat", "fx"), run.predictions(set()), value=0.25)
    frame = rows(run.records())
    assert not row_of(frame, "ptq_dynamic")["criterion_within"]
    assert row_of(frame, "qat", "fx")["criterion_within"]


def test_the_protocol_of_a_cell_sets_its_criterion_and_confidence():
    wide = ProtocolConfig(name="loose", blocks=4, criterion=0.05, criterion_relative=False, confidence=0.8)
    run = SampleRun(protocol=wide)
    run.measured(run.cell("fp32"), set(range(60)), QUARTER)
    run.measured(run.cell("ptq_dynamic"), {*range(4, 60), 90, 91}, QUARTER)
    row = row_of(rows(run.records()), "ptq_dynamic")
    assert (row["criterion"], row["criterion_allowed"], row["confidence"]) == ("met", 0.05, 0.8)
    assert row["difference_low"] == pytest.approx(tango_interval(4, 2, 400, 0.8).low)


def test_a_run_that_has_only_begun_is_pending():
    run = SampleRun()
    run.cell("fp32")
    row = rows(run.records()).iloc[0]
    assert (row["status"], row["blocks"], row["blocks_wanted"]) == ("pending", 0, 4)


def test_records_without_a_header_are_refused():
    with pytest.raises(UserError, match="begin with its header"):
        rows(quickstart().records()[1:])


def test_predictions_without_their_references_are_refused():
    run = SampleRun()
    run.accuracy(run.cell("fp32"), run.predictions(set()))
    records = run.records()
    with pytest.raises(UserError, match=r"accuracy of minilm/sentiment/fp32.*400 predictions.*0 references"):
        rows(line for line in records if line["type"] != "dataset")


def test_heading_names_the_run_and_where_it_was():
    records = quickstart().records()
    found = heading(records, "Xeon 8592+, 2 cores")
    assert (found.run, found.suite, found.host) == (RUN, "sample v1", "Xeon 8592+, 2 cores")
    assert found.blocks == "20 invocations in 4 blocks"
    assert heading(records).host == "host 9c2f"
