"""What a trial tries: an approach's fields and the ops that fall back, as plain JSON with a digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.config.schema import QuantizerConfig


@dataclass(frozen=True)
class Recipe:
    """`approach` holds JSON values, as fields of ApproachConfig; `fallback` names the ops that are not quantized."""

    approach: Mapping[str, Any]
    fallback: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Two ways to the same set of ops are one recipe.
        object.__setattr__(self, "fallback", tuple(sorted(set(self.fallback))))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value that :meth:`from_json` reads."""
        return {"approach": dict(self.approach), "fallback": list(self.fallback)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """Return the recipe that :meth:`to_json` wrote."""
        return cls(value["approach"], tuple(value["fallback"]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the recipe's canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def falling_back(self, ops: Iterable[str]) -> Recipe:
        """Return the same approach with exactly `ops` falling back."""
        return Recipe(self.approach, tuple(ops))


def whole_model(method: str, activation: QuantizerConfig, weight: QuantizerConfig) -> Recipe:
    """Return the recipe that quantizes every op alike."""
    return Recipe(
        {"method": method, "activation": dataclasses.asdict(activation), "weight": dataclasses.asdict(weight)}
    )
