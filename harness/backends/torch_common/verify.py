"""Holds an artefact of torch against the module it was made from, on batches of other shapes than it was made with.

An INT8 artefact must agree with its module as that computes, or as it would on a host whose sums saturate: that is a
property of the host, which the accuracy judges. What agrees with neither is a fault of the exporter.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from harness.backends.torch_common.saturation import saturating
from harness.errors import StageError

#: Largest difference of a logit, as a share of the largest logit. FP32 differs in the order of sums only; a sum on the
#: edge of a code may fall either way and is carried on by the layers behind it.
TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "int8": 2e-1}

Logits = Callable[[Any], torch.Tensor]


def require_same(artefact: Logits, module: Logits, batches: Sequence[Any], precision: str) -> dict[str, Any]:
    """Return how far an artefact's logits are from its module's, as provenance.

    For INT8 the provenance holds ``int16_sums`` too: whether the artefact's sums saturate (None where nothing on these
    batches could tell), the share of sums that do, and how far its logits are from those of saturating sums.

    Parameters
    ----------
    artefact, module : give the logits of a batch.
    precision : fp32, bf16 or int8.

    Raises
    ------
    StageError : ``error`` when the largest difference of a logit is above :data:`TOLERANCE`.
    """
    plain, sums, share = 0.0, 0.0, 0.0
    bound, rounding = 0.0, 0.0
    for batch in batches:
        with torch.no_grad():
            found, wanted = artefact(batch).float(), module(batch).float()
        largest = max(1.0, float(wanted.abs().max()))
        bound, rounding = max(bound, TOLERANCE[precision] * largest), max(rounding, TOLERANCE["fp32"] * largest)
        plain = _larger(plain, found, wanted)
        if precision == "int8":
            emulated, met = saturating(functools.partial(_float_logits, module, batch))
            sums, share = _larger(sums, found, emulated), max(share, met.share)
    if not min(plain, sums if share else plain) <= bound:
        more = f", and by {sums:.2g} from those of sums that saturate" if share else ""
        raise StageError("error", f"the artefact's logits differ from its module's by {plain:.2g}{more}")
    provenance: dict[str, Any] = {"largest_difference_from_module": plain}
    if precision == "int8":
        # Where few sums saturate, the logits may be the same: then which is nearer is a matter of FP32's rounding.
        told = None if abs(sums - plain) <= rounding else sums < plain
        provenance["int16_sums"] = {"saturate": told, "share": share, "largest_difference": sums}
    return provenance


def _larger(before: float, found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the larger difference, where NaN is larger than all."""
    here = float((found - wanted).abs().max())
    return before if here <= before else here


def _float_logits(module: Logits, batch: Any) -> torch.Tensor:
    return module(batch).float()
