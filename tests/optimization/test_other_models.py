"""Quantizing models that are no classifiers of texts: answers, embeddings, several labels, GPT-2."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.backend_env import environment_python, run_in

pytestmark = pytest.mark.backend("torch")

_RUN = """
from pathlib import Path
from tests.optimization.other_models import everything
print(json.dumps(everything(Path(ARGS[0]))))
"""

MODELS = ("answers", "embeddings", "labels", "number", "gpt2")
APPROACHES = ("PostTrainingStatic", "PostTrainingDynamic", "QuantizationAwareTraining")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_in(environment_python("torch"), _RUN, tmp_path_factory.mktemp("other_models"))


@pytest.mark.parametrize(("model", "approach"), itertools.product(MODELS, APPROACHES))
def test_each_kind_of_model_is_quantized_whole(found: dict[str, Any], model: str, approach: str) -> None:
    one = found[f"{model} {approach}"]
    assert (one["status"], one["fallback"], one["warned"]) == ("ok", [], []), one


@pytest.mark.parametrize("approach", APPROACHES)
def test_the_products_of_gpt2_run_in_int8(found: dict[str, Any], approach: str) -> None:
    # Two texts of five tokens ... the batch is 4 x 5: 12 x 32^2 a token and layer, the head's 3 x 32 a token, and
    # two products of 5 x 5 scores a layer in FP32.
    layers, head, attention = 4 * 5 * 2 * 12 * 32**2, 4 * 5 * 3 * 32, 4 * 2 * 2 * 5 * 5 * 32
    assert found[f"gpt2 {approach}"]["share"] == pytest.approx((layers + head) / (layers + head + attention))


@pytest.mark.parametrize(("approach", "use_bf16"), itertools.product(APPROACHES, (False, True)))
def test_a_quantized_gpt2_is_saved_and_loaded(found: dict[str, Any], approach: str, use_bf16: bool) -> None:
    # With a layer that falls back, in FP32 or BF16: its weight must not come back the other way round.
    assert found[f"saved {approach} {use_bf16}"] == [True, 0]


def test_a_trainer_quantizes_what_answers_questions_with_dynamic_padding(found: dict[str, Any]) -> None:
    assert found["trainer"] == {"status": "ok", "fallback": 0}


def test_one_calibration_row_is_enough(found: dict[str, Any]) -> None:
    assert found["one row"]["status"] == "ok"


def test_a_model_of_which_little_is_quantized_is_said_to_be(found: dict[str, Any]) -> None:
    one = found["mostly products"]
    assert one["share"] == pytest.approx(4 / 68)
    assert one["warned"] == ["quantize: only 5.9 % of the model's multiplications run in INT8"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no tensor", "model: its output, dict, holds no tensor"),
        ("another argument", "calibration: the model cannot take these batches: TypeError"),
        ("tokens out of range", "calibration: the model cannot take these batches: IndexError"),
        ("no number", "evaluate: its answer is str; want a number"),
        ("no rows", "evaluate: right is list; want one number a row"),
    ],
)
def test_what_cannot_be_meant_is_one_line(found: dict[str, Any], name: str, words: str) -> None:
    kind, message = found["refused"][name]
    assert kind == "TuningError"
    assert message.startswith(words)
    assert "\n" not in message
