"""The stage `score`: predictions are held against the rows they were made of, and no others."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

from harness.config.schema import TaskConfig
from harness.data.token_rows import Rows
from tests.backend_env import environment_python, program_text, run_in

pytestmark = pytest.mark.backend("torch")

_STAGE = program_text(__file__, "score_stage")


def saved(folder: Path, labels: np.ndarray) -> str:
    """Write evaluation rows of one token each with these labels."""
    folder.mkdir()
    count = len(labels)
    rows = Rows(np.arange(count), np.zeros(count, np.int64), np.arange(count + 1), labels)
    rows.save(folder / "evaluation.npz")
    return str(folder)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    base = tmp_path_factory.mktemp("score")
    classes = saved(base / "classes", np.array([0, 1, 2, 1, 0, 2]))
    numbers = saved(base / "numbers", np.array([0.5, -1.0, 2.0, 4.0], np.float32))
    plain = dataclasses.asdict(TaskConfig(name="words", metric="accuracy"))
    regression = dataclasses.asdict(TaskConfig(name="words", kind="regression", metric="pearson"))
    cases = {
        "all rows": (classes, [0, 1, 2, 1, 0, 0], plain),
        # A protocol with a limit predicts the first rows only.
        "first rows": (classes, [0, 1, 0], plain),
        "numbers": (numbers, [1.0, -2.0, 4.0, 8.0], regression),
    }
    return run_in(environment_python("torch"), _STAGE, cases)


@pytest.mark.parametrize(
    ("case", "name", "value"),
    [("all rows", "accuracy", 5 / 6), ("first rows", "accuracy", 2 / 3), ("numbers", "pearson", 1.0)],
)
def test_the_metric_is_of_the_rows_predicted(scored, case, name, value):
    metric = scored[case]["metric"]
    assert metric == {"name": name, "value": pytest.approx(value), "greater_is_better": True}


def test_the_parent_hears_of_it(scored):
    message = json.loads(io.StringIO(scored["all rows"]["sent"]).readline())
    assert (message["stage"], message["total"], message["note"]) == ("score", 6, "accuracy")
