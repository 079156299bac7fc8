"""Quantization-aware training of any torch module, whatever loop trains it.

Fake quantizers stand around each linear layer while it trains (B. Jacob et al., CVPR 2018, section 3). Afterwards the
network is a plain one again, with the trained weights; the ranges that the fake quantizers learned take the place of
calibration, so that every op can still fall back.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.ao.quantization import QuantWrapper, prepare_qat

from harness.approaches.observers import MagnitudeHistogram
from harness.backends.torch_common.qconfig import qat_qconfig
from harness.backends.torch_common.tuning.layers import linears
from harness.backends.torch_common.tuning.subject import Calibrated, calibrate
from harness.config.schema import ApproachConfig, QuantizerConfig
from harness.errors import StageError


def fake_quantized(network: torch.nn.Module, reduce_range: bool = False) -> torch.nn.Module:
    """Return a copy of `network` in training mode, each linear layer between fake quantizers.

    Parameters
    ----------
    reduce_range : fake quantizers of activations have 7 bits.
    """
    prepared = copy.deepcopy(network).train()
    activation = QuantizerConfig(dtype="uint8", observer="moving_average", reduce_range=reduce_range)
    qconfig = qat_qconfig(ApproachConfig(name="qat", method="qat", activation=activation))
    for name, linear in linears(prepared).items():
        wrapper = QuantWrapper(linear)
        wrapper.qconfig = qconfig
        prepared.set_submodule(name, wrapper.train())
    return prepare_qat(prepared, inplace=True)


@contextlib.contextmanager
def without_dropout(network: torch.nn.Module) -> Iterator[None]:
    """Hold a network in evaluation mode for a while, even if the loop that trains it calls its ``train()``.

    Dropout would stretch what the observers see, so that the learned ranges are of values that never come again, and
    in tens of steps its noise costs more accuracy than rounding does.
    """
    network.eval()
    network.train = lambda mode=True: network
    try:
        yield
    finally:
        del network.train


def trained(prepared: torch.nn.Module, batches: Sequence[Any]) -> tuple[torch.nn.Module, Calibrated]:
    """Return the plain network with the trained weights, and the learned ranges as if calibration had seen them.

    Changes `prepared`. A layer that training never used keeps the range that `batches` show.

    Raises
    ------
    StageError : ``nan`` when training has left a weight that is not finite.
    """
    learned: dict[str, MagnitudeHistogram] = {}
    wrappers = {name: module for name, module in prepared.named_modules() if isinstance(module, QuantWrapper)}
    for name, wrapper in wrappers.items():
        layer = wrapper.module
        for place, holder in (("input", wrapper.quant), ("output", layer)):
            observer = holder.activation_post_process.activation_post_process
            ends = np.array([float(observer.min_val), float(observer.max_val)])
            if all(map(math.isfinite, ends)):
                learned[f"{name}.{place}"] = MagnitudeHistogram()
                learned[f"{name}.{place}"].add(ends)
        linear = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        linear.weight, linear.bias = layer.weight, layer.bias
        prepared.set_submodule(name, linear)
    network = prepared.eval()
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            raise StageError("nan", f"QAT: weight {name} is not finite after training")
    shown = calibrate(network, batches)
    return network, dataclasses.replace(shown, histograms={**shown.histograms, **learned})
