"""The stage `tune` on backends whose candidates are artefacts of their own: planted ops, limits, and what is left.

A tiny BERT has outlier channels between attention and the layer behind it, so that ranges of whole tensors fail there.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.backend_env import environment_python, program_text, run_in
from tests.worker.stages.tuned_words import PLANTED, ROWS

_TUNE = program_text(__file__, "tune_backends_tune")

#: In another process, as a run would: the artefact of the tuner, and that of its recipe without a tuner.
_EVALUATE = program_text(__file__, "tune_backends_evaluate")

#: Their trials take minutes; test_foreign_tune.py tunes these backends in every run of the tests.
SLOW = {"pt2e", "openvino"}

BACKENDS = {"fx": "torch", "pt2e": "torchao", "onnxruntime": "onnxruntime", "openvino": "openvino"}

#: Where a product of attention is quantized too, the one that takes the planted values has outliers as well.
BAD = {
    "fx": {f"{PLANTED}.output.dense", f"{PLANTED}.self.value"},
    "pt2e": {f"{PLANTED}.output.dense"},
    "onnxruntime": {f"{PLANTED}.output.dense", f"{PLANTED}.self/MatMul_1"},
}

FILES = {
    "fx": {"model.pt"},
    "pt2e": {"model.pt2"},
    "onnxruntime": {"model.onnx"},
    "openvino": {"model.xml", "model.bin"},
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.backend(environment), *[pytest.mark.hours] * (name in SLOW)])
        for name, environment in BACKENDS.items()
    ],
)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def base(backend: str, tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp(backend)


@pytest.fixture(scope="module")
def found(backend: str, base) -> dict[str, Any]:
    return run_in(environment_python(BACKENDS[backend]), _TUNE, base, backend)


def test_planted_ops_fall_back_first_within_the_bound_of_evaluations(found: dict[str, Any], backend: str) -> None:
    told, ops = found["sensitivity"]["told"], found["ops"]
    assert [trial["status"] for trial in told] == ["inaccurate"] * (len(told) - 1) + ["ok"]
    assert not told[0]["fallback"] and 2 <= len(told) <= math.floor(math.log2(len(ops))) + 3
    assert f"{PLANTED}.output.dense" in told[-1]["fallback"]
    if backend in BAD:
        # The ranges of OpenVINO's layers come after SmoothQuant, which evens out channels.
        assert set(told[1]["fallback"]) <= BAD[backend]
    assert set(told[-1]["fallback"]) < set(ops)


def test_the_artefact_is_the_chosen_trial_in_a_fresh_process(found: dict[str, Any], backend: str, base) -> None:
    result, chosen = found["sensitivity"]["result"], found["sensitivity"]["told"][-1]
    assert result["tuned"]["status"] == "ok" and result["tuned"]["chosen"] == chosen["index"]
    assert result["fallback"] == chosen["fallback"]
    assert result["quantized_layers"] == len(found["ops"]) - len(chosen["fallback"])
    assert set(found["sensitivity"]["files"]) == FILES[backend]
    arguments = (base, backend, chosen["fallback"], chosen["recipe"]["activation"])
    seen = run_in(environment_python(BACKENDS[backend]), _EVALUATE, *arguments)
    assert seen["tuned"]["logits_sha256"] == found["sensitivity"]["logits_sha256"]
    assert chosen["rows"] == ROWS and seen["tuned"]["accuracy"] == pytest.approx(chosen["metric"]["value"], abs=1e-12)
    assert seen["tuned"]["size_bytes"] == chosen["size_bytes"]
    if backend == "onnxruntime":
        assert seen["plain"]["logits_sha256"] == seen["tuned"]["logits_sha256"]
    # NNCF calibrates the other layers of what falls back from the start a little otherwise.
    assert seen["agreement"] >= (0.97 if backend == "openvino" else 0.99)


def test_all_falling_back_is_fp32(found: dict[str, Any]) -> None:
    # The tuner's own way to fall back leaves nothing of quantization behind.
    assert found["all back"] < 1e-4 < found["none back"]


def test_what_is_left_is_what_a_resumed_tuning_needs(found: dict[str, Any]) -> None:
    assert "trials.jsonl" in found["sensitivity"]["left"]
    assert not [name for name in found["sensitivity"]["left"] if name.endswith(("candidate", ".onnx", ".new"))]
    again = found["again"]
    assert all(trial["reused"] for trial in again["told"])
    assert [trial["recipe_digest"] for trial in again["told"]] == [
        trial["recipe_digest"] for trial in found["sensitivity"]["told"]
    ]
    assert again["logits_sha256"] == found["sensitivity"]["logits_sha256"]


def test_trials_and_time_are_bounded(found: dict[str, Any]) -> None:
    told = found["basic"]["told"]
    assert len(told) == 2 and found["basic"]["result"]["tuned"]["reason"] == "max_trials"
    assert found["no time"]["kind"] == "timeout" and "no time for a trial" in found["no time"]["message"]
