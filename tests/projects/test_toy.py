"""A project of a user's own with a backend, a metric and a reader: planned and run as the harness's own options are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.__main__ import main
from harness.cache import cache_folder
from harness.registry import BACKENDS, METRICS, READERS, SEARCHES, use_project
from harness.results import store
from tests.backend_env import built
from tests.whole import tiny

TOY = Path(__file__).parent / "toy"


@pytest.fixture(autouse=True)
def _no_project_is_left() -> Iterator[None]:
    yield
    use_project(None)


def test_its_plugins_are_found():
    use_project(TOY)
    here = ((BACKENDS, "plain"), (METRICS, "balanced_accuracy"), (READERS, "lines"), (SEARCHES, "first_recipe"))
    for kind, name in here:
        assert kind.file(name) == TOY / "plugins" / f"{name}.py"


def test_a_plan_shows_its_cells(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    words = ["plan", "suite=toy", "model=minilm", f"task.source.path={tmp_path}", "--json", "--project", str(TOY)]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    places = [cell["key"].split("/")[-5:] for cell in found["cells"]]
    assert places == [[approach, "plain", "none", "native", "smoke"] for approach in ("fp32", "ptq_dynamic")]
    assert found["excluded"] == [] and found["environments"] == ["torch"]


def test_what_its_backend_cannot_run_is_left_out_with_the_reason(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    words = ["plan", "suite=toy", "model=minilm", "approach=fp32,qat", f"task.source.path={tmp_path}", "--json"]
    assert main([*words, "--project", str(TOY)]) == 0
    (one,) = json.loads(capsys.readouterr().out)["excluded"]
    assert "/qat/plain/" in one["key"] and one["because"].startswith("approach.method=qat: this backend offers")


def test_its_search_tunes_the_cells_of_the_harness_s_own_backends(capsys: pytest.CaptureFixture[str]):
    words = ["plan", "suite=tuning", "tuner=first_recipe", "backend=eager,fx,onnxruntime,ipex", "--json"]
    assert main([*words, "--project", str(TOY)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {cell["key"].split("/")[3] for cell in found["cells"]} == {"eager", "fx", "onnxruntime"}
    assert main(["plan", "suite=tuning", "approach=dynamic_tensor", "tuner=basic", "tuner.strategy=first_recipe"]) == 2
    assert "tuner.strategy=first_recipe: no such search" in capsys.readouterr().err


def write_lines(data: Path) -> None:
    """Turn the CSV files of a tiny project into what the reader of this one takes."""
    for file in data.glob("*.csv"):
        rows = (line.rsplit(",", 1) for line in file.read_text().splitlines()[1:])
        file.with_suffix(".txt").write_text("".join(f"{label}\t{text}\n" for text, label in rows))
        file.unlink()


@pytest.mark.backend("torch")
def test_a_run_of_it_has_its_metric_s_value_and_an_interval(tmp_path: Path):
    built("torch")
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "environments").symlink_to(cache_folder() / "environments")
    project = tiny.make_project(tmp_path / "project")
    write_lines(project / "data")
    shutil.copytree(TOY, project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))

    model = (f"model.source.path={project / 'model'}", "model.fine_tuned=false")
    words = ("suite=toy", "approach=fp32", *model, f"task.source.path={project / 'data'}")
    finished = tiny.harness(project, cache, "run", *words)
    assert finished.returncode == 0, finished.stderr
    (path,) = store.runs(project / "results")
    lines = store.read_run(path)
    assert [line for line in lines if line["type"] == "failure"] == []
    (accuracy,) = (line for line in lines if line["type"] == "accuracy")
    assert accuracy["metric"]["name"] == "balanced_accuracy" and accuracy["metric"]["greater_is_better"]
    assert 0.6 < accuracy["metric"]["value"] <= 1, "words of the two classes differ, so it is learnt"

    row = row_of(project, path.stem)
    assert (row["backend"], row["metric"]) == ("plain", "balanced_accuracy")
    assert row["status"] in ("ok", "disturbed", "unstable"), "a busy machine may disturb the timing"
    assert row["value"] == pytest.approx(accuracy["metric"]["value"])
    assert 0 <= row["value_low"] < row["value"] <= row["value_high"] <= 1

    # Without the project nothing runs its metric's code: the recorded value is shown, and no interval is known.
    assert main(["table", path.stem, "--results", str(project / "results")]) == 0
    alone = row_of(project, path.stem)
    assert alone["value"] == row["value"] and pd.isna(alone["value_low"])


def row_of(project: Path, run: str) -> dict[str, Any]:
    """Return the only row of a run's table."""
    (row,) = pd.read_csv(project / "results" / "tables" / f"{run}.csv").to_dict("records")
    return row
