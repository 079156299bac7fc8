"""Two runs that were not measured interleaved: speed-ups paired within each, conditions, and unfinished runs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.__main__ import main
from harness.config.schema import ProtocolConfig
from harness.results import aa, store
from tests.publish.sample_run import SampleRun
from tests.results.test_aa import entry

BLOCKS = 10
A, B = "20261124T100000Z-sample-aaaa", "20261124T110000Z-sample-bbbb"


def store_run(
    root: Path,
    run: str,
    *,
    int8: float = 1.0,
    host: str = "9c2f",
    blocks: int = BLOCKS,
    threads: int = 2,
    baseline: dict[str, str] | None = None,
    in_turns: bool = False,
    failed: bool = False,
    **protocol: Any,
) -> None:
    """Store a run of an FP32 cell of 10 ms and an INT8 cell of `int8` times 5 ms, on a host that drifts by half."""
    sample = SampleRun(protocol=ProtocolConfig(**{"name": "quick", "blocks": BLOCKS, **protocol}))
    generator = np.random.default_rng(1 if run == A else 2)
    drift = np.linspace(1.0, 1.5, BLOCKS) * (1.0 if run == A else 0.8)
    for name, backend, level in (("fp32", "eager", 10.0), ("ptq_static", "fx", 5.0 * int8)):
        cell = sample.cell(name, backend)
        levels = level * drift * np.exp(generator.normal(0, 0.004, BLOCKS))
        sample.prepared(cell)
        sample.accuracy(cell, sample.predictions(set(range(40))))
        for block, latency in enumerate(levels[:blocks]):
            sample.invocation(cell, block, latency, throughput_ms=6 * latency, threads=threads)
        for block in (3, 4) if failed else ():
            sample.failure(cell, "measure", "crash", "signal 11", block=block)
    header, *lines = sample.records()
    header |= {"run": run, "host": host} | ({} if baseline is None else {"baseline": baseline})
    if in_turns:
        variant, other = ("A", B) if run == A else ("B", A)
        header["comparison"] = {"id": "c1", "side": variant, "label": "now", "other": other}
    with store.RunWriter.create(root, header) as writer:
        for line in lines:
            writer.append(line)


def compare(root: Path, capsys) -> tuple[int, str, dict[str, dict[str, str]]]:
    status = main(["compare", A, B, "--stored", "--results", str(root)])
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert "Traceback" not in shown and "nan" not in shown
    (path,) = (root / "tables").glob("compare-*.csv")
    return status, shown, {row["approach"]: row for row in csv.DictReader(path.open())}


@pytest.mark.parametrize("floor", [None, 0.05])
@pytest.mark.parametrize("host", ["9c2f", "other"])
def test_a_slow_down_of_a_third_is_found_on_a_host_that_drifts_by_half(tmp_path, capsys, floor, host):
    store_run(tmp_path, A)
    store_run(tmp_path, B, int8=1.3, host=host)
    if floor is not None:
        aa.append(tmp_path, entry(floor=floor, drift=0.59))
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 1
    row = rows["ptq_static"]
    for role, of in (("latency", ""), ("throughput", "throughput_")):
        assert row[f"{role}_verdict"] == "slower"
        assert float(row[f"{role}_ratio"]) == pytest.approx(1 / 1.3, rel=0.01)
        assert float(row[f"a_{of}speedup"]) == pytest.approx(2.0, rel=0.01)
        assert float(row[f"b_{of}speedup"]) == pytest.approx(2.0 / 1.3, rel=0.01)
    assert "slower: latency's speed-up over the baseline is 0.7" in shown
    # The baseline has nothing to be held against but the levels of a host that drifts.
    assert rows["fp32"]["latency_verdict"] in ("", "inconclusive")


@pytest.mark.parametrize("width", ["80", "100", "140"])
def test_a_terminal_cuts_off_no_name_no_interval_and_no_verdict(tmp_path, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    store_run(tmp_path, A)
    store_run(tmp_path, B)
    _, shown, rows = compare(tmp_path, capsys)
    table = shown[: shown.index("Speed, ")]
    assert table.count("inconclusive") == 4 and "fp32" in table and "ptq_static" in table
    row = rows["ptq_static"]
    ends = ",".join(f"{float(row[f'latency_ratio_{end}']):.3f}" for end in ("low", "high"))
    assert f"[{ends}]" in table and "throughput" in table


def test_the_same_measured_twice_is_neither_changed_nor_equivalent(tmp_path, capsys):
    store_run(tmp_path, A)
    store_run(tmp_path, B)
    aa.append(tmp_path, entry(floor=0.02, drift=0.59))
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 4
    assert {row["latency_verdict"] for row in rows.values()} == {"inconclusive"}
    assert "that nothing changed between two runs cannot be shown" in shown


def test_a_change_within_the_floor_is_not_reported(tmp_path, capsys):
    store_run(tmp_path, A)
    store_run(tmp_path, B, int8=1.05)
    aa.append(tmp_path, entry(floor=0.2, floors={}))
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 4 and rows["ptq_static"]["latency_verdict"] == "inconclusive"
    assert "reaches within 20.0%" in shown


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"omp_wait_policy": "ACTIVE"}, "not comparable: wait policy PASSIVE in A and ACTIVE in B"),
        ({"omp_wait_policy": "default"}, "not comparable: wait policy PASSIVE in A and runtime default in B"),
        ({"huge_pages": True}, "not comparable: huge pages no in A and yes in B"),
        ({"threads": 1}, "not comparable: threads 2 in A and 1 in B, cores 2 in A and 1 in B"),
        ({"lengths": "real"}, "not comparable: lengths padded in A and real in B"),
        (
            {"baseline": {"approach": "ptq_static"}},
            "baseline minilm/sentiment/fp32/eager/none/native in A and itself in B",
        ),
    ],
)
def test_other_conditions_are_said_and_not_compared(tmp_path, capsys, changed, words):
    store_run(tmp_path, A)
    store_run(tmp_path, B, int8=1.3, **changed)
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 4 and words in shown
    for role in ("latency", "throughput"):
        assert rows["ptq_static"][f"{role}_verdict"] == "inconclusive" and rows["ptq_static"][f"{role}_ratio"] == ""
    assert "shorter" not in shown and "longer" not in shown


@pytest.mark.parametrize(("int8", "expected"), [(1.0, 4), (1.3, 1)])
def test_what_concerns_one_series_leaves_the_other_to_be_compared(tmp_path, capsys, int8, expected):
    store_run(tmp_path, A)
    store_run(tmp_path, B, int8=int8, latency_batch_size=4)
    status, shown, rows = compare(tmp_path, capsys)
    assert status == expected and "not comparable: latency batch 1 in A and 4 in B" in shown
    assert rows["ptq_static"]["latency_verdict"] == "inconclusive" and rows["ptq_static"]["latency_ratio"] == ""
    assert rows["ptq_static"]["throughput_ratio"] != ""
    assert (rows["ptq_static"]["throughput_verdict"] == "slower") == (status == 1)


def test_two_hosts_may_have_threads_of_their_own_which_are_said(tmp_path, capsys):
    store_run(tmp_path, A)
    store_run(tmp_path, B, host="other", threads=1)
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 0 and rows["ptq_static"]["latency_ratio"] != ""
    assert "conditions: threads 2 -> 1 (2 of 2 cells)" in shown and "conditions: CPUs 0-1 -> 0" in shown


def test_cells_of_another_protocol_are_compared_and_its_fields_said(tmp_path, capsys):
    store_run(tmp_path, A)
    store_run(tmp_path, B, name="longer", measure_seconds=9.0, int8=1.3)
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 1 and rows["ptq_static"]["latency_verdict"] == "slower"
    assert "protocol: quick -> longer: measure_seconds 1.0 -> 9.0" in shown


def test_what_differs_between_variants_that_were_measured_in_turns_is_not_compared_either(tmp_path, capsys):
    store_run(tmp_path, A, in_turns=True)
    store_run(tmp_path, B, in_turns=True, int8=1.3, threads=1)
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 4 and "not comparable: threads 2 in A and 1 in B, cores 2 in A and 1 in B" in shown
    assert {row["latency_verdict"] for row in rows.values()} == {"inconclusive"} and "ms, batch -" in shown


@pytest.mark.parametrize("host", ["9c2f", "other"])
def test_a_cell_that_failed_on_one_variant_is_exit_3(tmp_path, capsys, host):
    store_run(tmp_path, A)
    store_run(tmp_path, B, host=host, blocks=3, failed=True)
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 3 and "ptq_static/fx: variant B failed: failed(crash): measure: signal 11" in shown
    assert "not measured in B:" not in shown and "variant A" not in shown and rows["fp32"]["a_failed"] == ""


@pytest.mark.parametrize("host", ["9c2f", "other"])
@pytest.mark.parametrize(("blocks", "words"), [(3, "3 of 10 blocks"), (0, "0 of 10 blocks")])
def test_an_unfinished_run_is_not_measured_and_never_an_all_clear(tmp_path, capsys, blocks, words, host):
    store_run(tmp_path, A)
    store_run(tmp_path, B, blocks=blocks, host=host)
    status, shown, rows = compare(tmp_path, capsys)
    assert status == 4
    assert f"ptq_static/fx: not measured in B: {words}" in shown and "variant A" not in shown
    assert rows["ptq_static"]["b_missing"] == words and rows["ptq_static"]["a_missing"] == ""


@pytest.mark.parametrize("host", ["9c2f", "other"])
@pytest.mark.parametrize("lines", [1, 5, 14])
def test_a_run_that_was_killed_is_never_said_to_have_failed(tmp_path, capsys, lines, host):
    store_run(tmp_path, A)
    store_run(tmp_path, B, host=host)
    path = tmp_path / "runs" / f"{B}.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    status, shown, _ = compare(tmp_path, capsys)
    assert status == 4 and "failed" not in shown
    assert "ptq_static/fx: not measured in B: 0 of 10 blocks, no accuracy" in shown
