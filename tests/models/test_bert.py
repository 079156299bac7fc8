"""Loading an encoder: the head in the task's order, whole weights only, and no code but our own."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config.schema import ModelConfig, SourceConfig
from harness.errors import StageError
from harness.models.base import architecture, origin
from tests.backend_env import environment_python, program_text, run_in

_LOAD = program_text(__file__, "bert_load")


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("models")
    (base / "trap.bin").write_bytes(pickle.dumps(Trap(base / "sprung")))
    return base


@pytest.fixture(scope="module")
def loaded(base: Path) -> dict[str, Any]:
    return run_in(environment_python("torch"), _LOAD, base)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("kind", ["Bert", "Roberta", "Electra", "DistilBert"])
def test_the_outputs_of_a_fine_tuned_head_follow_the_tasks_labels(loaded, kind):
    assert "logits" in loaded[kind], loaded[kind]
    before = np.array(loaded[kind]["before"])
    assert np.unique(before).size == before.size  # else an order could not show
    assert np.allclose(loaded[kind]["logits"], before[:, [2, 0, 1]], atol=1e-6)
    assert loaded[kind]["id2label"] == {"0": "Pos", "1": "neg", "2": "NEUTRAL"}
    assert loaded[kind]["training"] is False


@pytest.mark.backend("torch")
@pytest.mark.parametrize(("case", "how"), [("numbers", "index"), ("fixed", "task.labels")])
def test_outputs_are_taken_by_place_where_numbers_or_the_config_say_so(loaded, case, how):
    assert np.allclose(loaded[case]["logits"], loaded["Bert"]["before"], atol=1e-6)
    assert loaded[case]["matching"]["how"] == how
    assert loaded[case]["matching"]["output_names"] == ["neg", "neutral", "pos"]


@pytest.mark.backend("torch")
def test_a_regression_head_stays_as_it_is(loaded):
    assert np.allclose(loaded["number"]["logits"], loaded["number"]["before"], atol=1e-6)
    assert loaded["number"]["problem"] == "regression"


@pytest.mark.backend("torch")
def test_weights_are_fp32_whatever_the_file_holds(loaded):
    assert loaded["half"]["dtype"] == "torch.float32"
    assert loaded["bin"]["logits"] == loaded["half"]["logits"]


@pytest.mark.backend("torch")
def test_a_new_head_is_drawn_from_the_seed(loaded):
    first, again, other = (np.array(outcome["logits"]) for outcome in loaded["new head"])
    assert first.shape == (2, 3)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert loaded["new head"][0]["id2label"] == {"0": "u", "1": "v", "2": "w"}
    assert np.shape(loaded["new regression"]["logits"]) == (2, 1)
    assert np.shape(loaded["replaced head"]["logits"]) == (2, 3)
    assert loaded["multi-label, new head"]["problem"] == "single_label_classification"


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ("other number", "bad_labels", "3 (neg, neutral, pos), the task 2 (neg, pos)"),
        ("some shared", "bad_labels", "task.labels=[neg,other,pos] if neutral is other"),
        ("words for words", "bad_labels", "3 (neg, neutral, pos), the task 3 (a, b, c)"),
        ("a number wanted", "bad_labels", "one number"),
        ("multi-label", "bad_labels", "problem_type=multi_label_classification"),
        ("multi-label, fixed", "bad_labels", "not supported yet"),
        ("no head", "bad_config", "fine_tuned=true, but the checkpoint has no classifier"),
        ("misshapen head", "bad_config", "fine_tuned=true, but the checkpoint has no classifier"),
        ("lacks a weight, fine_tuned=True", "damaged", "1 weights missing or misshapen: bert.encoder.layer.0"),
        ("lacks a weight, fine_tuned=False", "damaged", "1 weights missing or misshapen: bert.encoder.layer.0"),
        ("misshapen weight, fine_tuned=True", "damaged", "1 weights missing or misshapen: bert.encoder.layer.0"),
        ("misshapen weight, fine_tuned=False", "damaged", "1 weights missing or misshapen: bert.encoder.layer.0"),
        ("truncated", "damaged", "truncated"),
        ("cut in its header", "damaged", "cut in its header"),
        ("no weights", "missing_file", "no weights"),
        ("no config", "missing_file", "config.json"),
        ("broken config", "damaged", "config.json"),
        ("absent", "missing_file", "no such model folder"),
        ("pickled", "damaged", "pickled"),
        ("own code", "bad_config", "model.trust_remote_code=true"),
        ("elsewhere by index", "damaged", "'../half/model.safetensors', which is no file of its folder"),
        ("hub", "no_network", "someone/some-encoder at main"),
        ("no tokenizer", "missing_file", "encoder"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_has_a_named_failure(loaded, case, kind, says):
    assert (loaded[case].get("kind"), says in loaded[case].get("message", "")) == (kind, True), loaded[case]
    assert "\n" not in loaded[case]["message"]


@pytest.mark.backend("torch")
def test_pickled_code_is_not_run(base, loaded):
    assert not (base / "sprung").exists()
    pickle.loads((base / "trap.bin").read_bytes())
    assert (base / "sprung").exists()  # the trap does spring where pickles are trusted


@pytest.mark.backend("torch")
def test_a_checkpoints_own_code_runs_only_where_the_config_says_so(loaded):
    assert loaded["own code ran"] is False
    assert loaded["own code ran, trusted"] is True
    assert loaded["own code, trusted"]["logits"] == loaded["half"]["logits"]


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    "name", ["_attn_implementation", "attn_implementation", "_attn_implementation_internal", "_experts_implementation"]
)
def test_the_attention_is_ours_whatever_kernel_a_checkpoint_names(loaded, name):
    assert loaded[f"{name} of half"] == loaded["half"]
    assert loaded[f"{name} of encoder"] == loaded["encoder, two classes"]


@pytest.mark.backend("torch")
def test_the_weights_are_those_of_the_folder_whatever_its_config_names(loaded):
    assert loaded["elsewhere"] == loaded["half"]


def test_an_unknown_architecture_is_named_with_the_nearest():
    with pytest.raises(StageError, match="no architecture 'brt'; did you mean 'bert'"):
        architecture("brt")


def test_a_hub_id_is_asked_for_at_its_revision():
    model = ModelConfig(name="tiny", source=SourceConfig(hub_id="a/b", revision="0123abc"))
    assert origin(None, model) == ("a/b", {"trust_remote_code": False, "revision": "0123abc"})


def test_a_model_from_nowhere_is_refused():
    with pytest.raises(StageError, match="names neither package, hub_id nor path"):
        origin(None, ModelConfig(name="tiny"))
