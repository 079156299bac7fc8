"""The stage `tokenise`: the tokens, and fingerprints that are the same everywhere and miss no change."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config.schema import SplitConfig, TaskConfig
from harness.data.token_rows import Rows, origin
from harness.errors import StageError
from harness.worker.stages.tokenise import CHUNK_ROWS, facts, reader
from tests.backend_env import environment_python, program_text, run_in

pytestmark = pytest.mark.backend("torch")

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "##s")
PAD, UNK, CLS, SEP = range(4)
A, GOOD, BAD, FILM, PLURAL = range(5, 10)

_STAGE = program_text(__file__, "tokenise_stage")

TRAIN = [("a good film", "yes"), ("a bad film", "no"), ("good films", "yes"), ("bad bad bad bad bad bad bad", "no")]
EVALUATION = [("a good bad film", "no"), ("odd film", "yes")]


def write(folder: Path, train: list[tuple[str, ...]], evaluation: list[tuple[str, ...]], header: str) -> None:
    folder.mkdir()
    for name, rows in (("train", train), ("test", evaluation)):
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([header.split(","), *rows])


def task(**fields: Any) -> dict[str, Any]:
    split = SplitConfig(train="train", evaluation="test")
    return dataclasses.asdict(TaskConfig(name="words", split=split, **{"max_length": 6, **fields}))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tokenise")
    write(base / "plain", TRAIN, EVALUATION, "text,label")
    write(base / "changed", [("a goof film", "yes"), *TRAIN[1:]], EVALUATION, "text,label")
    write(base / "moved", [TRAIN[1], TRAIN[0], *TRAIN[2:]], EVALUATION, "text,label")
    write(base / "relabelled", [(TRAIN[0][0], "no"), *TRAIN[1:]], EVALUATION, "text,label")
    write(base / "pairs", [("a", "good film", "1"), ("bad", "film", "0")], [("a", "a", "1")], "text,other,label")
    # Longer than a chunk, and each row told from its neighbours by its length.
    many = [("film " * (1 + row % 7) + f"u{row}", str(row % 2)) for row in range(2 * CHUNK_ROWS + 1)]
    write(base / "many", many, [("film", "1")], "text,label")
    write(base / "numbers", [("a film", "0.5"), ("good", "-2")], [("bad", "1"), ("a", "3")], "text,label")
    return base


def run(base: Path, out: Path, names: tuple[str, ...]) -> dict[str, Any]:
    cases = {
        "plain": ("plain", "words", task()),
        "changed": ("changed", "words", task()),
        "moved": ("moved", "words", task()),
        "relabelled": ("relabelled", "words", task()),
        "other order": ("plain", "words", task(labels=("yes", "no"))),
        "other words": ("plain", "more", task()),
        "short model": ("plain", "short", task()),
        "few positions": ("plain", "few", task()),
        "RoBERTa's positions": ("plain", "roberta", task()),
        "no pad token": ("plain", "ended", task()),
        "nothing to pad with": ("plain", "endless", task()),
        "pairs": ("pairs", "words", task(text_pair="other")),
        "many": ("many", "words", task(max_length=16)),
        "numbers": ("numbers", "words", task(kind="regression")),
    }
    vocabularies = {"words": (WORDS, 32), "more": ((*WORDS, "odd"), 32), "short": (WORDS, 4)}
    vocabularies |= dict.fromkeys(("few", "roberta", "ended", "endless"), (WORDS, 32))
    chosen = {name: cases[name] for name in names or cases}
    return run_in(environment_python("torch"), _STAGE, base, out, chosen, vocabularies)


@pytest.fixture(scope="module")
def done(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("tokenised")
    return out, run(base, out, ())


def ids(rows: Rows) -> list[list[int]]:
    return [part.tolist() for part in np.split(rows.input_ids, rows.offsets[1:-1])]


def test_tokens_are_those_of_the_vocabulary_cut_to_the_tasks_length(done):
    rows = Rows.load(done[0] / "plain" / "train.npz")
    assert ids(rows) == [
        [CLS, A, GOOD, FILM, SEP],
        [CLS, A, BAD, FILM, SEP],
        [CLS, GOOD, FILM, PLURAL, SEP],
        [CLS, BAD, BAD, BAD, BAD, SEP],
    ]
    assert rows.labels.tolist() == [1, 0, 1, 0]
    assert rows.pad_id == PAD
    assert done[1]["plain"]["labels"] == ["no", "yes"]
    assert facts(done[0] / "plain") == {
        **{"kind": "classification", "labels": ["no", "yes"]},
        **{"max_length": 6, "positions": None, "pad_id": PAD},
    }


def test_the_evaluation_rows_are_those_of_the_result(done):
    rows = Rows.load(done[0] / "plain" / "evaluation.npz")
    expected = {(CLS, A, GOOD, BAD, FILM, SEP): 0, (CLS, UNK, FILM, SEP): 1}
    assert dict(zip(map(tuple, ids(rows)), rows.labels.tolist(), strict=True)) == expected
    assert done[1]["plain"]["references"] == rows.labels.tolist()
    assert done[1]["plain"]["rows"] == {"train": 4, "evaluation": 2}


def test_what_is_cut_off_is_counted(done):
    # [CLS] and [SEP] stand around each text; one of nine tokens is cut to six.
    assert done[1]["plain"]["truncation"] == {
        "train": {"texts": 1, "tokens": 5 + 5 + 5 + 9, "tokens_lost": 3},
        "evaluation": {"texts": 0, "tokens": 6 + 4, "tokens_lost": 0},
    }
    assert done[1]["pairs"]["truncation"]["train"] == {"texts": 0, "tokens": 6 + 5, "tokens_lost": 0}


def test_rows_are_called_by_their_place_in_the_users_file(done):
    # The first after the header is the longer one, wherever the shuffling has put it.
    lengths = Rows.load(done[0] / "plain" / "evaluation.npz").lengths.tolist()
    place = lengths.index(6)
    assert origin(done[0] / "plain", place) == f"evaluation row {place} (test.csv, row 2)"
    assert origin(done[0] / "plain", 1 - place) == f"evaluation row {1 - place} (test.csv, row 3)"
    assert origin(done[0], 7) == "evaluation row 7"


def test_positions_of_the_model_bound_the_rows(done):
    for name, there in (("few positions", 4), ("RoBERTa's positions", 4)):
        assert (done[1][name]["positions"], done[1][name]["max_length"]) == (there, there)
        assert max(Rows.load(done[0] / name / "train.npz").lengths) == there
        assert facts(done[0] / name)["positions"] == there


def test_a_tokenizer_without_a_pad_token_takes_the_end_of_text(done):
    assert done[1]["no pad token"]["pad_id"] == Rows.load(done[0] / "no pad token" / "train.npz").pad_id == SEP
    failed = done[1]["nothing to pad with"]
    assert failed["kind"] == "bad_config" and "want pad_token in tokenizer_config.json" in failed["message"]


def test_a_models_own_limit_is_not_passed(done):
    assert done[1]["short model"]["max_length"] == 4
    assert max(Rows.load(done[0] / "short model" / "train.npz").lengths) == 4


def test_a_pair_has_two_segments(done):
    rows = Rows.load(done[0] / "pairs" / "train.npz")
    assert ids(rows) == [[CLS, A, SEP, GOOD, FILM, SEP], [CLS, BAD, SEP, FILM, SEP]]
    assert rows.token_type_ids.tolist() == [*(0, 0, 0, 1, 1, 1), *(0, 0, 0, 1, 1)]


def test_rows_stay_in_order_across_chunks(done):
    rows = Rows.load(done[0] / "many" / "train.npz")
    numbers = np.arange(2 * CHUNK_ROWS + 1)
    assert np.array_equal(rows.lengths, 3 + 1 + numbers % 7)
    assert np.array_equal(rows.labels, numbers % 2)


def test_a_regressions_labels_are_its_numbers(done):
    rows = Rows.load(done[0] / "numbers" / "train.npz")
    assert (rows.labels.dtype, rows.labels.tolist()) == (np.float32, [0.5, -2.0])
    assert done[1]["numbers"]["labels"] == []


def test_the_checked_rows_are_kept_as_a_data_set(done):
    texts, labels = done[1]["kept"]["train"]
    assert texts == [text for text, _ in TRAIN]
    assert labels == [1, 0, 1, 0]


def test_a_fingerprint_is_the_hash_of_the_rows_as_json_lines(done):
    lines = "".join(json.dumps(list(row), separators=(",", ":")) + "\n" for row in TRAIN)
    assert done[1]["plain"]["fingerprints"]["train"] == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("change", ["changed", "moved", "relabelled"])
def test_one_change_of_the_data_changes_the_fingerprint_of_its_split_only(done, change):
    before, after = done[1]["plain"]["fingerprints"], done[1][change]["fingerprints"]
    assert after["train"] != before["train"]
    assert after["evaluation"] == before["evaluation"]


def test_the_order_of_the_labels_is_no_content_of_the_rows(done):
    assert done[1]["other order"]["labels"] == ["yes", "no"]
    assert done[1]["other order"]["fingerprints"] == done[1]["plain"]["fingerprints"]
    assert Rows.load(done[0] / "other order" / "train.npz").labels.tolist() == [0, 1, 0, 1]


def test_a_tokenizer_is_its_vocabulary_and_not_how_it_was_last_called(done):
    before, after = done[1]["tokenizer"]
    assert before == after == done[1]["plain"]["tokenizer_fingerprint"]
    assert done[1]["other words"]["tokenizer_fingerprint"] != before
    assert done[1]["other words"]["fingerprints"] == done[1]["plain"]["fingerprints"]


def test_another_process_gives_the_same_fingerprints_and_the_same_bytes(base, done, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    again = run(base, tmp_path, ("plain",))["plain"]
    for name in ("fingerprints", "tokenizer_fingerprint", "references"):
        assert again[name] == done[1]["plain"][name], name
    for name in ("train.npz", "evaluation.npz"):
        with np.load(done[0] / "plain" / name) as first, np.load(tmp_path / "plain" / name) as second:
            assert all(first[array].tobytes() == second[array].tobytes() for array in first.files), name


def test_an_unknown_reader_is_named_with_the_nearest():
    with pytest.raises(StageError, match="no reader 'tabel'; did you mean 'table'"):
        reader("tabel")
