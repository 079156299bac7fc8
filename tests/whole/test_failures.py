"""Bad data and bad models end as typed records with one clear line; the cells beside them are measured all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cache import cache_folder
from harness.results import store
from tests.backend_env import REPOSITORY, environment_python, program_text, run_in
from tests.whole.tiny import harness

_AXES = """
  approach: fp32
  backend: eager
  tuner: none
  host: native
  protocol:
    - smoke: {blocks: 1, limit_evaluation: null, measure_seconds: 0.02, warmup_max_seconds: 0.05,
              replacement_blocks: 0, label: tiny}
"""

_WORDS = "split.train: train, split.evaluation: test, max_length: 16, fine_tune.epochs: 1, fine_tune.frozen: []"

_MODELS = program_text(__file__, "failures_models")


def _failures(project: Path, suite: str) -> tuple[dict[str, dict], list[dict]]:
    path = next(path for path in store.runs(project / "results") if suite in path.name)
    lines = store.read_run(path)
    return {
        line["cell"].split("/")[0 if suite == "models" else 1]: line for line in lines if line["type"] == "failure"
    }, lines


def _require_no_place(lines: list[dict], project: Path, cache: Path) -> None:
    texts = [line[name] for line in lines if line["type"] == "failure" for name in ("message", "log_tail")]
    places = (project, cache, cache_folder(), REPOSITORY, Path.home())
    assert not [text for text in texts for place in places if f"{place}/" in text]


@pytest.mark.backend("torch")
def test_bad_data_fails_its_own_cells_only(project, cache):
    data = project / "data"
    rows = (data / "train.csv").read_text().splitlines()
    (data / "one_class.csv").write_text("\n".join([rows[0], *(row for row in rows if row.endswith(",yes"))]) + "\n")
    (data / "empty.csv").write_text("")
    (data / "other.csv").write_text("\n".join([rows[0], "a film,perhaps"]) + "\n")
    (project / "suites" / "data.yaml").write_text(
        f"""
name: data
axes:
  model: {{custom: {{source.path: {project / "model"}, fine_tuned: false, label: tiny}}}}
  task:
    - custom: {{source.path: {data}, {_WORDS}, label: words}}
    - custom: {{source.path: {data}, {_WORDS.replace("train: train", "train: one_class")}, label: one_class}}
    - custom: {{source.path: {data}, {_WORDS.replace("train: train", "train: empty")}, label: empty}}
    - custom: {{source.path: {data}, {_WORDS.replace("evaluation: test", "evaluation: other")}, label: unknown_label}}
    - custom: {{source.path: {data}, {_WORDS}, text: txt, label: no_column}}
    - custom: {{source.path: {data}, {_WORDS}, text: label, label: same_column}}
    - custom: {{source.path: {data}, {_WORDS.replace("train: train", "train: trian")}, label: no_file}}
    - custom: {{source.path: {data / "nowhere"}, {_WORDS}, label: no_folder}}
{_AXES}"""
    )
    finished = harness(project, cache, "run", "suite=data")
    assert finished.returncode == 3, finished.stderr
    assert "Traceback" not in finished.stderr + finished.stdout
    failures, lines = _failures(project, "data")
    wanted = {
        "one_class": ("bad_data", "yes"),
        "empty": ("bad_data", "empty.csv"),
        "unknown_label": ("bad_labels", "perhaps"),
        "no_column": ("bad_data", "did you mean 'text'"),
        "same_column": ("bad_config", "task.text and task.label both name the column 'label'"),
        "no_file": ("missing_file", "did you mean 'train.csv'"),
        "no_folder": ("missing_file", "nowhere"),
    }
    assert {name: line["kind"] for name, line in failures.items()} == {name: kind for name, (kind, _) in wanted.items()}
    for name, (_, words) in wanted.items():
        assert words in failures[name]["message"] and "\n" not in failures[name]["message"]
    assert [line["cell"].split("/")[1] for line in lines if line["type"] == "invocation"] == ["words"]
    # What a person reads now names the place; what others read later does not.
    assert str(data / "nowhere") in finished.stderr and "<project>/data/nowhere" in failures["no_folder"]["message"]
    _require_no_place(lines, project, cache)


@pytest.mark.backend("torch")
def test_bad_models_fail_their_own_cells_only(project, cache):
    folder = project / "models"
    run_in(environment_python("torch"), _MODELS, project / "model", folder)
    entries = "\n".join(
        f"    - custom: {{source.path: {folder / name}, label: {name}}}"
        for name in ("nan", "three", "damaged", "none", "words")
    )
    (project / "suites" / "models.yaml").write_text(
        f"""
name: models
axes:
  model:
{entries}
    - custom: {{source.path: {project / "model"}, fine_tuned: false, label: tiny}}
  task: {{custom: {{source.path: {project / "data"}, {_WORDS}, label: words}}}}
{_AXES}"""
    )
    finished = harness(project, cache, "run", "suite=models")
    assert finished.returncode == 3, finished.stderr
    failures, lines = _failures(project, "models")
    kinds = {name: line["kind"] for name, line in failures.items()}
    assert kinds == {
        "nan": "nan",
        "three": "bad_labels",
        "damaged": "damaged",
        "none": "missing_file",
        "words": "bad_labels",
    }
    assert "task.labels=[no,yes] if LABEL_0 is no, LABEL_1 is yes" in failures["words"]["message"]
    assert "problem: model custom has 2 (LABEL_0, LABEL_1), the task 2 (no, yes)" in finished.stderr
    assert "3" in failures["three"]["message"] and "yes" in failures["three"]["message"]
    assert [line["cell"].split("/")[0] for line in lines if line["type"] == "invocation"] == ["tiny"]
    assert any("Traceback" in line["log_tail"] for line in failures.values()), "no log could name a place"
    _require_no_place(lines, project, cache)
