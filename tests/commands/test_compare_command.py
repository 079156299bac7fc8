"""``harness compare`` on stored runs whose truth is known: words, exit status, files; and what it refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from harness.__main__ import main
from harness.config.cell import digest
from harness.config.schema import ProtocolConfig
from harness.results import aa, store
from harness.results.records import record
from tests.publish.sample_run import SampleRun
from tests.results.test_aa import entry

PAIRS = 10
A, B = "20261124T100000Z-sample-aaaa", "20261124T100000Z-sample-bbbb"


def levels(seed: int, factor: float = 1.0) -> list[float]:
    return list(10 * factor * np.exp(np.random.default_rng(seed).normal(0, 0.004, PAIRS)))


def store_run(
    root: Path,
    run: str,
    *,
    other: str | None,
    int8: float = 1.0,
    wrong: int = 40,
    host: str = "9c2f",
    blocks: int = PAIRS,
) -> None:
    """Store a run of an FP32 cell of 10 ms and an INT8 cell that takes `int8` times 5 ms and is `wrong` so often."""
    sample = SampleRun(protocol=ProtocolConfig(name="quick", blocks=PAIRS))
    seed = 1 if run.endswith("aaaa") else 2
    sample.measured(sample.cell("fp32"), set(range(40)), levels(seed))
    sample.measured(sample.cell("ptq_static", "fx"), set(range(wrong)), levels(seed + 10, int8 / 2))
    header, *lines = sample.records()
    header |= {"run": run, "host": host}
    if other is not None:
        variant, label = ("A", "now") if run.endswith("aaaa") else ("B", "with:torch==2.12.1")
        header["comparison"] = {"id": "c1", "side": variant, "label": label, "other": other}
    with store.RunWriter.create(root, header) as writer:
        for line in lines:
            if line["type"] == "accuracy":  # digests that differ where the predictions do
                line["logits_sha256"] = digest(line["predictions"], 64)
            writer.append(line)


def compare(root: Path, capsys, *arguments: str) -> tuple[int, str]:
    status = main(["compare", *arguments, "--results", str(root)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out + captured.err


def rows(root: Path) -> dict[str, dict[str, str]]:
    (path,) = (root / "tables").glob("compare-*.csv")
    return {row["approach"]: row for row in csv.DictReader(path.open())}


def test_a_slow_down_is_found_said_in_one_sentence_and_exit_1(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    store_run(tmp_path, A, other=B)
    store_run(tmp_path, B, other=A, int8=1.05)
    aa.append(tmp_path, entry(floor=0.01))
    status, shown = compare(tmp_path, capsys, A, B, "--stored")
    assert status == 1
    found = rows(tmp_path)
    assert found["ptq_static"]["latency_verdict"] == "slower" and found["fp32"]["latency_verdict"] == "equivalent"
    assert float(found["ptq_static"]["latency_ratio"]) == pytest.approx(1 / 1.05, abs=0.006)
    assert "latency at batch 1 is 5" in shown and "% longer" in shown and f"{PAIRS} pairs" in shown
    assert "this host's floor: 1.00%" in shown and "with:torch==2.12.1, run" in shown
    # A floor above the change, as a later A/A on this host could find it, takes the alarm back.
    aa.append(tmp_path, entry(floor=0.08))
    status, shown = compare(tmp_path, capsys, A, B, "--stored")
    assert status == 4 and "within this host's floor of 8.0%" in shown


def test_a_gain_is_no_regression_and_a_lost_accuracy_is(tmp_path, capsys):
    store_run(tmp_path, A, other=B)
    store_run(tmp_path, B, other=A, int8=0.9)
    assert compare(tmp_path, capsys, A, B, "--stored")[0] == 0
    assert rows(tmp_path)["ptq_static"]["latency_verdict"] == "faster"
    second = tmp_path / "second"
    store_run(second, A, other=B)
    store_run(second, B, other=A, wrong=80)
    status, shown = compare(second, capsys, A, B, "--stored")
    assert status == 1 and "worse: accuracy 0.9000 -> 0.8000" in shown and "40 rows broken and 0 fixed" in shown


def test_runs_that_were_not_measured_in_turns_are_never_equivalent(tmp_path, capsys):
    store_run(tmp_path, A, other=None)
    store_run(tmp_path, B, other=None)
    status, shown = compare(tmp_path, capsys, A, B, "--stored")
    assert status == 4 and "not interleaved" in shown
    assert {row["latency_verdict"] for row in rows(tmp_path).values()} == {"inconclusive"}


def test_two_hosts_are_compared_by_their_speedups_and_described_field_by_field(tmp_path, capsys):
    store_run(tmp_path, A, other=None, host="old")
    store_run(tmp_path, B, other=None, host="new", int8=0.5)
    for name, isa in (("old", ["avx2"]), ("new", ["avx2", "amx_int8"])):
        cache = {"level": 3, "kind": "Unified", "size_bytes": 2**25, "shared_by": 2, "count": 1}
        described = {"model_name": "X", "generation": name, "cores": [[0]], "isa": isa, "caches": [cache]}
        store.save_host(tmp_path, name, described)
    status, shown = compare(tmp_path, capsys, A, B)
    assert status == 0
    row = rows(tmp_path)["ptq_static"]
    assert float(row["latency_ratio"]) == pytest.approx(2.0, abs=0.05) and row["latency_verdict"] == "faster"
    assert row["a_latency_ms"] == "" and float(row["b_speedup"]) == pytest.approx(4.0, abs=0.1)
    assert "host generation: old -> new" in shown and "host isa: ['avx2'] -> ['avx2', 'amx_int8']" in shown
    assert "caches" not in shown


def test_its_files_are_the_same_each_time(tmp_path, capsys):
    store_run(tmp_path, A, other=B)
    store_run(tmp_path, B, other=A)
    contents = []
    for _ in range(2):
        compare(tmp_path, capsys, A, B, "--stored")
        paths = sorted((tmp_path / "tables").glob("compare-*"))
        assert [path.suffix for path in paths] == [".csv", ".md", ".png", ".svg"]
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_a_pair_torn_apart_by_an_interruption_does_not_count(tmp_path, capsys):
    store_run(tmp_path, A, other=B)
    store_run(tmp_path, B, other=A)
    path = tmp_path / "runs" / f"{B}.jsonl"
    lines = store.read_run(path)
    torn = next(line for line in lines if line["type"] == "invocation")
    torn["time"] = "2099-01-01T00:00:00.000Z"
    path.write_bytes(b"".join(record.encode(line) for line in lines))
    compare(tmp_path, capsys, A, B, "--stored")
    assert sorted(int(row["latency_pairs"]) for row in rows(tmp_path).values()) == [PAIRS - 1, PAIRS]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([A, "2026nothing", "--stored"], "no run '2026nothing'"),
        ([A, "now", "--stored"], "variant now: only two stored runs"),
        ([A, "wiht:torch==1"], "did you mean 'with'"),
        (["now", "now", "--margin", "0"], "--margin 0: want a share"),
        (["now", "now", "--pairs", "1"], "--pairs 1: want from 2 to 1000"),
        (["now", "now", "suite=nope"], "suite=nope: no such suite"),
        (["now"], "required: B"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(tmp_path, capsys, arguments, words):
    store_run(tmp_path, A, other=None)
    status, shown = compare(tmp_path, capsys, *arguments)
    assert status == 2 and words in shown and len(shown.strip().splitlines()) == 1
