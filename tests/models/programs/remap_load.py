"""Re-maps checkpoints to other architectures and prints what each has come to."""

import json
import traceback
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification as Auto
from transformers import BertConfig, BertForSequenceClassification, BertModel

from harness.approaches.training import freeze
from harness.config.schema import ModelConfig
from harness.errors import StageError
from harness.models.base import architecture

base, targets = Path(ARGS[0]), ARGS[1]


def made(name, kind=BertModel, **fields):
    torch.manual_seed(1)
    network = kind(
        BertConfig(
            vocab_size=40,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=16,
            **fields,
        )
    ).eval()
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
            float(part) for part in ((wanted - got).abs().max(), wanted.std(), got.shape[0])
        ]
    network = load("bert", target)
    network.save_pretrained(base / target)
    logits = [load("bert", target, seed=seed)(ids, mask).logits.tolist() for seed in (0, 0, 1)]
    again = Auto.from_pretrained(base / target).eval()(ids, mask).logits.tolist()
    as_own = load(target, target, fine_tuned=True)(ids, mask).logits.tolist()
    found[target] = {
        "logits": logits,
        "again": again,
        "as own": as_own,
        "training": network.training,
        "type": network.config.model_type,
        "dtype": str(network.dtype),
        "id2label": network.config.id2label,
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
