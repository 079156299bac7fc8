from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.base import Backend, ExecutedPrecision
from harness.config import schema
from harness.config.cell import Cell
from harness.data.image_rows import ImageRows
from harness.data.token_rows import Rows
from harness.errors import StageError
from harness.execute.process.interleaved import pipes
from harness.ipc.report import Report
from harness.results.records import record
from harness.worker.stages import measure
from tests.backend_env import program_text

PROTOCOL = schema.ProtocolConfig(
    name="test",
    latency_batch_size=2,
    throughput_batch_size=5,
    min_iterations=12,
    measure_seconds=0.01,
    warmup_max_seconds=0.2,
    warmup_window=5,
)


class Matrix(Backend):
    """A real, small model: embeddings are averaged and multiplied by a matrix, in NumPy."""

    calls: list[tuple[int, int]]
    at_forward: list[int]

    @staticmethod
    def supports(cell):
        return None

    def quantize(self, checkpoint, cell, train, out, report):
        raise NotImplementedError

    def load(self, artefact, cell):
        start = time.monotonic_ns()
        import slow_framework  # noqa: F401

        imported = time.monotonic_ns()
        type(self).imported_ns = imported - start
        time.sleep(0.05)
        with np.load(artefact / "weights.npz", allow_pickle=False) as arrays:
            self._table, self._head = arrays["table"], arrays["head"]
        type(self).loaded_ns = time.monotonic_ns() - imported

    def inputs(self, batch):
        return batch["input_ids"], batch["attention_mask"]

    def forward(self, inputs):
        ids, mask = inputs
        type(self).calls.append(ids.shape)
        type(self).at_forward.append(len(type(self).stream.getvalue()))
        vectors = self._table[ids] * mask[..., None]
        return vectors.sum(axis=1) / mask.sum(axis=1)[:, None] @ self._head

    def logits(self, outputs):
        return np.asarray(outputs, np.float32)

    def executed_precision(self, inputs):
        return ExecutedPrecision(0, 0, 1, "test")


def some_rows(count: int) -> Rows:
    lengths = [3 + index % 7 for index in range(count)]
    total = sum(lengths)
    return Rows(
        input_ids=np.arange(total) % 50,
        token_type_ids=np.zeros(total, np.int64),
        offsets=np.cumsum([0, *lengths]),
        labels=np.zeros(count, np.int64),
    )


@pytest.fixture
def stage(tmp_path: Path, monkeypatch):
    """Return a function that runs the stage for a protocol and a head matrix."""
    (tmp_path / "slow_framework.py").write_text("import time\ntime.sleep(0.1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(measure, "backend_class", lambda name: Matrix)
    some_rows(4).save(tmp_path / "evaluation.npz")
    (tmp_path / "task.json").write_text(json.dumps({"kind": "classification", "labels": ["a"], "max_length": 8}))

    def run(protocol=PROTOCOL, head=None, block=0, **options):
        generator = np.random.default_rng(0)
        weights = {"table": generator.random((50, 16)), "head": np.ones((16, 3)) if head is None else head}
        np.savez(tmp_path / "weights.npz", **weights)
        cell = Cell(
            "m/t/a/b",
            "d" * 16,
            schema.ModelConfig(name="m"),
            schema.TaskConfig(name="t"),
            schema.ApproachConfig(name="a"),
            schema.BackendConfig(name="matrix", environment="none"),
            schema.TunerConfig(name="none"),
            schema.HostConfig(name="native"),
            protocol,
            ("m", "t", "a", "b", "none", "native", "test"),
        )
        spec = {
            "inputs": {"artefact": str(tmp_path), "tokenised": str(tmp_path)},
            "threads": 1,
            "seed": 3,
            "options": {"block": block, **options},
            "started_ns": time.monotonic_ns(),
        }
        Matrix.calls, Matrix.at_forward, Matrix.stream = [], [], io.StringIO()
        return measure.run(spec, cell, Report(Matrix.stream, interval_seconds=0))

    yield run
    sys.modules.pop("slow_framework", None)


def record_of(result: dict[str, Any]) -> dict[str, Any]:
    return record.invocation(
        cell="m/t/a/b",
        cell_digest="d" * 16,
        artefact="x",
        block=0,
        order=0,
        peak_memory_bytes=1,
        wall_seconds=1.0,
        process_seconds=1.0,
        voluntary_switches=1,
        involuntary_switches=1,
        **result,
    )


@pytest.mark.slow
def test_the_result_is_an_invocation_record(stage):
    result = stage()
    record.check(json.loads(record.encode(record_of(result))))
    assert result["import_seconds"] * 1e9 >= Matrix.imported_ns >= 100_000_000
    # The loading, but not the import before it.
    assert 50_000_000 <= result["load_seconds"] * 1e9 < Matrix.loaded_ns + Matrix.imported_ns
    assert result["timer_ns"] > 0
    assert result["system"]["after"]["monotonic_ns"] > result["system"]["before"]["monotonic_ns"]


def test_series_have_their_batch_sizes_iterations_and_raw_samples(stage):
    latency, throughput = stage()["series"]
    assert (latency["role"], latency["batch_size"]) == ("latency", 2)
    assert (throughput["role"], throughput["batch_size"]) == ("throughput", 5)  # more than the four rows there are
    made = 0
    for series in (latency, throughput):
        assert series["sequence_length"] == 8
        assert len(series["latency_ns"]) >= 12
        assert sum(series["latency_ns"]) <= 2e9
        count = len(series["warmup_ns"]) + len(series["latency_ns"])
        assert set(Matrix.calls[made : made + count]) == {(series["batch_size"], 8)}
        made += count
    assert made == len(Matrix.calls)  # nothing was run that was not written down


@pytest.mark.slow
def test_the_protocols_length_pads_and_cuts(stage):
    assert {call[1] for call in _calls(stage, dataclasses.replace(PROTOCOL, sequence_length=4))} == {4}
    assert {call[1] for call in _calls(stage, dataclasses.replace(PROTOCOL, sequence_length=20))} == {20}


@pytest.mark.slow
def test_real_lengths_are_those_of_each_batchs_longest_text_in_whole_rounds(stage):
    # Four rows of 3 to 6 tokens: two of them share a batch.
    result = stage(dataclasses.replace(PROTOCOL, lengths="real"))
    made = 0
    for series in result["series"]:
        assert series["sequence_length"] is None
        assert len(series["tokens"]) == measure.REAL_BATCHES
        rounds, rest = divmod(len(series["latency_ns"]), measure.REAL_BATCHES)
        assert rounds >= 1 and rest == 0
        widths = [call[1] for call in Matrix.calls if call[0] == series["batch_size"]]
        assert widths[: measure.REAL_BATCHES] == series["tokens"]  # each shape was met before anything counted
        start = len(series["warmup_ns"])
        timed = widths[start : start + len(series["latency_ns"])]
        assert timed == series["tokens"] * rounds
        made += start + len(timed)
    assert {width for width in result["series"][0]["tokens"]} <= {4, 5, 6}
    assert len(set(result["series"][0]["tokens"])) > 1
    record.check(json.loads(record.encode(record_of(result))))


def test_images_have_no_length_whatever_the_protocol_says(stage, tmp_path, monkeypatch):
    ImageRows(np.full((4, 3, 3), 255, np.uint8), np.zeros(4, np.int64)).save(tmp_path / "evaluation.npz")
    (tmp_path / "task.json").write_text(json.dumps({"kind": "classification", "labels": ["a"], "max_length": None}))
    # The first row of each image as tokens, all of them 1.
    monkeypatch.setattr(Matrix, "inputs", lambda self, batch: (batch["pixel_values"][:, 0, 0].astype(int),) * 2)
    result = stage(dataclasses.replace(PROTOCOL, sequence_length=2))
    assert set(Matrix.calls) == {(2, 3), (5, 3)}
    assert [series["sequence_length"] for series in result["series"]] == [None, None]
    record.check(json.loads(record.encode(record_of(result))))


#: The other side of a pair, which has nothing to time and time for seven turns only.
_PARTNER = program_text(__file__, "measure_partner")


@pytest.mark.parametrize("lengths", ["padded", "real"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_series_in_turns_says_which_passes_were_of_which(stage, lengths, place):
    whole = 1 if lengths == "padded" else measure.REAL_BATCHES
    passes = max(measure.TURN_ITERATIONS, whole)
    with pipes(2, seconds=1.0, least=8) as ends:
        theirs = ends[1 - place]
        arguments = [theirs["own"], theirs["next"], "first" if theirs["is_first"] else "second"]
        partner = subprocess.Popen([sys.executable, "-c", _PARTNER, *arguments])
        try:
            result = stage(dataclasses.replace(PROTOCOL, lengths=lengths), turns=ends[place])
            assert partner.wait(30) == 0
        finally:
            partner.kill()
    for series in result["series"]:
        assert series["turns"] == [passes] * 7
        assert len(series["latency_ns"]) == 7 * passes
        # Beside the warm-up the passes of the first moments of each turn, a round at least, are not counted.
        assert len(series["warmup_ns"]) >= 7 * whole + 6
        settling = min(measure.SETTLE_SECONDS * 1e9 / np.median(series["latency_ns"]), measure.MOST_SETTLING)
        assert len(series["warmup_ns"]) >= 7 * 0.5 * settling
        if lengths == "real":
            widths = [call[1] for call in Matrix.calls if call[0] == series["batch_size"]]
            assert widths[-1 - 2 * whole : -1] == series["tokens"] * 2
    record.check(json.loads(record.encode(record_of(result))))
    assert json.loads(Matrix.stream.getvalue().splitlines()[0])["event"] == "ready"


def _calls(stage, protocol):
    stage(protocol)
    return Matrix.calls


def test_nothing_is_sent_while_a_series_runs(stage):
    latency = stage()["series"][0]
    first = len(latency["warmup_ns"]) + len(latency["latency_ns"])
    assert len(set(Matrix.at_forward[:first])) == 1
    assert len(set(Matrix.at_forward[first:])) == 1
    assert Matrix.at_forward[0] > 0  # and the parent was told before


def test_logits_that_are_not_finite_are_a_failure_with_a_name(stage):
    with pytest.raises(StageError, match="latency at batch 2: logits are not finite") as caught:
        stage(head=np.full((16, 3), np.nan))
    assert caught.value.kind == "nan"


def test_a_slow_cell_ends_before_its_minimum(stage, monkeypatch):
    forward = Matrix.forward
    monkeypatch.setattr(Matrix, "forward", lambda self, inputs: (time.sleep(0.01), forward(self, inputs))[1])
    protocol = dataclasses.replace(PROTOCOL, min_iterations=1000, measure_seconds=0.005)
    for series in stage(protocol)["series"]:
        assert 5 <= len(series["latency_ns"]) <= 6


@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 2**40), st.integers(0, 50))
def test_batches_are_drawn_by_seed_and_block_without_repetition_while_rows_last(count, batch_size, seed, block):
    rows = some_rows(count)
    batches = measure.choose(rows, batch_size, 10, seed, block)
    again = measure.choose(rows, batch_size, 10, seed, block)
    assert len(batches) == measure.BATCHES
    for batch, same in zip(batches, again, strict=True):
        assert batch["input_ids"].shape == (batch_size, 10)
        assert all(np.array_equal(batch[name], same[name]) for name in batch)


def test_every_row_comes_once_before_any_comes_twice():
    rows = some_rows(measure.BATCHES * 3)
    seen = np.concatenate([batch["input_ids"] for batch in measure.choose(rows, 3, 10, 0, 0)])
    everything = rows.batch(range(len(rows)), 10)["input_ids"]
    assert sorted(map(tuple, seen)) == sorted(map(tuple, everything))


def test_blocks_see_other_batches():
    rows = some_rows(100)
    first, second = (measure.choose(rows, 4, 10, 0, block)[0]["input_ids"] for block in (0, 1))
    assert not np.array_equal(first, second)


def test_no_row_is_a_failure_with_a_name():
    with pytest.raises(StageError) as caught:
        measure.choose(some_rows(0), 1, 8, 0, 0)
    assert caught.value.kind == "bad_data"
