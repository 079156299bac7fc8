"""Ranges that calibration has kept, put into the observers of a graph that was prepared for quantization.

For FX and PT2E alike: the graph is prepared as for ``quantize``, with observers of the minimum and maximum, and is told
these instead of being shown any row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch

from harness.approaches.mapping import codes
from harness.tuning.ranges import observed_range

if TYPE_CHECKING:
    from torch.fx import Node

    from harness.approaches.observers import MagnitudeHistogram
    from harness.config.schema import ApproachConfig, QuantizerConfig


def by_minmax(approach: ApproachConfig) -> ApproachConfig:
    """Return the approach whose activations are observed by minimum and maximum, which can be told any range."""
    return dataclasses.replace(approach, activation=dataclasses.replace(approach.activation, observer="minmax"))


def put_range(
    prepared: torch.fx.GraphModule,
    observer: Node,
    places: Iterable[str],
    histograms: Mapping[str, MagnitudeHistogram],
    activation: QuantizerConfig,
) -> None:
    """Give an observer of `prepared` the range of the tensor that was seen at `places`, all of them the same tensor."""
    histogram = next(histograms[place] for place in places if place in histograms)
    least, most = observed_range(activation, histogram, codes(activation.dtype, activation.reduce_range))
    module = prepared.get_submodule(observer.target)
    for end, value in ((module.min_val, least), (module.max_val, most)):
        end.fill_(value)
