"""Which linear layers of a network of torch are quantized."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.errors import StageError, nearest

if TYPE_CHECKING:
    import torch


def quantized_linears(network: torch.nn.Module, fallback: Iterable[str]) -> list[str]:
    """Return the names of the linear layers of `network` that are quantized: all but those that fall back.

    Parameters
    ----------
    fallback : names of modules, from the network's root or from its encoder's; all layers below one stay in FP32.

    Raises
    ------
    StageError : ``bad_config`` for a name that no linear layer has or stands below.
    """
    import torch

    linears = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    kept: set[str] = set()
    prefix = getattr(network, "base_model_prefix", "")
    for name in fallback:
        below = [
            layer
            for layer in linears
            if any(f"{layer}.".startswith(f"{start}.") for start in (name, f"{prefix}.{name}"))
        ]
        if not below:
            raise StageError("bad_config", f"approach.fallback: no linear layer '{name}'{nearest(name, linears)}")
        kept.update(below)
    return [name for name in linears if name not in kept]
