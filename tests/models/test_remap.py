"""A BERT's weights in DistilBERT's, RoBERTa's and ELECTRA's classes: the same hidden states, or one clear line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import StageError
from harness.models.base import architecture
from harness.plan.catalogue import catalogue
from harness.plan.compose import options
from tests.backend_env import environment_python, run_in

TARGETS = ("distilbert", "roberta", "electra")

_LOAD = """
import dataclasses, traceback
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification as Auto
from transformers import BertConfig, BertForSequenceClassification, BertModel
from harness.errors import StageError
from harness.models.base import architecture
from harness.plan.config import ModelConfig
from harness.worker.finetune import freeze

base, targets = Path(ARGS[0]), ARGS[1]

def made(name, kind=BertModel, **fields):
    torch.manual_seed(1)
    network = kind(BertConfig(vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                              intermediate_size=64, max_position_embeddings=16, **fields)).eval()
    for parameter in network.parameters():  # biases are nought else, and norms one: they could change places unseen
        torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(base / name)
    return network

def load(name, target, labels=("u", "v", "w"), *, seed=0, **fields):
    model = ModelConfig(name="tiny", architecture=target, **fields)
    return architecture(target).load(base / name, model, labels=labels, seed=seed)

def refused(*arguments, **keywords):
    try:
        load(*arguments, **keywords)
        return {"kind": "none", "message": ""}
    except StageError as error:
        return {"kind": error.kind, "message": error.message}
    except Exception:
        return {"kind": "uncaught", "message": traceback.format_exc()}

def hidden(network, ids, mask, types):
    segments = {} if network.config.model_type == "distilbert" else {"token_type_ids": types}
    with torch.no_grad():
        states = network.base_model(input_ids=ids, attention_mask=mask, **segments).last_hidden_state
    return states[mask.bool()]  # what stands where padding is, no one reads

bert = made("bert")
pads = made("other padding", pad_token_id=7)
generator = torch.Generator().manual_seed(0)
ids = torch.randint(8, 40, (4, 16), generator=generator)  # as many tokens as there are positions
mask = (torch.arange(16) < torch.tensor([16, 9, 5, 1])[:, None]).long()
types = (torch.arange(16) > torch.tensor([7, 4, 3, 0])[:, None]).long()

found = {"differences": {}, "shared": {}}
for target in targets:
    segments = torch.zeros_like(ids) if target == "distilbert" else types
    for name, source in (("bert", bert), ("other padding", pads)):
        batch = (torch.where(mask.bool(), ids, source.config.pad_token_id), mask, segments)
        network = load(name, target)
        wanted, got = hidden(source, *batch), hidden(network, *batch)
        found["differences"][f"{target}, {name}"] = [
            float(part) for part in ((wanted - got).abs().max(), wanted.std(), got.shape[0])]
    network = load("bert", target)
    network.save_pretrained(base / target)
    logits = [load("bert", target, seed=seed)(ids, mask).logits.tolist() for seed in (0, 0, 1)]
    again = Auto.from_pretrained(base / target).eval()(ids, mask).logits.tolist()
    as_own = load(target, target, fine_tuned=True)(ids, mask).logits.tolist()
    found[target] = {
        "logits": logits, "again": again, "as own": as_own, "training": network.training,
        "type": network.config.model_type, "dtype": str(network.dtype), "id2label": network.config.id2label,
        "regression": list(load("bert", target, labels=())(ids, mask).logits.shape),
        "positions": network.config.max_position_embeddings,
    }
    freeze(network, ("embeddings", "encoder.layer.0."))
    found[target]["frozen"] = [name for name, value in network.base_model.named_parameters() if not value.requires_grad]

made("relative", position_embedding_type="relative_key")
made("other epsilon", layer_norm_eps=1e-5)
made("no padding", pad_token_id=None)
made("fine-tuned", kind=BertForSequenceClassification)
made("lacks a weight")
weights = load_file(base / "lacks a weight" / "model.safetensors")
del weights["encoder.layer.1.output.dense.weight"]
save_file(weights, base / "lacks a weight" / "model.safetensors", {"format": "pt"})
for target in targets:
    found[target]["refused"] = {
        "a third kind": refused(targets[targets.index(target) - 1], target),
        "fine-tuned": refused("fine-tuned", target, fine_tuned=True),
        "relative": refused("relative", target),
        "lacks a weight": refused("lacks a weight", target),
        "absent": refused("absent", target),
        "other epsilon": refused("other epsilon", target),
        "no padding": refused("no padding", target),
    }
print(json.dumps(found))
"""


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
    with pytest.raises(StageError, match=f"no '{name}'"):
        architecture(name)


@pytest.mark.parametrize("target", TARGETS)
def test_the_configs_name_minilms_own_download(target):
    (plain,), (other,) = (options(catalogue(), "model", name, {}) for name in ("minilm", f"minilm_{target}"))
    assert other.config.source == plain.config.source and other.config.source.package
    assert (other.config.name, other.config.architecture) == (f"minilm_{target}", target)
