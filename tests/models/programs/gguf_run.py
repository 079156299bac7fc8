"""Writes files in the format GGUF and prints what reading them gives."""

import json
from pathlib import Path

import gguf
import numpy as np
import torch

from harness.config.schema import ModelConfig
from harness.errors import StageError
from harness.models import llama
from tests.models.llama_tiny import WORDS, make_checkpoint

base = Path(ARGS[0])
plain = make_checkpoint(base / "tiny")
path, config = base / "tiny.gguf", plain.config
writer = gguf.GGUFWriter(path, "llama")
writer.add_context_length(config.max_position_embeddings)
writer.add_embedding_length(config.hidden_size)
writer.add_block_count(config.num_hidden_layers)
writer.add_feed_forward_length(config.intermediate_size)
writer.add_head_count(config.num_attention_heads)
writer.add_head_count_kv(config.num_key_value_heads)
writer.add_layer_norm_rms_eps(config.rms_norm_eps)
writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
writer.add_rope_freq_base(config.rope_theta)
writer.add_vocab_size(config.vocab_size)
# A tokenizer of GPT-2's kind: one character a token, and two merges.
letters = ["<|endoftext|>", *"abcdefgh", "ab", "bc", "j"]
writer.add_tokenizer_model("gpt2")
writer.add_token_list(letters)
writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(letters) - 1))
writer.add_token_merges(["a b", "b c"])
writer.add_eos_token_id(0)
writer.add_bos_token_id(0)


def turned(weight, heads):
    # The file's order of a head's rows: its rotary pairs side by side.
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


names = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
tensors = {"token_embd.weight": plain.model.embed_tokens.weight, "output_norm.weight": plain.model.norm.weight}
for at, layer in enumerate(plain.model.layers):
    for theirs, ours in names.items():
        tensors[f"blk.{at}.{ours}.weight"] = layer.get_submodule(theirs).weight
for name, tensor in tensors.items():
    array = tensor.detach().numpy().astype(np.float32)
    part = name.split(".")[-2]
    writer.add_tensor(name, np.ascontiguousarray(turned(array, heads[part]) if part in heads else array))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

model = ModelConfig(name="tiny", architecture="llama", fine_tuned=True)
network = llama.load(path, model, labels=[], seed=0)
ids = torch.randint(len(WORDS), (4, 30), generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    ours = network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, 0]
    theirs = [plain(input_ids=row[None], labels=row[None]).loss.item() for row in ids]
tokenizer = llama.load_tokenizer(path, model)
encoded = tokenizer(["abj"], add_special_tokens=False)["input_ids"][0]
path.write_bytes(path.read_bytes()[:200])
try:
    damaged = llama.load(path, model, labels=[], seed=0)
except StageError as error:
    damaged = [error.kind, error.message]
print(json.dumps([ours.tolist(), theirs, encoded, tokenizer.eos_token_id, damaged]))
