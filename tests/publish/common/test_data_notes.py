"""Below a table stands what its labels stand for, and what of the data was cut off or left out."""

from __future__ import annotations

from typing import Any

from harness.publish.common.data_notes import sentences
from harness.publish.common.recorded import index
from harness.results.records import record
from tests.publish.sample_run import SampleRun

MATCHING = {"how": "name", "labels": ["neg", "pos"], "outputs": [1, 0], "output_names": ["NEG", "pos"]}
TRUNCATION = {
    "train": {"texts": 1, "tokens": 100, "tokens_lost": 5},
    "evaluation": {"texts": 100, "tokens": 8000, "tokens_lost": 1000},
}


def notes(matching: dict[str, Any] | None = None, **dataset: Any) -> list[str]:
    """Return the sentences of a run of two cells whose records hold these fields."""
    run = SampleRun()
    for approach in ("fp32", "ptq_dynamic"):
        run.measured(run.cell(approach), set(), [10.0])
    lines = run.records()
    for line in lines:
        if line["type"] == "prepared" and matching is not None:
            line["label_matching"] = matching
        if line["type"] == "dataset":
            line.update(dataset)
        record.check(line)
    return list(sentences(index(lines)))


def test_records_that_do_not_tell_give_no_sentence():
    assert notes() == []


def test_the_matching_stands_once_for_all_cells_of_a_model():
    matched = "labels matched with the head's outputs by name: neg = output 1 (NEG), pos = output 0"
    assert notes(MATCHING) == [f"minilm on sentiment: {matched}."]


def test_what_is_cut_off_is_a_share_of_texts_and_of_tokens():
    assert notes(max_length=128, truncation=TRUNCATION) == [
        "minilm on sentiment: 25.0 % of 400 evaluation texts cut at 128 tokens, 12.5 % of all their tokens lost; "
        "10.0 % of 10 training texts cut at 128 tokens, 5.0 % of all their tokens lost."
    ]
    whole = {"texts": 0, "tokens": 100, "tokens_lost": 0}
    assert notes(max_length=128, truncation={"train": whole, "evaluation": whole}, leaked_rows_dropped=0) == []


def test_rows_left_out_and_positions_that_the_model_has_not_got_are_said():
    (text,) = notes(max_length=64, positions=64, leaked_rows_dropped=14)
    assert "14 training rows that also stand in the evaluation split left out of training" in text
    assert "task.max_length=128 bounded to the 64 positions that the model has" in text
    (text,) = notes(max_length=128, positions=512, leaked_rows_dropped=1)
    assert text == "minilm on sentiment: 1 training row that also stands in the evaluation split left out of training."
