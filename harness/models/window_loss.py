"""A Llama whose output is how badly it predicts a window of text: one number a row, as a regression has it.

So the logits of the vocabulary, 200 kilobytes a token, never leave the forward pass, and a row's outcome can be paired
with that of another precision. What is timed is scoring: one pass over the window, its logits, and their loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import LlamaForCausalLM
from transformers.modeling_outputs import SequenceClassifierOutput


class WindowLoss(LlamaForCausalLM):
    """`logits` is the mean negative log-likelihood, in nats, of each row's tokens after the first; shape (rows, 1)."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SequenceClassifierOutput:
        """Score rows of tokens, int64 of shape (rows, tokens); padding, 0 in the mask, is not scored."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state
        logits = self.lm_head(hidden[:, :-1]).float()
        wanted = input_ids[:, 1:]
        losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
        scored = attention_mask[:, 1:].to(losses.dtype)
        means = (losses.view_as(wanted) * scored).sum(1, keepdim=True) / scored.sum(1, keepdim=True).clamp(min=1)
        return SequenceClassifierOutput(logits=means)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
        # Frequencies rounded to bfloat16 would turn the positions far into a window by a radian.
        rotary = self.model.rotary_emb
        exact = rotary.inv_freq
        super()._apply(fn, recurse)
        if rotary.inv_freq.dtype != exact.dtype:
            rotary.inv_freq = exact
        return self
