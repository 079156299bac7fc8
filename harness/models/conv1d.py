"""The linear layer of GPT-2 and its kin: transformers' ``Conv1D``, which is a Linear with its weight transposed."""

from __future__ import annotations

import torch


def is_conv1d(module: torch.nn.Module) -> bool:
    """Say whether a module is a ``Conv1D`` of transformers, which is not imported for it."""
    kind = type(module)
    return kind.__name__ == "Conv1D" and kind.__module__.startswith("transformers.")


def as_linear(module: torch.nn.Module) -> torch.nn.Linear:
    """Return a ``Conv1D`` as a linear layer with a copy of its weight, (outputs, inputs); a Linear as it is."""
    if isinstance(module, torch.nn.Linear):
        return module
    inputs, outputs = module.weight.shape
    layer = torch.nn.Linear(inputs, outputs, bias=module.bias is not None, device="meta")
    layer.weight = torch.nn.Parameter(module.weight.detach().T.contiguous(), module.weight.requires_grad)
    if module.bias is not None:
        layer.bias = torch.nn.Parameter(module.bias.detach().clone(), module.bias.requires_grad)
    return layer.train(module.training)
