"""Saves a small BERT with large weights as a checkpoint."""

import torch
from transformers import BertConfig, BertForSequenceClassification

folder, vocabulary, layers = ARGS
torch.manual_seed(0)
# Weights large enough for logits of about 1, so that an absolute tolerance means something.
config = BertConfig(
    vocab_size=vocabulary,
    hidden_size=64,
    num_hidden_layers=layers,
    num_attention_heads=2,
    intermediate_size=128,
    max_position_embeddings=32,
    initializer_range=0.2,
    num_labels=3,
    id2label={0: "a", 1: "b", 2: "c"},
    label2id={"a": 0, "b": 1, "c": 2},
)
BertForSequenceClassification(config).eval().save_pretrained(folder)
print("1")
