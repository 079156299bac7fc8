"""What differs between two runs of a cell, as far as their records tell: pins, code, host, config, artefact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StageError
from harness.execute.environments import pins
from harness.publish.common.flatten import flatten
from harness.results import store
from harness.results.history import Point

#: The kinds of a change, in the order in which they are told.
ENVIRONMENT, HARNESS, HOST, CONFIG = "environment", "harness", "host", "config"

#: The axes that say what is computed; the others say where, how fast and how long it is measured.
_RECIPE = ("model", "task", "approach", "tuner")

#: More pins than this are counted instead of named.
_NAMED_PINS = 6

#: Facts of a host that a reboot or a setting changes; the others would make it another machine.
_HOST_FACTS = ("microcode", "kernel", "governor", "scaling_driver", "turbo", "transparent_huge_pages", "hypervisor")

#: How much of a git revision is shown.
_REVISION_LENGTH = 7


@dataclass(frozen=True)
class Difference:
    """One thing that differs: its kind, and a line that says from what to what."""

    kind: str
    line: str


def between(root: Path, before: Point, after: Point) -> list[Difference]:
    """Return what differs between two runs of one cell; nothing where the records tell no difference.

    Parameters
    ----------
    root : the folder of results, which holds locks and hosts.
    """
    return [*_locks(root, before, after), *_harness(before, after), *_hosts(root, before, after),
            *_configs(before, after)]  # fmt: skip


def recipe(before: Point, after: Point) -> list[str]:
    """Return a line on each field by which two runs of one cell computed something else, of those that both know."""
    lines = []
    for axis in _RECIPE:
        one, other = flatten(before.configs[axis]), flatten(after.configs[axis])
        lines += [
            f"{axis}.{name} {one[name]} -> {other[name]}" for name in one if name in other and one[name] != other[name]
        ]
    return lines


def _locks(root: Path, before: Point, after: Point) -> Iterator[Difference]:
    for name in dict.fromkeys([*before.locks, *after.locks]):
        one, other = before.locks.get(name), after.locks.get(name)
        if one != other:
            yield Difference(ENVIRONMENT, f"{name}: {_pins(root, name, one, other)}")


def _pins(root: Path, name: str, one: str | None, other: str | None) -> str:
    if one is None or other is None:
        return "new in this cell" if one is None else "no longer in this cell"
    old, new = (_read(store.environment_file(root, name, lock)) for lock in (one, other))
    if old is None or new is None:
        missing = one if old is None else other
        return f"lock {one} -> {other} ({store.ENVIRONMENTS}/{name}-{missing}.txt is not there to say what changed)"
    changed = [_pin(pin, old.get(pin), new.get(pin)) for pin in sorted({*old, *new}) if old.get(pin) != new.get(pin)]
    if not changed:
        return f"lock {one} -> {other}, of the same pins: its Python or the way of installing differs"
    more = f" and {len(changed) - _NAMED_PINS} more pins" if len(changed) > _NAMED_PINS else ""
    return ", ".join(changed[:_NAMED_PINS]) + more


def _pin(name: str, old: str | None, new: str | None) -> str:
    return f"+{name} {new}" if old is None else f"-{name} {old}" if new is None else f"{name} {old} -> {new}"


def _read(path: Path) -> dict[str, str] | None:
    """Return name -> version of a stored lock, None where there is none that can be read."""
    try:
        return pins.versions(path)
    except StageError:
        return None


def _harness(before: Point, after: Point) -> Iterator[Difference]:
    one, other = _revision(before.harness), _revision(after.harness)
    if one != other:
        yield Difference(HARNESS, f"harness {one} -> {other}")


def _revision(harness: Mapping[str, Any]) -> str:
    revision = harness["revision"]
    if revision is None:
        # Of code of no known revision only a digest tells whether it was the same.
        known = f" (code {harness['digest'][:_REVISION_LENGTH]})" if harness.get("digest") else ""
        return f"{harness['version']}{known}"
    return revision[:_REVISION_LENGTH] + (" with changed files" if harness["dirty"] else "")


def _hosts(root: Path, before: Point, after: Point) -> Iterator[Difference]:
    if before.host == after.host:
        return
    one, other = (store.read_host(root, point.host) or {} for point in (before, after))
    facts = [name for name in _HOST_FACTS if one.get(name) != other.get(name)]
    changed = ", ".join(f"{name} {one.get(name)} -> {other.get(name)}" for name in facts)
    yield Difference(HOST, f"host {before.host} -> {after.host}" + (f": {changed}" if changed else ""))


def _configs(before: Point, after: Point) -> Iterator[Difference]:
    for axis in before.configs:
        one, other = flatten(before.configs[axis]), flatten(after.configs.get(axis, {}))
        for name in dict.fromkeys([*one, *other]):
            if one.get(name) != other.get(name):
                yield Difference(CONFIG, f"{axis}.{name} {one.get(name)} -> {other.get(name)}")
