"""Prints the longest input of models of several architectures."""

import json

import torch
import transformers

SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
OTHERS = {
    "DistilBert": {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8},
    "Electra": {**SIZES, "embedding_size": 8},
    "GPT2": {"n_embd": 8, "n_layer": 1, "n_head": 2, "pad_token_id": 0},
}
found = {}
for kind in ("Bert", "Roberta", "XLMRoberta", "Camembert", "MPNet", "DistilBert", "Electra", "GPT2"):
    fields = {**OTHERS.get(kind, SIZES), "vocab_size": 20}
    fields["n_positions" if kind == "GPT2" else "max_position_embeddings"] = 14
    config = getattr(transformers, kind + "Config")(**fields)
    network = getattr(transformers, kind + "Model")(config).eval()
    longest = 0
    for length in range(1, 20):
        try:
            with torch.no_grad():
                network(input_ids=torch.full((1, length), 7))
        except (IndexError, RuntimeError):
            break
        longest = length
    found[kind] = [json.loads(config.to_json_string()), longest]
print(json.dumps(found))
