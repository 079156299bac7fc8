"""What the tuning of backends that export the network shares: the work that each product does. Needs torch."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from harness.backends.common.export_network import exportable, linear_names, op_of, place_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.approaches.calibration import Calibration
    from harness.data.any_rows import AnyRows


def multiplications(
    network: PreTrainedModel, nodes: Iterable[str], train: AnyRows, calibration: Calibration
) -> dict[str, int]:
    """Return the multiplications of each exported node on the calibration rows, by the op it falls back as.

    A product of activations is taken for one of attention, which multiplies each token's width with each token. To look
    up a token counts as one.
    """
    linears = set(linear_names(network))
    modules = {op_of(node, linears): place_of(node)[0] for node in nodes}
    done = dict.fromkeys(modules, 0)

    def count(op: str, module: torch.nn.Module, args: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
        entering = next(value for value in (*args, *keywords.values()) if isinstance(value, torch.Tensor))
        each = module.out_features if op in linears else entering.shape[1] if entering.is_floating_point() else 1
        done[op] += entering.numel() * each

    hooks = [
        network.get_submodule(module).register_forward_hook(functools.partial(count, op), with_kwargs=True)
        for op, module in modules.items()
    ]
    logits, example = exportable(network)
    try:
        for rows in calibration.batches:
            batch = train.batch(rows)
            with torch.no_grad():
                logits(*(torch.from_numpy(batch[name]) for name in example))
    finally:
        for hook in hooks:
            hook.remove()
    return done
