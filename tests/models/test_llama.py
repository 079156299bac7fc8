"""A language model's loss on windows: against transformers' own, closed forms, and through eager mode's artefact."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.backend_env import environment_python, run_in

pytestmark = pytest.mark.backend("torch")

_RUN = """
import dataclasses
from pathlib import Path
import numpy as np
import torch
from harness.backends.base import backend_class
from harness.errors import StageError
from harness.models import llama
from harness.models.base import modality
from harness.plan.config import ModelConfig
from harness.worker.windows import as_rows
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
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_in(environment_python("torch"), _RUN, tmp_path_factory.mktemp("llama"))


def test_one_number_a_row_which_is_the_loss_of_transformers_own(found):
    assert found["shape"] == [5, 1]
    assert found["ours"] == pytest.approx(found["theirs"], abs=1e-5)
    assert len({round(loss, 3) for loss in found["ours"]}) == 5


def test_padding_is_not_scored(found):
    ours, theirs = found["padded"]
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_logits_that_are_all_alike_leave_the_whole_vocabulary(found):
    assert found["uniform"] == pytest.approx([math.log(found["vocabulary"])] * 5, abs=1e-6)


def test_a_checkpoint_holds_it_all(found):
    assert found["saved"] == pytest.approx(found["ours"], abs=1e-6)


def test_positions_stay_exact_in_bfloat16(found):
    assert found["rotary"] == ["torch.float32", True, "torch.bfloat16"]


def test_its_fp32_artefact_is_the_model_and_stores_tied_weights_once(found):
    assert found["fp32"]["losses"] == pytest.approx(found["ours"], abs=1e-5)
    assert found["fp32"]["bytes"] < 4 * found["parameters"] + 10_000


@pytest.mark.needs("vnni")
@pytest.mark.parametrize("name", ["bf16", "dynamic", "dynamic, some in FP32"])
def test_lower_precisions_are_near_fp32_but_not_it(found, name, there):
    near = 0.05 if there or name == "bf16" else 0.15  # sums of 8-bit products saturate without VNNI
    assert found[name]["losses"] != pytest.approx(found["ours"], abs=1e-6)
    assert found[name]["losses"] == pytest.approx(found["ours"], rel=near)


def test_what_is_claimed_is_executed(found):
    # Seven linear layers in each of two blocks, and the head.
    assert found["dynamic"]["layers"] == 15 and found["dynamic"]["executed"][0] == 15
    assert found["dynamic, some in FP32"]["layers"] == 11 and found["dynamic, some in FP32"]["executed"][0] == 11
    assert found["bf16"]["executed"][1] >= 15
    assert all(found[name]["supports"] is None for name in ("fp32", "bf16", "dynamic"))


def test_other_backends_say_that_they_do_not_know_it(found):
    assert all("llama" in because for because in found["unsupported"].values())


def test_it_reads_prose(found):
    assert found["modality"] == "prose"


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("to train", "bad_config", "model.fine_tuned=false"),
        ("no file", "missing_file", "none.gguf: no such file"),
        ("no folder", "missing_file", "no such model folder"),
        ("a weight short", "damaged", "1 weights missing or misshapen: model.layers.1.mlp.up_proj.weight"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(found, name, kind, words):
    got = found["refused"][name]
    assert got[0] == kind and words in got[1]
