"""Observers that torch has none of: they clip at a percentile of \\|x\\|, or where least information is lost."""

from __future__ import annotations

from typing import Any

import torch
from torch.ao.quantization.observer import UniformQuantizationObserverBase

from harness.approaches.observers import MagnitudeHistogram, nearest_rank


class ClippingObserver(UniformQuantizationObserverBase):
    """Observes whole tensors; clips at a percentile of \\|x\\|, or for None by entropy."""

    def __init__(self, percentile: float | None = None, **keywords: Any):
        super().__init__(**keywords)
        self.percentile = percentile
        self.histogram = MagnitudeHistogram()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.histogram.add(x.detach().float().numpy())
        return x

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scale and zero point of the clipped range."""
        if self.percentile is None:
            threshold = self.histogram.entropy_threshold(self.quant_max - self.quant_min + 1)
        else:
            threshold = self.histogram.percentile_threshold(self.percentile)
        minimum, maximum = self.histogram.clipped(threshold)
        return self._calculate_qparams(torch.tensor(minimum), torch.tensor(maximum))


class PerChannelPercentileObserver(UniformQuantizationObserverBase):
    """Observes the rows of one weight; clips each at a percentile of its own \\|w\\|."""

    def __init__(self, percentile: float, **keywords: Any):
        super().__init__(**keywords)
        self.ch_axis = 0
        self.percentile = percentile
        self.register_buffer("min_val", torch.tensor([]))
        self.register_buffer("max_val", torch.tensor([]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.detach().float().flatten(1)
        rank = nearest_rank(self.percentile, rows.shape[1])
        threshold = rows.abs().kthvalue(rank, dim=1).values
        self.min_val = torch.maximum(rows.amin(dim=1), -threshold)
        self.max_val = torch.minimum(rows.amax(dim=1), threshold)
        return x

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scale and zero point of each row."""
        return self._calculate_qparams(self.min_val, self.max_val)
