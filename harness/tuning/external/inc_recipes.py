"""Neural Compressor's configurations in our words: recipes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from harness.config.schema import QuantizerConfig
from harness.tuning.recipe import Recipe

#: Neural Compressor's words and ours.
_SCHEMES = {"asym": "affine", "sym": "symmetric"}


def recipe_in_words(method: str, ops: Mapping[str, Mapping[str, Any] | None], reduce_range: bool) -> Recipe:
    """Return the recipe of a model whose ops Neural Compressor quantizes each in its own way, None for not at all.

    What most ops have is the recipe's; those that have another are listed beside it, under ``ops``.
    """
    ways = {op: _words(way, reduce_range) for op, way in ops.items() if way is not None}
    common = Counter(_frozen(way) for way in ways.values()).most_common(1)
    first = next((way for way in ways.values() if _frozen(way) == common[0][0]), None) if common else None
    usual = first or _words({}, reduce_range)
    others = {op: way for op, way in sorted(ways.items()) if way != usual}
    approach: dict[str, Any] = {"method": method, **usual}
    if others:
        approach["ops"] = others
    return Recipe(approach, tuple(op for op, way in ops.items() if way is None))


def _words(way: Mapping[str, Any], reduce_range: bool) -> dict[str, Any]:
    """Return one op's quantizers as fields of our config; what Neural Compressor does not say is our default."""
    found = {}
    for part, plain in (
        ("activation", QuantizerConfig(dtype="uint8")),
        ("weight", QuantizerConfig(scheme="symmetric")),
    ):
        said = way.get(part, {})
        found[part] = dataclasses.asdict(
            dataclasses.replace(
                plain,
                dtype=said.get("dtype", plain.dtype),
                scheme=_SCHEMES.get(said.get("scheme"), plain.scheme),
                granularity=said.get("granularity", plain.granularity),
                observer=said.get("algorithm", plain.observer),
                reduce_range=reduce_range and part == "activation",
            )
        )
    return found


def _frozen(way: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple((part, tuple(fields.items())) for part, fields in way.items())


def ways_of(
    search: Any, tune_cfg: Mapping[str, Any], named: Callable[[Any, Any], str], method: str
) -> dict[str, Mapping[str, Any] | None]:
    """Return how each op that can be quantized is, None for not at all."""
    quantizable = {item.name for item in search.tuning_space.query_items_by_quant_mode(method)}
    ways: dict[str, Mapping[str, Any] | None] = {}
    for key, way in tune_cfg["op"].items():
        if key in quantizable:
            name = named(search.adaptor, key)
            if name in ways:
                # Or two candidates might have one recipe.
                name = f"{name}#{sum(other.partition('#')[0] == name for other in ways) + 1}"
            ways[name] = way if way["activation"]["quant_mode"] == method else None
    return ways
