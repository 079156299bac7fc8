"""Saves a tiny BERT with its tokenizer."""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

folder = Path(ARGS[0])
folder.mkdir(parents=True)
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *ARGS[1]]
(folder / "vocab.txt").write_text("\n".join(words))
torch.manual_seed(0)
config = BertConfig(
    vocab_size=len(words),
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=128,
    max_position_embeddings=32,
)
BertModel(config).save_pretrained(folder)
BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
print("1")
