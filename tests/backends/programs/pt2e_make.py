"""Quantizes the cells of a tiny network and prints the logits of their graphs and of PyTorch."""

import json
from pathlib import Path

import torch
from torchao.quantization.pt2e import quantize_pt2e
from transformers import AutoModelForSequenceClassification

from harness.backends.pt2e.graph import quantized
from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

base = Path(ARGS[0])
tiny.make_checkpoint(base / "checkpoint")


def network():
    return AutoModelForSequenceClassification.from_pretrained(base / "checkpoint").eval()


rows = tiny.make_rows(64, 2)
batch = {name: torch.from_numpy(array) for name, array in rows.batch(range(64)).items()}
arrays = [batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")]
with torch.no_grad():
    reference = network()(**batch).logits.tolist()

trained = {}
convert = quantize_pt2e.convert_pt2e


def seen(prepared):
    """Note what training has left, then convert."""
    state = {name: value for name, value in prepared.state_dict().items()}
    before = {name: value for name, value in network().state_dict().items()}
    trained["observing"] = [int(value) for name, value in state.items() if name.endswith("observer_enabled")]
    same = {
        name: torch.equal(state[f"network.{name}"], value)
        for name, value in before.items()
        if f"network.{name}" in state
    }
    trained["same"] = same
    return convert(prepared)


quantize_pt2e.convert_pt2e = seen
made = {"qat": tiny.quantize("qat", cell_from_dict(ARGS[1]["qat"]), base, base / "qat")}
quantize_pt2e.convert_pt2e = convert
for name in set(ARGS[1]) - {"qat"}:
    made[name] = tiny.quantize(name, cell_from_dict(ARGS[1][name]), base, base / name)
graphs = {}
for name, cell in ARGS[2].items():
    graph, provenance = quantized(network(), cell_from_dict(cell), tiny.make_rows(120, 1), tiny.Silent())
    with torch.no_grad():
        logits = graph(*arrays).tolist()
    # A quantizer of the activations: input, scale, zero point, smallest and largest code.
    steps = [
        node.args
        for node in graph.graph.nodes
        if "quantize_per_tensor" in str(node.target) and "dequantize" not in str(node.target)
    ]
    weights = [value for value in graph.state_dict().values() if value.dtype == torch.int8]
    graphs[name] = {
        "logits": logits,
        "codes": [[step[3], step[4]] for step in steps],
        "zero_points": [step[2] for step in steps if isinstance(step[2], int)],
        "weights": len(weights),
        "largest": max(int(weight.int().abs().max()) for weight in weights),
    }
print(json.dumps({"reference": reference, "made": made, "graphs": graphs, "trained": trained}))
