"""What a record must hold beyond its type, so that whoever reads it can take it for what it says.

A type knows each field; here stands what holds between them, and what the config of an option must have.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness import metrics
from harness.config.bounds import Domain, domain_of
from harness.config.schema import AXES, ApproachConfig

Record = Mapping[str, Any]

#: Fields of an option's config that readers take for granted; those that came later have defaults where they are read.
_NEEDED: dict[str, tuple[str, ...]] = {
    "model": ("name", "source", "environment"),
    "task": ("name", "source", "kind", "metric", "greater_is_better"),
    "approach": ("name", "precision"),
    "backend": ("name", "environment"),
    "tuner": ("name",),
    "host": ("name",),
    "protocol": (
        *("name", "blocks", "latency_batch_size", "throughput_batch_size", "measure_seconds", "criterion"),
        *("criterion_relative", "confidence", "omp_wait_policy"),
    ),
}

_MESSAGE_LENGTH = 200


def check(record: Record) -> None:
    """Raise ValueError, naming the field, where a record that fits its type cannot be meant.

    Parameters
    ----------
    record : fits its type.
    """
    try:
        if record["type"] in _CHECKS:
            _CHECKS[record["type"]](record)
    except ValueError as error:
        raise ValueError(f"record {record['type']}: {str(error)[:_MESSAGE_LENGTH]}") from error


def _header(header: Record) -> None:
    options: dict[str, Record] = {}
    for place, option in enumerate(header["options"]):
        _config(option, f"options[{place}]")
        options[option["digest"]] = option
    _once((option["digest"] for option in header["options"]), "options", "digest")
    for place, cell in enumerate(header["cells"]):
        _cell(cell, f"cells[{place}]", options)
    for place, entry in enumerate(header["excluded"]):
        labels = entry.get("labels", AXES)
        _want(len(labels) == len(AXES), f"excluded[{place}].labels", f"{len(labels)} of them, want {_axes()}")
    _once((cell["digest"] for cell in header["cells"]), "cells", "digest")
    _once((cell["key"] for cell in header["cells"]), "cells", "key")
    strange = next((axis for axis in header["baseline"] if axis not in AXES), None)
    _want(strange is None, f"baseline.{strange}", f"no axis, want {_axes()}")
    _want(header["seed"] >= 0, "seed", f"{header['seed']}, want 0 or more")


def _cell(cell: Record, where: str, options: Mapping[str, Record]) -> None:
    """Check that a cell has one label and one known option on each axis."""
    for name in ("labels", "options"):
        _want(len(cell[name]) == len(AXES), f"{where}.{name}", f"{len(cell[name])} of them, want {_axes()}")
    for axis, label, digest in zip(AXES, cell["labels"], cell["options"], strict=True):
        _want(digest in options, f"{where}.options", f"no option has the digest {digest!r}")
        told, name = options[digest]["axis"], options[digest]["label"]
        _want(told == axis, f"{where}.options", f"{digest!r} is of axis {told}, want one of {axis}")
        _want(label == name, f"{where}.labels", f"{label!r}, and its {axis} is called {name!r}")


def _config(option: Record, where: str) -> None:
    axis, config = option["axis"], option["config"]
    missing = next((name for name in _NEEDED[axis] if name not in config), None)
    _want(missing is None, f"{where}.config", f"no field {missing}, which each {axis} has")
    _fields(AXES[axis], config, f"{where}.config")


def _fields(schema: type, values: Record, where: str) -> None:
    """Check those fields of a config that today's schema knows, types and bounds; what it does not is of other code."""
    for name, hint in _hints(schema).items():
        if name in values:
            _fits(values[name], hint, f"{where}.{name}")
            _is_within(values[name], _domains(schema)[name], f"{where}.{name}")


def _fits(value: Any, hint: Any, where: str) -> None:
    if isinstance(hint, types.UnionType):
        if value is None:
            return
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        _want(isinstance(value, dict), where, "want an object")
        _fields(hint, value, where)
    elif origin is tuple:
        _want(isinstance(value, list), where, "want a list")
        for place, item in enumerate(value):
            _fits(item, inner[0], f"{where}[{place}]")
    elif origin is dict:
        _want(isinstance(value, dict), where, "want an object")
        for name, item in value.items():
            _fits(item, inner[1], f"{where}.{name}")
    else:
        right = (int, float) if hint is float else hint
        is_right = isinstance(value, right) and (hint is bool or not isinstance(value, bool))
        _want(is_right, where, f"{str(value)[:40]!r}, want {_WORDS[hint]}")


def _is_within(value: Any, domain: Domain, where: str) -> None:
    """Check the bounds of a number, or of each in a list, that readers may calculate with."""
    if domain.low is not None:
        for one in value if isinstance(value, list) else [value]:
            is_within = one is None or domain.low <= one <= domain.high
            _want(is_within, where, f"{one}, want {domain.low:.12g} to {domain.high:.12g}")


_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@functools.cache
def _domains(schema: type) -> dict[str, Domain]:
    return {field.name: domain_of(field) for field in dataclasses.fields(schema)}


@functools.cache
def _hints(schema: type) -> dict[str, Any]:
    return typing.get_type_hints(schema)


#: What tuning tells of itself, in a prepared record.
_TUNED = {"chosen": int | None, "rows": int | None, "reason": str | None, "seen": tuple[int, ...] | None}


def _dataset(dataset: Record) -> None:
    there, wanted = len(dataset["references"]), dataset["rows"]["evaluation"]
    _want(there == wanted, "references", f"{there} of them, and {wanted} evaluation rows")


def _prepared(prepared: Record) -> None:
    """Check what readers take from the provenance, which is whatever the stages have told."""
    tuned = prepared["provenance"].get("tuned") or {}
    where = "provenance.tuned"
    _want(isinstance(tuned, dict), where, "want an object")
    for name, hint in _TUNED.items():
        if name in tuned:
            _fits(tuned[name], hint, f"{where}.{name}")
    sums = prepared["provenance"].get("int16_sums") or {}
    _want(isinstance(sums, dict), "provenance.int16_sums", "want an object")
    if sums.get("saturate"):
        _fits(sums.get("share"), float, "provenance.int16_sums.share")


def _trial(trial: Record) -> None:
    recipe = trial["recipe"]
    for name, fields in _RECIPE.items():
        _want(name in recipe, "recipe", f"no field {name}")
        _want(not fields or isinstance(recipe[name], dict), f"recipe.{name}", "want an object")
        missing = next((field for field in fields if field not in recipe[name]), None)
        _want(missing is None, f"recipe.{name}", f"no field {missing}")
    _fields(ApproachConfig, recipe, "recipe")
    _want(isinstance(recipe.get("ops", {}), dict), "recipe.ops", "want an object")


#: Fields of a trial's recipe that its description needs.
_RECIPE: dict[str, tuple[str, ...]] = {
    "method": (),
    "activation": ("observer", "scheme", "reduce_range", "percentile"),
    "weight": ("granularity",),
}


#: Metrics that are shares of the rows, or means of such.


def _accuracy(accuracy: Record) -> None:
    there, rows = len(accuracy["predictions"]), accuracy["rows"]
    _want(there == rows, "predictions", f"{there} of them, and {rows} rows")
    name, value = accuracy["metric"]["name"], accuracy["metric"]["value"]
    _want(not metrics.is_percent(name) or 0 <= value <= 1, "metric.value", f"{value}, want 0 to 1 for {name}")


def _invocation(invocation: Record) -> None:
    _once((series["role"] for series in invocation["series"]), "series", "role")
    _once(invocation["cores"], "cores", "number")
    _once(invocation.get("ring", ()), "ring", "order")
    for place, series in enumerate(invocation["series"]):
        there, told = len(series["latency_ns"]), sum(series.get("turns", ()))
        is_whole = "turns" not in series or told == there
        _want(is_whole, f"series[{place}].turns", f"they hold {told} iterations, and latency_ns {there}")
    cores = len(invocation["cores"])
    _want(invocation["threads"] <= cores, "threads", f"want {cores} cores at most")
    _readings(invocation["system"], "system")


#: What only grows while a process is measured.
_GROWING = ("process_cpu_ns", "monotonic_ns")

#: What may be below zero.
_SIGNED = ("temperature_celsius",)


def _readings(system: Record | None, where: str) -> None:
    """Check what the kernel was asked before and after a measurement: whether the host was quiet is told by it."""
    if system is None:
        return
    for when, told in system.items():
        for name, value in told.items():
            for one in value if isinstance(value, list) else [value]:
                is_count = name in _SIGNED or one is None or one >= 0
                _want(is_count, f"{where}.{when}.{name}", f"{one}, want 0 or more")
    for name in _GROWING:
        before, after = (system[when].get(name) for when in ("before", "after"))
        has_grown = None in (before, after) or before <= after
        _want(has_grown, f"{where}.after.{name}", f"{after}, and {before} before")


def _scenario(scenario: Record) -> None:
    for place, probe in enumerate(scenario["probes"]):
        counts = {name: len(probe[name]) for name in ("scheduled_ns", "latency_ns", "samples")}
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        _want(len(set(counts.values())) == 1, f"probes[{place}]", f"{told}: want as many of each")
    if scenario["scenario"] == "server":
        for name in ("percentile", "limit_ns"):
            _want(scenario[name] is not None, name, "null, which a server has not")
    _readings(scenario["system"], "system")
    for place, layout in enumerate(scenario["layouts"]):
        for number, series in enumerate(layout["series"]):
            _readings(series["system"], f"layouts[{place}].series[{number}].system")


def _once(values: Iterable[Any], where: str, name: str) -> None:
    seen: set[Any] = set()
    for value in values:
        _want(value not in seen, where, f"two have the {name} {str(value)[:80]!r}")
        seen.add(value)


def _want(is_right: bool, where: str, message: str) -> None:
    if not is_right:
        raise ValueError(f"{where}: {message}")


def _axes() -> str:
    return f"one for each of {', '.join(AXES)}"


_CHECKS: dict[str, Callable[[Record], None]] = {
    "header": _header,
    "dataset": _dataset,
    "prepared": _prepared,
    "trial": _trial,
    "accuracy": _accuracy,
    "invocation": _invocation,
    "scenario": _scenario,
}
