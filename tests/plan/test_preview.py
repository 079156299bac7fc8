"""What ``harness plan`` says of a user's own model and data, without a framework and before anything is trained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main

TOPICS = ("business", "sport", "tech")


def write_model(folder: Path, tokenizer: dict[str, Any] | None = None, **config: Any) -> Path:
    """Write what of a checkpoint a plan reads: its config, and files where weights and vocabulary would be."""
    folder.mkdir()
    fields = {"model_type": "bert", "max_position_embeddings": 512, "architectures": ["BertForSequenceClassification"]}
    (folder / "config.json").write_text(json.dumps({**fields, **config}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]", **(tokenizer or {})}))
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "vocab.txt").write_text("[PAD]")
    return folder


def names(*labels: str) -> dict[str, str]:
    return {str(index): label for index, label in enumerate(labels)}


@pytest.fixture
def own(tmp_path):
    rows = "".join(f"{'word ' * (row % 40)}text {row},{TOPICS[row % 3]}\n" for row in range(300))
    (tmp_path / "rows.csv").write_text("sentence,topic\n" + rows)
    write_model(tmp_path / "model", id2label=names("LABEL_0", "LABEL_1", "LABEL_2"))
    return tmp_path


def plan(own: Path, *overrides: str, model: str = "model", data: str = "rows.csv", command: str = "plan") -> list[str]:
    """Return a command line over the user's own model and data."""
    return [
        *(command, "suite=quickstart", "model=custom", f"model.source.path={own / model}", "task=custom"),
        *(f"task.source.path={own / data}", "task.split.held_out=100", "task.text=sentence", "task.label=topic"),
        *overrides,
    ]


def told(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str]:
    """Return the exit status and all that is printed, in one line."""
    status = main(arguments)
    shown = capsys.readouterr()
    return status, " ".join((shown.out + shown.err).split())


def test_labels_that_no_name_or_number_orders_are_a_problem_with_its_override(own, capsys):
    status, text = told(capsys, plan(own))
    assert status == 2
    assert "model custom has 3 (LABEL_0, LABEL_1, LABEL_2), the task 3 (business, sport, tech)" in text
    assert "task.labels=[business,sport,tech] if LABEL_0 is business" in text


def test_the_offered_override_mends_it_and_the_mapping_is_shown(own, capsys):
    status, text = told(capsys, plan(own, "task.labels=[tech,business,sport]"))
    assert status == 0
    assert "by place, as task.labels says: tech = output 0 (LABEL_0), business = output 1 (LABEL_1)" in text
    assert "200 training rows, 100 evaluation rows" in text
    assert "3 classes, of the evaluation rows: tech" in text and "would be right on" in text


def test_names_are_matched_in_any_order(own, capsys):
    write_model(own / "named", id2label=names("Tech", "business", "sport"))
    status, text = told(capsys, plan(own, model="named"))
    assert status == 0
    assert "by name: business = output 1, sport = output 2, tech = output 0 (Tech)" in text


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("task.text=sentense", "no column 'sentense' (task.text); did you mean 'sentence'"),
        ("task.label=tpic", "no column 'tpic' (task.label); did you mean 'topic'"),
        ("task.labels=[tech,sport,tech]", "task.labels: 'tech' is there twice"),
        ("task.split.held_out=1000", "task.split.held_out=1000 leaves no training row of 300"),
        ("task.split.evaluation=tets", "no file for the split 'tets'"),
        ("task.metric=pearson", "task.metric=pearson is not for kind=classification; want accuracy or f1_macro"),
        ("task.kind=regression", "task.metric=accuracy is not for kind=regression; want pearson"),
        ("protocol.sequence_length=1024", "model custom has 512 positions (max_position_embeddings in config.json)"),
    ],
)
def test_a_mistake_is_found_before_anything_runs(own, capsys, override, words):
    status, text = told(capsys, plan(own, "task.labels=[tech,business,sport]", override))
    assert (status, words in text) == (2, True), text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"problem_type": "multi_label_classification"}, "multi-label tasks are not supported yet"),
        ({"architectures": ["BertForMaskedLM"]}, "config.json names BertForMaskedLM, which has no head for labels"),
        ({"id2label": names("a", "b")}, "labels do not fit the head: model custom has 2 (a, b), the task 3"),
        ({"tokenizer": {"pad_token": None}}, "the tokenizer has no pad token, and config.json neither"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_found_before_anything_runs(own, capsys, fields, words):
    write_model(own / "other", **{"id2label": names(*TOPICS), **fields})
    status, text = told(capsys, plan(own, model="other"))
    assert (status, words in text) == (2, True), text


def test_a_checkpoint_without_weights_is_found(own, capsys):
    (own / "model" / "model.safetensors").unlink()
    status, text = told(capsys, plan(own))
    assert status == 2 and "has no weights, such as model.safetensors" in text


def test_several_labels_a_row_are_found(own, capsys):
    lines = [json.dumps({"sentence": f"t {row}", "topic": ["tech", "money"][: 1 + row % 2]}) for row in range(200)]
    (own / "many.jsonl").write_text("\n".join(lines))
    status, text = told(capsys, plan(own, data="many.jsonl"))
    assert status == 2 and "many.jsonl, row" in text and "multi-label tasks are not supported yet" in text


def test_limits_and_padding_are_said(own, capsys):
    tokenizer = {"pad_token": None, "model_max_length": 10**30}
    write_model(own / "short", tokenizer, id2label=names(*TOPICS), max_position_embeddings=20, eos_token_id=7)
    status, text = told(capsys, plan(own, model="short"))
    assert status == 0
    assert "warning: task.max_length=128 is bounded to the 20 positions that the model has" in text
    assert "the tokenizer has no pad token: token 7 (eos_token_id) fills up batches" in text
    assert "of the evaluation texts are cut at 20 tokens, counted by their words alone" in text


def test_texts_that_fit_give_no_warning(own, capsys):
    assert "warning" not in told(capsys, plan(own, "task.labels=[tech,business,sport]"))[1]


def test_a_metric_that_a_hub_would_be_asked_for_is_a_warning(own, capsys):
    status, text = told(
        capsys, plan(own, "task.labels=[tech,business,sport]", "task.metric=acuracy", "task.trust_remote_code=true")
    )
    assert status == 0
    assert "warning: metric acuracy is not ours: its code" in text and "did you mean 'accuracy'" in text


def test_a_backend_that_cannot_read_the_architecture_is_left_out_with_its_reason(own, capsys):
    write_model(own / "deberta", id2label=names(*TOPICS), model_type="deberta-v2")
    arguments = plan(own, "backend=eager,tensorflow", "--json", model="deberta")
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert all("/eager/" in cell["key"] for cell in found["cells"])
    reasons = {one["because"] for one in found["excluded"] if "/fp32/tensorflow/" in one["key"]}
    assert any("model_type deberta-v2 in config.json of custom is not ported to this backend" in one for one in reasons)
    (one,) = found["inputs"]
    assert one["problem"] is None and any("by name" in line for line in one["told"])
    assert one["warnings"] == ["model_type deberta-v2 of config.json was not tried with eager, and may fail there"]


def test_a_run_of_nothing_but_problems_does_not_begin(own, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    status, text = told(capsys, [*plan(own, command="run"), "--results", str(tmp_path / "results")])
    assert status == 2 and "the order of the outputs: task.labels=[business,sport,tech] if LABEL_0 is business" in text
    assert not (tmp_path / "results").exists()


def test_what_a_user_did_not_bring_is_not_opened(capsys):
    assert main(["plan", "suite=quickstart", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"] == []


def test_no_framework_is_imported_for_it(own):
    code = (
        "import sys; from harness.__main__ import main; status = main(sys.argv[1:]); "
        "print(sorted({'torch', 'tensorflow', 'transformers', 'datasets', 'evaluate'} & set(sys.modules)), status)"
    )
    arguments = plan(own, "task.labels=[tech,business,sport]")
    finished = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert finished.stdout.splitlines()[-1] == "[] 0", finished.stderr
