"""What a comparison says in words: what is compared, what differs, and one sentence for each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from harness.config.schema import AXES
from harness.publish.common import conditions
from harness.publish.common.code_words import revision_words
from harness.publish.common.flatten import flatten
from harness.publish.common.numbers import is_known
from harness.publish.compare.columns import ROLES, SPEEDUP
from harness.publish.compare.comparison import Comparison
from harness.publish.compare.conditions import protocols
from harness.publish.compare.records import Run, matched, versions_of
from harness.results import store
from harness.results.records import host_limits

_MODES = {
    "interleaved": "measured interleaved on one host, compared pair by pair",
    "stored": "stored runs of one host that were not measured interleaved with each other: ratios of speed-ups over "
    "each run's own baseline, and accuracies; levels alone tell nothing below the host's drift",
    "hosts": "stored runs of two hosts: ratios of speed-ups over each run's own baseline, and accuracies",
}

#: So many differing packages or fields are named one by one.
_NAMED = 12

_CHANGED = ("faster", "slower", "better", "worse")


def heading(compared: Comparison, root: Path) -> Iterator[str]:
    """Yield the lines above the table: the variants, how they are compared, and what differs between them."""
    for name, run in zip("AB", compared.runs, strict=True):
        yield f"{name}: {_variant(run)}; {store.host_line(root, run.header['host'], run.header.get('limits'))}"
    yield f"{_MODES[compared.mode]}; change: B over A"
    rule = compared.rule
    if compared.mode != "hosts":
        known = "none known: 'harness aa' tells it" if rule.floor is None else f"{rule.floor:.2%}"
        known += f" ({in_words(rule.floors)})" if rule.floors else ""
        drift = f", its drift {rule.drift:.2%}" if rule.drift is not None and compared.mode == "stored" else ""
        yield f"this host's floor: {known}{drift}; margin of equivalence: {rule.margin:.2%}"
    yield from differences(compared, root)
    if compared.unmatched:
        yield f"{len(compared.unmatched)} cells are in one run only, e.g. {compared.unmatched[0]}"


def in_words(floors: Mapping[str, float]) -> str:
    """Return the floors of single series as a person reads them."""
    return ", ".join(f"{series} {floor:.2%}" for series, floor in floors.items())


def differences(compared: Comparison, root: Path) -> Iterator[str]:
    """Yield what differs between the variants: code, packages, configs, and hosts field by field."""
    one, other = compared.runs
    codes = [_code(run) for run in (one, other)]
    if codes[0] != codes[1]:
        yield f"code: {codes[0]} -> {codes[1]}"
    for name in one.header["environments"]:
        locks = [run.header["environments"].get(name) for run in (one, other)]
        if None not in locks and locks[0] != locks[1]:
            yield f"environment {name}: {_listed(_changed(*(versions_of(root, name, lock) for lock in locks)))}"
    yield from protocols(matched(one, other)[0], compared.runs)
    configs = _changed_configs(one, other)
    if configs:
        yield f"configs: {_listed(configs)}"
    yield from host_limits.differences(one.header.get("limits"), other.header.get("limits"))
    yield from conditions.differences(*compared.conditions)
    if one.header["host"] != other.header["host"]:
        here, there = (store.read_host(root, run.header["host"]) for run in (one, other))
        if here is None or there is None:
            yield "hosts: one of them is not described below hosts/"
        else:
            for line in _changed(flatten(host_limits.without(here)), flatten(host_limits.without(there))):
                yield f"host {line}"


def sentences(compared: Comparison) -> Iterator[str]:
    """Yield one sentence for each change, then what the others are."""
    several = [axis for axis in AXES if axis in ("task", "approach") or compared.rows[axis].nunique() > 1]
    for _, row in compared.rows.iterrows():
        name = "/".join(str(row[axis]) for axis in several)
        for role in ROLES:
            if row[f"{role}_verdict"] in _CHANGED:
                yield f"{name}: {_speed(row, role, compared.mode)}"
        if row["accuracy_verdict"] in _CHANGED:
            yield f"{name}: {_accuracy(row)}"
        for variant in "ab":
            if is_known(row[f"{variant}_failed"]):
                yield f"{name}: variant {variant.upper()} failed: {row[f'{variant}_failed']}"
            if is_known(row[f"{variant}_missing"]):
                yield f"{name}: not measured in {variant.upper()}: {row[f'{variant}_missing']}"
    yield from _summary(compared)


def _summary(compared: Comparison) -> Iterator[str]:
    words = [word for role in ROLES for word in compared.rows[f"{role}_verdict"].dropna()]
    if words:
        yield f"Speed, {len(words)} comparisons: {_counted(words)}."
    reasons = [
        reason
        for role in ROLES
        for reason, word in zip(compared.rows[f"{role}_reason"], compared.rows[f"{role}_verdict"], strict=True)
        if word == "inconclusive" and reason
    ]
    for reason, count in Counter(reasons).most_common():
        yield f"Inconclusive ({count}): {reason}."
    words = list(compared.rows["accuracy_verdict"].dropna())
    if words:
        yield f"Accuracy, {len(words)} cells: {_counted(words)}."


def _speed(row: pd.Series, role: str, mode: str) -> str:
    verdict, ratio = row[f"{role}_verdict"], row[f"{role}_ratio"]
    low, high = row[f"{role}_ratio_low"], row[f"{role}_ratio_high"]
    speedups = [row[f"{variant}_{SPEEDUP[role]}"] for variant in "ab"]
    if mode != "interleaved" and all(map(is_known, speedups)):
        return (
            f"{verdict}: {role}'s speed-up over the baseline is {ratio:.3f} times A's [{low:.3f}, {high:.3f}], "
            f"{speedups[1]:.2f}x after {speedups[0]:.2f}x"
        )
    # Of a time, for that is what is measured; the ratio is of speeds.
    change, ends = 1 / ratio - 1, sorted((1 / low - 1, 1 / high - 1))
    rises = "longer" if change > 0 else "shorter"
    text = (
        f"{verdict}: {'latency' if role == 'latency' else 'time'} at batch {row[f'{role}_batch']:.0f} is "
        f"{abs(change):.1%} {rises} [{ends[0]:+.1%}, {ends[1]:+.1%}], {row[f'a_{role}_ms']:.3g} ms -> "
        f"{row[f'b_{role}_ms']:.3g} ms"
    )
    pairs = f", {row[f'{role}_pairs']:.0f} pairs" if mode == "interleaved" else f"; {row[f'{role}_reason']}"
    return text + pairs


def _accuracy(row: pd.Series) -> str:
    low, high = row["difference_low"], row["difference_high"]
    ends = f" [{low:+.4f}, {high:+.4f}]" if is_known(low) and is_known(high) else ""
    moved = f", {row['broken']:.0f} rows broken and {row['fixed']:.0f} fixed" if is_known(row["broken"]) else ""
    return (
        f"{row['accuracy_verdict']}: {row['metric']} {row['a_value']:.4f} -> {row['b_value']:.4f}, "
        f"{row['difference']:+.4f}{ends}{moved}"
    )


def _counted(words: list[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common())


def _variant(run: Run) -> str:
    label = (run.header.get("comparison") or {}).get("label")
    return f"{label}, run {run.name}" if label else f"run {run.name}"


def _code(run: Run) -> str:
    code = run.header["harness"]
    return f"harness {code['version']} at {revision_words(code).removeprefix('revision ')}"


def _changed_configs(one: Run, other: Run) -> list[str]:
    """Return the fields that differ between options of one axis and label."""
    variants = [
        {(entry["axis"], entry["label"]): entry["config"] for entry in run.header["options"]} for run in (one, other)
    ]
    lines = []
    for axis, label in variants[0].keys() & variants[1].keys():
        pair = [flatten(variant[axis, label]) for variant in variants]
        lines += [f"{axis} {label}: {line}" for line in _changed(*pair)]
    return sorted(lines)


def _changed(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = sorted(one.keys() | other.keys())
    return [
        f"{name}: {one.get(name, 'none')} -> {other.get(name, 'none')}"
        for name in names
        if one.get(name) != other.get(name)
    ]


def _listed(lines: list[str]) -> str:
    more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return (", ".join(lines[:_NAMED]) or "another lock") + more
