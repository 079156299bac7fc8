"""Loads checkpoints of many forms and prints what each has come to."""

import json
import shutil
import traceback
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

from harness.config.schema import ModelConfig, SourceConfig
from harness.errors import StageError
from harness.models.base import architecture, load_tokenizer

base = Path(ARGS[0])
SIZES = {
    "Bert": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "Roberta": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "Electra": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "embedding_size": 32,
    },
    "DistilBert": {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64},
}
TOKENS = torch.tensor([[2, 9, 11, 3], [2, 30, 17, 3]])


def config(kind, names, **fields):
    return getattr(transformers, f"{kind}Config")(
        vocab_size=40,
        max_position_embeddings=16,
        initializer_range=0.3,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
        **SIZES[kind],
        **fields,
    )


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
        return {
            "logits": logits(network),
            "id2label": network.config.id2label,
            "training": network.training,
            "dtype": str(network.dtype),
            "problem": network.config.problem_type,
            "matching": network.label_matching.to_dict() if fine_tuned_of(keywords) else None,
        }
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
values |= {
    "model_type": "own",
    "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnNetwork"},
}
(folder / "config.json").write_text(json.dumps(values))
(folder / "own.py").write_text(
    "from pathlib import Path\n"
    f"Path({str(base / 'ran')!r}).touch()\n"
    "from transformers import BertConfig, BertForSequenceClassification\n"
    "class OwnConfig(BertConfig):\n    model_type = 'own'\n"
    "class OwnNetwork(BertForSequenceClassification):\n    config_class = OwnConfig\n"
)
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
