"""Scores: of our metrics against counts by hand, and of those that bring their code, through `evaluate`."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from harness.config.schema import TaskConfig
from tests.backend_env import environment_python, run_in

pytestmark = pytest.mark.backend("torch")

_SCORE = """
import traceback, warnings
from harness.errors import StageError
from harness.config.cell import from_dict
from harness.config.schema import TaskConfig
from harness.tasks.score import score
warnings.simplefilter("ignore")

def outcome(name, predictions, references, task):
    try:
        return score(name, predictions, references, from_dict(TaskConfig, task))
    except StageError as error:
        return {"kind": error.kind, "message": error.message}
    except Exception:
        return {"kind": "uncaught", "message": traceback.format_exc()}

(cases,) = ARGS
found = {name: outcome(*case) for name, case in cases.items()}
print(json.dumps(found))
"""

_TWO_VALUES = """
import datasets
import evaluate

class Counts(evaluate.Metric):
    def _info(self):
        value = datasets.Value("int32")
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="",
            features=datasets.Features({"predictions": value, "references": value}),
        )

    def _compute(self, predictions, references):
        if len(predictions) > 4:
            raise ValueError("at most four rows\\nand no more")
        return {"right": sum(p == r for p, r in zip(predictions, references)), "rows": len(predictions)}
"""

#: Confusion by hand: class 0 is met 3 of 4 times and wrongly said once; class 1 is met 1 of 2 times, wrongly said once.
REFERENCES = [0, 0, 0, 0, 1, 1]
PREDICTIONS = [0, 0, 0, 1, 1, 0]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    counts = tmp_path_factory.mktemp("metrics") / "counts"
    counts.mkdir()
    (counts / "counts.py").write_text(_TWO_VALUES)
    marked = counts.with_name("marked")
    marked.mkdir()
    (marked / "marked.py").write_text(f"open({str(marked / 'ran')!r}, 'w').close()\n{_TWO_VALUES}")

    def case(name: str | Path, predictions: list[Any], references: list[Any], **fields: Any) -> list[Any]:
        task = dataclasses.asdict(TaskConfig(name="words", **{"trust_remote_code": True, **fields}))
        return [str(name), predictions, references, task]

    cases = {
        **{name: case(name, PREDICTIONS, REFERENCES) for name in ("accuracy", "f1_macro", "matthews")},
        "pearson": case("pearson", [1.0, 2.0, 4.0], [2.0, 4.0, 9.0], kind="regression"),
        "a class never said": case("f1_macro", [0, 0, 0, 0], [0, 0, 1, 1]),
        "less is better": case("accuracy", [0, 1], [0, 1], greater_is_better=False),
        "constant": case("pearson", [1.0, 1.0, 1.0], [1.0, 2.0, 3.0], kind="regression"),
        "uniform": case("perplexity", [math.log(50)] * 3, [7, 7, 2], greater_is_better=False),
        "hopeless": case("perplexity", [1e4, 1.0], [7, 7], greater_is_better=False),
        "a key": case(counts, [0, 1], [0, 0], metric_key="right"),
        "no key": case(counts, [0, 1], [0, 0]),
        "a wrong key": case(counts, [0, 1], [0, 0], metric_key="rigth"),
        "refused values": case(counts, [0] * 5, [0] * 5),
        "rows that do not fit": case("accuracy", [0, 1], [0]),
        "a hub's": case("bleurt", [0, 1], [0, 1]),
        "misspelt": case("acuracy", [0, 1], [0, 1]),
        "a key, not trusted": case(marked, [0, 1], [0, 0], trust_remote_code=False),
        "a hub's, not trusted": case("bleurt", [0, 1], [0, 1], trust_remote_code=False),
    }
    found = run_in(environment_python("torch"), _SCORE, cases)
    return {**found, "ran": (marked / "ran").exists()}


def test_the_code_of_a_metric_that_is_not_trusted_does_not_run(scored):
    assert scored["ran"] is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 4 / 6),
        # F1 is 2 tp / (2 tp + fp + fn).
        ("f1_macro", (6 / 8 + 2 / 4) / 2),
        # (tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn))
        ("matthews", (1 * 3 - 1 * 1) / math.sqrt(2 * 2 * 4 * 4)),
        # covariance 22/3, variances 14/3 and 26 of thrice as many
        ("pearson", 11 / math.sqrt(14 / 3 * 26)),
    ],
)
def test_values_counted_by_hand(scored, name, value):
    assert scored[name] == {"name": name, "value": pytest.approx(value, abs=1e-12), "greater_is_better": True}


def test_a_model_that_knows_nothing_is_undecided_among_all_words(scored):
    assert scored["uniform"] == {"name": "perplexity", "value": pytest.approx(50), "greater_is_better": False}


def test_a_loss_beyond_all_numbers_is_no_value(scored):
    assert scored["hopeless"]["kind"] == "nan"


def test_a_class_that_is_never_predicted_counts_nothing(scored):
    assert scored["a class never said"]["value"] == pytest.approx((4 / 6 + 0) / 2)


def test_the_task_says_which_way_is_better(scored):
    assert scored["less is better"]["greater_is_better"] is False


def test_a_metric_of_several_values_gives_the_one_asked_for(scored):
    assert scored["a key"]["value"] == 1
    assert scored["a key"]["name"].endswith(".right")


@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ("constant", "nan", "pearson"),
        ("no key", "bad_config", "valid: right, rows"),
        ("a wrong key", "bad_config", "did you mean 'right'?"),
        ("refused values", "bad_config", "at most four rows"),
        ("rows that do not fit", "bad_config", "accuracy"),
        ("a hub's", "no_network", "bleurt"),
        ("misspelt", "no_network", "did you mean 'accuracy'?"),
        ("a key, not trusted", "bad_config", "brings its own code; task.trust_remote_code=true runs it"),
        ("a hub's, not trusted", "bad_config", "task.trust_remote_code=true"),
    ],
)
def test_what_cannot_be_scored_has_a_named_failure(scored, case, kind, says):
    assert (scored[case].get("kind"), says in scored[case].get("message", "")) == (kind, True), scored[case]
    assert "\n" not in scored[case]["message"]
