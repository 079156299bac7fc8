"""Loading an encoder: the head in the task's order, whole weights only, and no code but our own."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageError
from harness.models.base import architecture, origin
from harness.plan.config import ModelConfig, SourceConfig
from tests.backend_env import environment_python, run_in

_LOAD = """
import json, shutil, traceback
from pathlib import Path
import torch, transformers
from safetensors.torch import load_file, save_file
from harness.errors import StageError
from harness.models.base import architecture
from harness.plan.config import ModelConfig, SourceConfig
from harness.models.base import load_tokenizer

base = Path(ARGS[0])
SIZES = {
    "Bert": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "Roberta": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "Electra": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
                "embedding_size": 32},
    "DistilBert": {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64},
}
TOKENS = torch.tensor([[2, 9, 11, 3], [2, 30, 17, 3]])

def config(kind, names, **fields):
    return getattr(transformers, f"{kind}Config")(
        vocab_size=40, max_position_embeddings=16, initializer_range=0.3, num_labels=len(names),
        id2label=dict(enumerate(names)), label2id={name: index for index, name in enumerate(names)},
        **SIZES[kind], **fields)

def made(name, kind, names, suffix="ForSequenceClassification", **fields):
    torch.manual_seed(1)
    network = getattr(transformers, kind + suffix)(config(kind, names, **fields)).eval()
    for name_there, parameter in network.named_parameters():
        if name_there.endswith("bias"):  # else they are all nought, and their order could not show
            torch.nn.init.normal_(parameter)
    network.save_pretrained(base / name)
    return network

def logits(network):
    with torch.no_grad():
        return network(TOKENS).logits.tolist()

def load(name, labels, *, fine_tuned=True, seed=0, trust=False, folder=True, fixed=False):
    source = SourceConfig() if folder else SourceConfig(hub_id=name, revision="main")
    model = ModelConfig(name="tiny", fine_tuned=fine_tuned, trust_remote_code=trust, source=source)
    return architecture("bert").load(base / name if folder else None, model, labels=labels, seed=seed, fixed=fixed)

def fine_tuned_of(keywords):
    return keywords.get("fine_tuned", True)

def outcome(*arguments, read=None, **keywords):
    try:
        network = load(*arguments, **keywords)
        return {"logits": logits(network), "id2label": network.config.id2label, "training": network.training,
                "dtype": str(network.dtype), "problem": network.config.problem_type,
                "matching": network.label_matching.to_dict() if fine_tuned_of(keywords) else None}
    except StageError as error:
        return {"kind": error.kind, "message": error.message}
    except Exception:
        return {"kind": "uncaught", "message": traceback.format_exc()}

found = {}
for kind in SIZES:
    before = logits(made(kind, kind, ["neg", "neutral", "pos"]))
    found[kind] = {"before": before, **outcome(kind, ["Pos", "neg", "NEUTRAL"])}
found["words for words"] = outcome("Bert", ["a", "b", "c"])
found["numbers"] = outcome("Bert", ["0", "1", "2"])
found["fixed"] = outcome("Bert", ["pos", "neg", "c"], fixed=True)
found["other number"] = outcome("Bert", ["neg", "pos"])
found["some shared"] = outcome("Bert", ["neg", "pos", "other"])
found["a number wanted"] = outcome("Bert", [])
made("multi-label", "Bert", ["neg", "pos"], problem_type="multi_label_classification")
found["multi-label"] = outcome("multi-label", ["neg", "pos"])
found["multi-label, fixed"] = outcome("multi-label", ["neg", "pos"], fixed=True)
found["multi-label, new head"] = outcome("multi-label", ["neg", "pos"], fine_tuned=False)
number = made("number", "Bert", ["LABEL_0"])
found["number"] = {"before": logits(number), **outcome("number", [])}

half = made("half", "Bert", ["a", "b"]).half()
half.save_pretrained(base / "half")
found["half"] = outcome("half", ["a", "b"])

made("encoder", "Bert", ["x"], suffix="Model")
found["new head"] = [outcome("encoder", ["u", "v", "w"], fine_tuned=False, seed=seed) for seed in (0, 0, 1)]
found["new regression"] = outcome("encoder", [], fine_tuned=False)
found["no head"] = outcome("encoder", ["x", "y"])
# A head for other classes is drawn anew: two outputs become three.
found["replaced head"] = outcome("half", ["u", "v", "w"], fine_tuned=False)

def changed(name, change):
    shutil.copytree(base / "half", base / name)
    weights = load_file(base / name / "model.safetensors")
    change(weights)
    save_file(weights, base / name / "model.safetensors", {"format": "pt"})

QUERY = "bert.encoder.layer.0.attention.self.query.weight"
HEAD = "classifier.weight"
changed("lacks a weight", lambda weights: weights.pop(QUERY))
changed("misshapen weight", lambda weights: weights.update({QUERY: torch.zeros(32, 16)}))
changed("misshapen head", lambda weights: weights.update({HEAD: torch.zeros(5, 32)}))
for name in ("lacks a weight", "misshapen weight"):
    for fine_tuned in (True, False):
        found[f"{name}, fine_tuned={fine_tuned}"] = outcome(name, ["a", "b"], fine_tuned=fine_tuned)
found["misshapen head"] = outcome("misshapen head", ["a", "b"])

def copied(name, source="half"):
    shutil.copytree(base / source, base / name)
    return base / name

weights = copied("truncated") / "model.safetensors"
weights.write_bytes(weights.read_bytes()[:-1000])
weights = copied("cut in its header") / "model.safetensors"
weights.write_bytes(weights.read_bytes()[:40])
(copied("no weights") / "model.safetensors").unlink()
(copied("no config") / "config.json").unlink()
(copied("broken config") / "config.json").write_text('{"model_type": "bert", ')
for name in ("truncated", "cut in its header", "no weights", "no config", "broken config", "absent"):
    found[name] = outcome(name, ["a", "b"])

# Weights as a pickle that runs code.
folder = copied("pickled")
(folder / "model.safetensors").unlink()
shutil.copy(base / "trap.bin", folder / "pytorch_model.bin")
found["pickled"] = outcome("pickled", ["a", "b"])
folder = copied("bin")
(folder / "model.safetensors").unlink()
torch.save(half.state_dict(), folder / "pytorch_model.bin")
found["bin"] = outcome("bin", ["a", "b"])

# Checkpoints that name a kernel of a hub as their attention; transformers would fetch it and run it.
for name in ("_attn_implementation", "attn_implementation", "_attn_implementation_internal", "_experts_implementation"):
    for kind, source, fine_tuned in (("half", "half", True), ("encoder", "encoder", False)):
        path = copied(f"{name} of {kind}", source) / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: "someone/kernel"}))
        found[f"{name} of {kind}"] = outcome(f"{name} of {kind}", ["a", "b"], fine_tuned=fine_tuned)
# And one that names weights which lie elsewhere, by its config or by its index.
path = copied("elsewhere") / "config.json"
path.write_text(json.dumps(json.loads(path.read_text()) | {"transformers_weights": "../half/no.safetensors"}))
found["elsewhere"] = outcome("elsewhere", ["a", "b"])
folder = copied("elsewhere by index")
names = list(load_file(folder / "model.safetensors"))
(folder / "model.safetensors").unlink()
index = {"metadata": {}, "weight_map": dict.fromkeys(names, "../half/model.safetensors")}
(folder / "model.safetensors.index.json").write_text(json.dumps(index))
found["elsewhere by index"] = outcome("elsewhere by index", ["a", "b"])
found["encoder, two classes"] = outcome("encoder", ["a", "b"], fine_tuned=False)

# A checkpoint that brings its own classes, whose import leaves a mark.
folder = copied("own code")
values = json.loads((folder / "config.json").read_text())
values |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig",
                                             "AutoModelForSequenceClassification": "own.OwnNetwork"}}
(folder / "config.json").write_text(json.dumps(values))
(folder / "own.py").write_text(
    "from pathlib import Path\\n"
    f"Path({str(base / 'ran')!r}).touch()\\n"
    "from transformers import BertConfig, BertForSequenceClassification\\n"
    "class OwnConfig(BertConfig):\\n    model_type = 'own'\\n"
    "class OwnNetwork(BertForSequenceClassification):\\n    config_class = OwnConfig\\n")
found["own code"] = outcome("own code", ["a", "b"])
found["own code ran"] = (base / "ran").exists()
found["own code, trusted"] = outcome("own code", ["a", "b"], trust=True)
found["own code ran, trusted"] = (base / "ran").exists()

found["hub"] = outcome("someone/some-encoder", ["a", "b"], folder=False)
try:
    load_tokenizer(base / "encoder", ModelConfig(name="tiny"))
except StageError as error:
    found["no tokenizer"] = {"kind": error.kind, "message": error.message}
except Exception:
    found["no tokenizer"] = {"kind": "uncaught", "message": traceback.format_exc()}
print(json.dumps(found))
"""


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
    with pytest.raises(StageError, match="no 'brt'; did you mean 'bert'"):
        architecture("brt")


def test_a_hub_id_is_asked_for_at_its_revision():
    model = ModelConfig(name="tiny", source=SourceConfig(hub_id="a/b", revision="0123abc"))
    assert origin(None, model) == ("a/b", {"trust_remote_code": False, "revision": "0123abc"})


def test_a_model_from_nowhere_is_refused():
    with pytest.raises(StageError, match="names neither package, hub_id nor path"):
        origin(None, ModelConfig(name="tiny"))
