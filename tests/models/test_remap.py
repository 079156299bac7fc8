"""A BERT's weights in DistilBERT's, RoBERTa's and ELECTRA's classes: the same hidden states, or one clear line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import StageError
from harness.models.base import architecture
from harness.plan.catalogue import catalogue
from harness.plan.compose import options
from tests.backend_env import environment_python, program_text, run_in

TARGETS = ("distilbert", "roberta", "electra")

_LOAD = program_text(__file__, "remap_load")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_in(environment_python("torch"), _LOAD, tmp_path_factory.mktemp("remap"), TARGETS)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("source", ["bert", "other padding"])
@pytest.mark.parametrize("target", TARGETS)
def test_the_hidden_states_are_those_of_bert_on_padded_batches(loaded, target, source):
    largest, spread, tokens = loaded["differences"][f"{target}, {source}"]
    assert tokens == 16 + 9 + 5 + 1 and spread > 0.1
    assert largest < 1e-5


@pytest.mark.backend("torch")
@pytest.mark.parametrize("target", TARGETS)
def test_the_head_is_the_targets_own_drawn_from_the_seed_for_the_tasks_labels(loaded, target):
    first, again, other = (np.array(logits) for logits in loaded[target]["logits"])
    assert first.shape == (4, 3) and np.array_equal(first, again) and not np.allclose(first, other)
    assert loaded[target]["id2label"] == {"0": "u", "1": "v", "2": "w"}
    assert loaded[target]["regression"] == [4, 1]
    assert (loaded[target]["type"], loaded[target]["dtype"]) == (target, "torch.float32")
    assert loaded[target]["training"] is False


@pytest.mark.backend("torch")
@pytest.mark.parametrize("target", TARGETS)
def test_what_was_built_is_a_checkpoint_of_the_targets_own_kind(loaded, target):
    assert np.allclose(loaded[target]["again"], loaded[target]["logits"][0], atol=1e-6)
    assert np.allclose(loaded[target]["as own"], loaded[target]["logits"][0], atol=1e-6)
    # RoBERTa's table has the rows of padding, token 0, and of nothing before it.
    assert loaded[target]["positions"] == (17 if target == "roberta" else 16)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("target", TARGETS)
def test_a_task_freezes_the_lowest_layers_of_each_by_the_same_names(loaded, target):
    frozen = loaded[target]["frozen"]
    embeddings = [name for name in frozen if name.startswith("embeddings.")]
    assert len(embeddings) == (4 if target == "distilbert" else 5)
    layer = "transformer.layer.0." if target == "distilbert" else "encoder.layer.0."
    assert len([name for name in frozen if name.startswith(layer)]) == 16 == len(frozen) - len(embeddings)


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ("a third kind", "bad_config", "want {target} or bert"),
        ("fine-tuned", "bad_config", "fine_tuned=true, but the head of a bert does not fit {target}"),
        ("relative", "bad_config", "position_embedding_type=relative_key"),
        ("lacks a weight", "damaged", "1 weights missing or misshapen: encoder.layer.1.output.dense.weight"),
        ("absent", "missing_file", "no such model folder"),
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_what_does_not_fit_is_refused_in_one_line(loaded, target, case, kind, says):
    refused = loaded[target]["refused"][case]
    assert (refused["kind"], says.format(target=target) in refused["message"]) == (kind, True), refused
    assert "\n" not in refused["message"]


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    ("case", "target", "says"),
    [("other epsilon", "distilbert", "layer_norm_eps=1e-05"), ("no padding", "roberta", "pad_token_id")],
)
def test_what_one_architecture_has_no_place_for_is_refused_by_it_alone(loaded, case, target, says):
    for name in TARGETS:
        refused = loaded[name]["refused"][case]
        assert refused["kind"] == ("bad_config" if name == target else "none"), refused
        assert (says in refused["message"]) == (name == target)


@pytest.mark.parametrize("name", ["remap", "tensorflow_encoder", "base"])
def test_a_file_that_loads_no_architecture_is_not_taken_for_one(name):
    with pytest.raises(StageError, match=f"no architecture '{name}'"):
        architecture(name)


@pytest.mark.parametrize("target", TARGETS)
def test_the_configs_name_minilms_own_download(target):
    (plain,), (other,) = (options(catalogue(), "model", name, {}) for name in ("minilm", f"minilm_{target}"))
    assert other.config.source == plain.config.source and other.config.source.package
    assert (other.config.name, other.config.architecture) == (f"minilm_{target}", target)
