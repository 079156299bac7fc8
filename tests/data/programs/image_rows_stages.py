"""Runs the stages of a small vision Transformer on images."""

import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

from harness.config.cell import from_dict
from harness.config.schema import ModelConfig, TaskConfig
from harness.errors import StageError
from harness.ipc.report import Report
from harness.models.base import architecture
from harness.worker.stages import finetune, tokenise

base, task = Path(ARGS[0]), from_dict(TaskConfig, ARGS[1])
options = dict(
    image_size=8,
    patch_size=4,
    num_channels=1,
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
)


def cell(**changes):
    model = ModelConfig(name="tiny", architecture="vit", options={**options, **changes})
    return SimpleNamespace(task=task, model=model)


def tokenised(name):
    (base / "out" / name).mkdir(parents=True)
    spec = {"inputs": {"task": str(base / name), "model": None}, "out": str(base / "out" / name)}
    return tokenise.run(spec, cell(), Report(io.StringIO()))


def trained(name, **changes):
    (base / "out" / name).mkdir()
    spec = {
        "inputs": {"model": None, "tokenised": str(base / "out" / "plain")},
        "out": str(base / "out" / name),
        "threads": 1,
    }
    try:
        told = finetune.run(spec, cell(**changes), Report(io.StringIO()))
    except StageError as error:
        return {"kind": error.kind, "message": error.message}
    weights = (base / "out" / name / "model.safetensors").read_bytes()
    return {
        **told,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "files": sorted(path.name for path in (base / "out" / name).iterdir()),
    }


found = {name: tokenised(name) for name in ("plain", "changed")}
found |= {
    "first": trained("first"),
    "second": trained("second"),
    "misspelt": trained("misspelt", hiden_size=16),
    "misfit": trained("misfit", num_attention_heads=5),
}


def drawn(seed):
    network = architecture("vit").load(None, cell().model, labels=task.labels, seed=seed)
    return float(sum(parameter.sum() for parameter in network.parameters()))


found["drawn"] = [drawn(seed) for seed in (0, 1, 0)]
found["config"] = json.loads((base / "out" / "first" / "config.json").read_text())
print(json.dumps(found))
