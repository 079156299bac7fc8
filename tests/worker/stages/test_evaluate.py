"""The stage `evaluate`: one prediction a row in row order, verified precision, and a real model's own logits."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.base import Backend, ExecutedPrecision
from harness.config import schema
from harness.config.cell import Cell
from harness.data.token_rows import Rows
from harness.errors import StageError
from harness.ipc.report import Report
from harness.worker.stages import evaluate
from tests.backend_env import environment_python, program_text, run_in

CLASSES = 3


class Sums(Backend):
    """A real, small model: a table's row for each token, added up. Integers below 2**24, so that sums are exact."""

    def __init__(self, table: np.ndarray):
        self._table = table

    @staticmethod
    def supports(cell):
        return None

    def quantize(self, checkpoint, cell, train, out, report):
        raise NotImplementedError

    def load(self, artefact, cell):
        raise NotImplementedError

    def inputs(self, batch):
        return batch["input_ids"], batch["attention_mask"]

    def forward(self, inputs):
        tokens, mask = inputs
        return (self._table[tokens] * mask[..., None]).sum(axis=1)

    def logits(self, outputs):
        return outputs.astype(np.float32)

    def executed_precision(self, inputs):
        return ExecutedPrecision(0, 0, 1, "graph")


def table(seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(-1000, 1000, (50, CLASSES)).astype(np.float64)


def make_rows(ragged: list[list[int]], labels: list[Any] | None = None) -> Rows:
    return Rows(
        input_ids=np.concatenate([np.array(row, np.int64) for row in ragged]),
        token_type_ids=np.zeros(sum(map(len, ragged)), np.int64),
        offsets=np.cumsum([0, *map(len, ragged)]),
        labels=np.zeros(len(ragged), np.int64) if labels is None else np.array(labels),
    )


def report() -> Report:
    return Report(io.StringIO())


RAGGED = st.lists(st.lists(st.integers(0, 49), min_size=1, max_size=9), min_size=1, max_size=30)


@given(ragged=RAGGED, batch_size=st.integers(1, 8))
def test_logits_stand_in_row_order_whatever_the_batches(ragged, batch_size):
    rows, weights = make_rows(ragged), table()
    found = evaluate.all_logits(Sums(weights), rows, rows.by_length(batch_size), report())
    expected = np.array([weights[row].sum(axis=0) for row in ragged], np.float32)
    assert np.array_equal(found, expected)
    assert found.dtype == np.float32
    assert evaluate.predict(found, rows, "classification") == [max(range(3), key=row.__getitem__) for row in expected]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_row_whose_logit_is_not_finite_is_named(bad):
    weights = table()
    weights[49, 1] = bad
    rows = make_rows([[1], [2, 3, 4], [5, 6], [7, 49, 8], [9]])
    with pytest.raises(StageError) as caught:
        evaluate.all_logits(Sums(weights), rows, rows.by_length(2), report())
    assert (caught.value.kind, "row 3" in caught.value.message) == ("nan", True), caught.value.message


def test_logits_of_another_shape_are_no_logits():
    rows = make_rows([[1], [2]])
    flat = Sums(table())
    flat.logits = lambda outputs: outputs[0]
    with pytest.raises(StageError, match=r"shape \(3,\) for 2 rows"):
        evaluate.all_logits(flat, rows, rows.by_length(2), report())


def test_the_first_of_equal_logits_is_predicted_and_a_regression_is_the_number_itself():
    logits = np.array([[1.5, 1.5, 0.0], [0.0, 2.0, 2.0]], np.float32)
    assert evaluate.predict(logits, make_rows([[1], [2]]), "classification") == [0, 1]
    numbers = make_rows([[1], [2]], [0.5, 1.0])
    assert evaluate.predict(np.array([[0.25], [-3.5]], np.float32), numbers, "regression") == [0.25, -3.5]


def test_a_model_of_fewer_outputs_than_classes_does_not_fit():
    with pytest.raises(StageError) as caught:
        evaluate.predict(np.zeros((2, 2), np.float32), make_rows([[1], [2]], [0, 2]), "classification")
    assert (caught.value.kind, "2 outputs" in caught.value.message) == ("bad_labels", True)


@given(ragged=RAGGED, data=st.data())
def test_the_first_rows_are_the_first_of_all(ragged, data):
    limit = data.draw(st.integers(1, len(ragged)))
    rows = make_rows(ragged, list(range(len(ragged))))
    first = evaluate.first_rows(rows, limit)
    assert len(first) == limit
    assert first.labels.tolist() == list(range(limit))
    assert np.array_equal(first.input_ids, np.concatenate(ragged[:limit]))
    assert len(first.token_type_ids) == len(first.input_ids) == first.offsets[-1]
    assert first.lengths.tolist() == [len(row) for row in ragged[:limit]]


def test_no_limit_and_a_wide_one_keep_all_and_none_is_too_few():
    rows = make_rows([[1], [2]])
    assert evaluate.first_rows(rows, None) is rows
    assert evaluate.first_rows(rows, 3) is rows
    for limit in (0, -1):
        with pytest.raises(StageError, match=f"limit_evaluation={limit}"):
            evaluate.first_rows(rows, limit)


def make_cell(method: str = "none", precision: str = "fp32") -> Cell:
    approach = schema.ApproachConfig(name=method, method=method, precision=precision)
    return Cell(
        key=f"tiny/{method}",
        digest="0",
        model=schema.ModelConfig(name="tiny"),
        task=schema.TaskConfig(name="words", evaluation_batch_size=4),
        approach=approach,
        backend=schema.BackendConfig(name="eager", environment="torch"),
        tuner=schema.TunerConfig(name="none"),
        host=schema.HostConfig(name="native"),
        protocol=schema.ProtocolConfig(name="smoke"),
        labels=("tiny", "words", method, "eager", "none", "native", "smoke"),
    )


@pytest.mark.parametrize(
    ("precision", "executed", "kind"),
    [
        ("int8", ExecutedPrecision(0, 3, 20, "torch.profiler"), "no_int8_kernels"),
        ("int8", ExecutedPrecision(1, 0, 20, "torch.profiler"), None),
        ("bf16", ExecutedPrecision(5, 0, 20, "torch.profiler"), "error"),
        ("bf16", ExecutedPrecision(0, 1, 0, "torch.profiler"), None),
        ("fp32", ExecutedPrecision(0, 0, 20, "torch.profiler"), None),
    ],
)
def test_a_claim_needs_kernels_that_were_seen(precision, executed, kind):
    cell = make_cell(precision=precision)
    if kind is None:
        evaluate.verify_precision(executed, cell)
        return
    with pytest.raises(StageError) as caught:
        evaluate.verify_precision(executed, cell)
    assert caught.value.kind == kind
    assert f"torch.profiler saw {executed.int8_ops} int8, {executed.bf16_ops} bf16" in caught.value.message


_STAGE = program_text(__file__, "evaluate_stage")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("evaluate")
    generator = np.random.RandomState(0)
    ragged = [generator.randint(1, 50, generator.randint(2, 14)).tolist() for _ in range(18)]
    make_rows(ragged, generator.randint(0, 3, 18).tolist()).save(base / "evaluation.npz")
    int8 = dataclasses.replace(make_cell(), approach=schema.ApproachConfig(name="x", method="none", precision="int8"))
    return run_in(environment_python("torch"), _STAGE, base, make_cell().to_dict(), int8.to_dict())


@pytest.mark.backend("torch")
def test_a_real_model_predicts_what_it_does_of_each_row_alone(stage):
    alone = np.array(stage["alone"])
    assert np.unique(alone.argmax(axis=1)).size > 1  # else the order of the rows could not show
    assert stage["all"]["predictions"] == alone.argmax(axis=1).tolist()
    assert stage["all"]["rows"] == 18
    assert stage["all"]["executed"]["int8_ops"] == 0
    assert stage["all"]["executed"]["fp32_ops"] > 0


@pytest.mark.backend("torch")
def test_a_second_run_gives_the_same_bits(stage):
    assert len(bytes.fromhex(stage["all"]["logits_sha256"])) == hashlib.sha256().digest_size
    assert stage["again"]["logits_sha256"] == stage["all"]["logits_sha256"]
    assert stage["first"]["logits_sha256"] != stage["all"]["logits_sha256"]


@pytest.mark.backend("torch")
def test_a_limit_predicts_the_first_rows(stage):
    assert stage["first"]["rows"] == 5
    assert stage["first"]["predictions"] == stage["all"]["predictions"][:5]


@pytest.mark.backend("torch")
def test_an_fp32_model_that_claims_int8_fails(stage):
    assert stage["claimed"]["kind"] == "no_int8_kernels"


@pytest.mark.backend("torch")
def test_a_model_that_gives_nan_fails(stage):
    assert (stage["nan"]["kind"], "row" in stage["nan"]["message"]) == ("nan", True)
