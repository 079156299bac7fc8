"""Holds our Llama against that of transformers."""

import dataclasses
import json
from pathlib import Path

import torch

from harness.backends.base import backend_class
from harness.config.schema import ModelConfig
from harness.errors import StageError
from harness.models import llama
from harness.models.base import modality
from harness.worker.stages.windows import as_rows
from tests.backends.torch_tiny import Silent, make_cell
from tests.models.llama_tiny import WORDS, make_checkpoint

base = Path(ARGS[0])
plain = make_checkpoint(base / "tiny")
model = ModelConfig(name="tiny", architecture="llama", fine_tuned=True)
network = llama.load(base / "tiny", model, labels=[], seed=0)
generator = torch.Generator().manual_seed(1)
ids = torch.randint(len(WORDS), (5, 40), generator=generator)
mask = torch.ones_like(ids)
found = {"vocabulary": len(WORDS), "modality": modality("llama")}


def losses(network, ids, mask):
    with torch.no_grad():
        return network(input_ids=ids, attention_mask=mask).logits


def theirs(row):
    with torch.no_grad():
        logits = plain(input_ids=row[None]).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits, row[1:]).item()


ours = losses(network, ids, mask)
found["shape"], found["ours"] = list(ours.shape), ours[:, 0].tolist()
found["theirs"] = [theirs(row) for row in ids]
padded, real = ids.clone(), mask.clone()
padded[0, 25:], real[0, 25:] = 0, 0
found["padded"] = [losses(network, padded, real)[0, 0].item(), theirs(ids[0, :25])]
network.save_pretrained(base / "saved")
found["saved"] = losses(llama.load(base / "saved", model, labels=[], seed=0), ids, mask)[:, 0].tolist()
with torch.no_grad():
    network.lm_head.weight.zero_()
found["uniform"] = losses(network, ids, mask)[:, 0].tolist()
rounded = llama.load(base / "tiny", model, labels=[], seed=0)
exact = rounded.model.rotary_emb.inv_freq.clone()
kept = rounded.to(torch.bfloat16).model.rotary_emb.inv_freq
found["rotary"] = [str(kept.dtype), bool((kept == exact).all()), str(rounded.lm_head.weight.dtype)]

rows = as_rows(ids.numpy())
for name, method, fields in (
    ("fp32", "none", {}),
    ("bf16", "cast", {}),
    ("dynamic", "dynamic", {}),
    ("dynamic, some in FP32", "dynamic", {"fallback": ("lm_head", "model.layers.0.mlp")}),
):
    cell = make_cell("eager", method, architecture="llama", **fields)
    (base / name).mkdir()
    provenance = backend_class("eager")().quantize(base / "tiny", cell, rows, base / name, Silent())
    backend = backend_class("eager")()
    backend.load(base / name, cell)
    inputs = backend.inputs(rows.batch(range(5)))
    executed = backend.executed_precision(inputs)
    found[name] = {
        "losses": backend.logits(backend.forward(inputs))[:, 0].astype(float).tolist(),
        "executed": [executed.int8_ops, executed.bf16_ops],
        "layers": provenance.get("quantized_layers"),
        "bytes": (base / name / "model.safetensors").stat().st_size,
        "supports": backend_class("eager").supports(cell),
    }
found["parameters"] = sum(parameter.numel() for parameter in plain.parameters())
found["unsupported"] = {
    name: backend_class(name).supports(make_cell(name, "static", architecture="llama"))
    for name in ("fx", "ipex", "pt2e", "onnxruntime", "openvino", "tensorflow", "itex", "intel_tensorflow")
}


def refused(folder, model):
    try:
        llama.load(folder, model, labels=[], seed=0)
    except StageError as error:
        return [error.kind, error.message]


found["refused"] = {
    "to train": refused(base / "tiny", dataclasses.replace(model, fine_tuned=False)),
    "no file": refused(base / "none.gguf", model),
    "no folder": refused(base / "none", model),
}
from safetensors.torch import load_file, save_file

weights = load_file(base / "saved" / "model.safetensors")
del weights["model.layers.1.mlp.up_proj.weight"]
save_file(weights, base / "saved" / "model.safetensors", metadata={"format": "pt"})
found["refused"]["a weight short"] = refused(base / "saved", model)
print(json.dumps(found))
