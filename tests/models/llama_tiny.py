"""A tiny random Llama with a tokenizer of whole words; run in an environment with torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = ("<end>", "<unknown>", "a", "king", "had", "three", "sons", "and", "the", "youngest", "went", "away")


def make_checkpoint(folder: Path, **fields: Any) -> Any:
    """Write the checkpoint and its tokenizer, and return transformers' own network of it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    small = {"vocab_size": len(WORDS), "intermediate_size": 96, "max_position_embeddings": 256}
    plain = {"initializer_range": 0.3, "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": 0}
    network = LlamaForCausalLM(LlamaConfig(**{**sizes, **small, **plain, **fields})).eval()
    network.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token=WORDS[1]))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token=WORDS[0], unk_token=WORDS[1], model_max_length=256
    )
    tokenizer.save_pretrained(folder)
    return network
