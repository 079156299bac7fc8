"""What must be said of an INT8 row on a host without VNNI: that its sums saturate, and what keeps them in range."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from harness.backends.base import unsupported
from harness.config import instructions
from harness.config.cell import Cell, cell_from_dict, from_dict
from harness.config.schema import ApproachConfig, HostConfig
from harness.errors import StageError

#: Fields that leave one side of a product 7 bits, the one that most backends have first.
_NARROWING = ("activation", "weight")


def note(entry: Mapping[str, Any], isa: Collection[str] | None, provenance: Mapping[str, Any]) -> str | None:
    """Return one line on an INT8 cell whose sums saturate, or may, on its host; None for any other.

    Parameters
    ----------
    entry : key, digest and labels of a cell, and its config on each axis.
    isa : the host's instruction sets; None where they are not known, so that nothing can be said of it.
    provenance : what making the artefact has told; ``int16_sums`` where it was seen whether they saturate.
    """
    seen = (provenance.get("int16_sums") or {}).get("saturate")
    try:
        approach = from_dict(ApproachConfig, entry["approach"])
        left = None if isa is None else instructions.effective(from_dict(HostConfig, entry["host"]), isa)
    except (KeyError, TypeError):
        return None  # made by code with other fields
    if not seen and (isa is None or not instructions.may_saturate(approach, left)):
        return None
    if seen:
        share = provenance["int16_sums"]["share"]
        what = f"sums of 8-bit products saturate here, without VNNI ({_percent(share)} of them on a probe)"
    else:
        what = "sums of 8-bit products may saturate here, without VNNI"
    offered = _offered(entry, left)
    return f"{what}; {offered}=true keeps them in range" if offered else what


def _offered(entry: Mapping[str, Any], isa: Collection[str] | None) -> str | None:
    """Return the field by which the cell's backend can narrow a side of its products; None where it has none."""
    try:
        cell = cell_from_dict(dict(entry))
        offered = (side for side in _NARROWING if unsupported(_narrowed(cell, side), isa) is None)
        return next((f"approach.{side}.reduce_range" for side in offered), None)
    except (KeyError, TypeError, StageError):
        return None


def _narrowed(cell: Cell, side: str) -> Cell:
    quantizer = replace(getattr(cell.approach, side), reduce_range=True)
    return replace(cell, approach=replace(cell.approach, **{side: quantizer}))


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
