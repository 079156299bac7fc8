"""How many multiplications a network of torch makes: by torch's own counter, which sees each product's shapes."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

#: Lengths that the count is taken at; a polynomial of degree two is fixed by three, and must foretell the fourth.
_LENGTHS = (4, 6, 10, 16)


def multiplications(network: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> int:
    """Return the multiplications of the matrix products and convolutions of one forward pass in floating point.

    torch counts a multiplication and its addition as two.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(**inputs)
    return counter.get_total_flops() // 2


def per_row(network: Any, image: np.ndarray | None = None) -> dict[str, int] | None:
    """Return the multiplications a row of a network of transformers: `row`, `token` and `token_pair`.

    A row of n tokens takes ``row + n * token + n**2 * token_pair``: pooler and classifier see a row once, the other
    linear layers each token, attention each pair. None where the network does not follow this.

    Parameters
    ----------
    image : an image as the network takes it, shape (channels, height, width); None for a network of tokens.
    """
    # The fused kernel of attention is not in the counter of each version of torch; the products it stands for are.
    with sdpa_kernel(SDPBackend.MATH):
        if image is not None:
            pixels = torch.from_numpy(np.ascontiguousarray(image))[None]
            return {"row": multiplications(network, {"pixel_values": pixels}), "token": 0, "token_pair": 0}
        taken = inspect.signature(network.forward).parameters
        counts = [multiplications(network, _tokens(length, taken)) for length in _LENGTHS]
    solved = np.linalg.solve(np.vander(_LENGTHS[:3], 3, increasing=True).astype(float), counts[:3])
    row, token, pair = (round(value) for value in solved)
    told = [row + token * length + pair * length**2 for length in _LENGTHS]
    # A head that leaves out a token, as language models' do, is a negative share of the row.
    return {"row": row, "token": token, "token_pair": pair} if told == counts else None


def _tokens(length: int, taken: Any) -> dict[str, torch.Tensor]:
    ones = torch.ones((1, length), dtype=torch.int64)
    arrays = {"input_ids": ones, "attention_mask": ones, "token_type_ids": torch.zeros_like(ones)}
    return {name: array for name, array in arrays.items() if name in taken}
