"""The seed's "Get Started" and each defect of the original that must not come back, on a real tiny fine-tuning."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backend_env import environment_python, run_in
from tests.backends.torch_tiny import LINEARS

pytestmark = pytest.mark.backend("torch")

#: The seed's script, word by word.
SCRIPT = """
from intel_extension_for_transformers.optimization import metric, objectives, QuantizationConfig
from intel_extension_for_transformers.optimization.trainer import NLPTrainer
# Replace transformers.Trainer with NLPTrainer
# trainer = transformers.Trainer(......)
trainer = NLPTrainer(......)
metric = metrics.Metric(
    name="eval_f1", is_relative=True, criterion=0.01
)
objective = objectives.performance
q_config = QuantizationConfig(
    approach="PostTrainingStatic",
    metrics=[metric],
    objectives=[objective]
)
model = trainer.quantize(quant_config=q_config)
"""

_RUN = """
from pathlib import Path
from tests.optimization.trainer_scenarios import everything
print(json.dumps(everything(Path(ARGS[0]), ARGS[1])))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # It imports `metric` and then uses `metrics`: the one typo that no import root can fix.
    script = SCRIPT.replace("intel_extension_for_transformers.", "harness.").replace(
        "import metric,", "import metrics,"
    )
    return run_in(environment_python("torch"), _RUN, tmp_path_factory.mktemp("trainer"), script)


def test_the_seeds_script_gives_a_real_int8_model_that_keeps_its_accuracy(found: dict[str, Any]) -> None:
    script = found["script"]
    assert found["fp32"] > 0.9
    assert (script["status"], script["reason"]) == ("ok", "met")
    assert script["int8"] == LINEARS - script["fallback"] > 0
    reading = script["trials"][-1]["accuracy"]["eval_f1"]
    assert reading["value"] >= script["baseline"]["eval_f1"] * 0.99 - 1e-12
    assert script["predicted"] == script["loaded"] >= found["fp32"] - 0.02
    assert script["same result"]


def test_the_trainer_takes_the_model_for_evaluation_and_saving(found: dict[str, Any]) -> None:
    assert found["evaluated"] == found["script"]["predicted"]
    assert found["saved by trainer"]
    assert "has no floating-point linear layer" in found["quantized again"]


def test_calibration_sees_exactly_the_first_rows_in_their_order(found: dict[str, Any]) -> None:
    assert found["script"]["shown"] == list(range(100))
    assert found["second"]["shown"] == list(range(37))


def test_a_second_quantize_goes_by_the_second_config(found: dict[str, Any]) -> None:
    assert {trial["method"] for trial in found["script"]["trials"]} == {"static"}
    assert {trial["method"] for trial in found["second"]["trials"]} == {"dynamic"}
    assert found["second"]["int8"] == LINEARS


def test_several_metrics_and_objectives_are_all_there(found: dict[str, Any]) -> None:
    (trial,) = found["several"]["trials"]
    assert set(trial["accuracy"]) == {"eval_f1", "eval_accuracy", "eval_loss", "eval_zero"}
    assert trial["measured"] == {"layers": 1.0}
    assert trial["latency_ns"] > 0
    assert trial["size_bytes"] < found["several"]["baseline"]["size_bytes"]
    assert trial["rows"] == found["rows"]


def test_when_nothing_passes_the_closest_comes_back_with_a_warning(found: dict[str, Any]) -> None:
    hopeless = found["hopeless"]
    assert (hopeless["status"], hopeless["reason"]) == ("inaccurate", "exhausted")
    # Each quantized layer costs the made-up metric, so the closest has one left.
    assert hopeless["fallback"] == LINEARS - 1
    assert hopeless["kernels"] == 1
    (line,) = hopeless["warnings"]
    assert f"none of {len(hopeless['trials'])} trials met the criterion" in line and "eval_kept 0.99, FP32 1" in line


def test_what_falls_back_runs_in_bfloat16_when_asked_to(found: dict[str, Any]) -> None:
    assert found["hopeless"]["bf16"] == LINEARS - 1
    assert found["hopeless"]["loaded"]


def test_a_finished_tuning_is_not_run_again(found: dict[str, Any]) -> None:
    assert found["resumed"]["evaluations"] == 0
    assert found["resumed"]["status"] == "ok"
    assert "of another tuning" in found["other history"]


def test_a_timeout_inside_a_trial_loses_no_passing_model(found: dict[str, Any]) -> None:
    assert (found["timeout"]["status"], found["timeout"]["reason"]) == ("ok", "timeout")
    assert [trial["status"] for trial in found["timeout"]["trials"]] == ["ok", "timeout"]


def test_qat_trains_on_the_trainers_data_and_converts_to_int8(found: dict[str, Any]) -> None:
    qat = found["qat"]
    assert qat["status"] == "ok"
    assert qat["int8"] == LINEARS - qat["fallback"] > 0
    assert qat["weights moved"]
    # Calibration rows once, and the training set at least once.
    assert qat["rows trained"] >= 100 + 600
    assert qat["predicted"] >= found["fp32"] - 0.03


def test_accuracy_has_a_paired_interval_and_what_is_no_mean_over_rows_has_none(found: dict[str, Any]) -> None:
    readings = found["several"]["trials"][0]["accuracy"]
    share = readings["eval_accuracy"]
    assert share["low"] < share["difference"] < share["high"]
    assert (readings["eval_f1"]["low"], readings["eval_f1"]["state"]) == (None, "undecided")


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("zero", "metric 'eval_zero': FP32 has 0, of which no share can be lost"),
        ("name", "did you mean 'eval_accuracy'"),
        ("metrics", "want at least one Metric that names a value of trainer.evaluate()"),
        ("config", "'PostTrainingStatic' is no QuantizationConfig"),
        ("rows", "sampling_size=601: want 1 to 600, the calibration rows there are"),
        ("train", "train_dataset is missing"),
        ("evaluation", "eval_dataset is missing"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(found: dict[str, Any], what: str, line: str) -> None:
    assert line in found["refused"][what]
    assert "\n" not in found["refused"][what]


def test_the_trainer_and_its_model_are_as_they_were(found: dict[str, Any]) -> None:
    assert found["unchanged"]
    assert found["still trains"]
