"""Quantization by the seed's words: metrics to keep, objectives to gain, and a trainer that quantizes.

``from harness.optimization.trainer import NLPTrainer`` needs transformers; :func:`quantize` and :func:`load` need torch
and import it when they are first asked for.
"""

from __future__ import annotations

from typing import Any

from harness.optimization import metrics, objectives
from harness.optimization import metrics as metric
from harness.optimization.config import QuantizationConfig

__all__ = ["QuantizationConfig", "load", "metric", "metrics", "objectives", "quantize"]


def __getattr__(name: str) -> Any:
    if name in ("load", "quantize"):
        from harness.optimization import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
