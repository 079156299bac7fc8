"""``harness aa``: an A/A comparison; what this host's noise takes for a change."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.commands.compare import add_measuring_options, measure, publish, write
from harness.commands.shared.measured import require_sound
from harness.execute.compare import variant
from harness.plan.catalogue import catalogue
from harness.publish.compare.columns import ROLES
from harness.publish.compare.comparison import Comparison, comparison
from harness.publish.compare.records import read
from harness.publish.compare.sentences import in_words
from harness.results import aa
from harness.stats.decisions.changes import Rule, fewest_pairs
from harness.stats.decisions.floor import Noise, noise
from harness.text.terminal import Console, Text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    add_measuring_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare now with now, write down what came out, and print it; 3 when a cell failed, else 0."""
    require_sound(arguments)
    now = variant.parse("now")
    runs, counts = measure(arguments, (now, now), catalogue(arguments.project))
    # Judged without a floor: it is what this is to find.
    compared = comparison(read(runs[0]), read(runs[1]), arguments.results, Rule(margin=arguments.margin))
    # What a comparison would not judge for want of pairs tells nothing of the noise either.
    fewest = fewest_pairs(compared.rule.sign_flip_alpha)
    judged = {name: variant for name, variant in compared.pairs.items() if len(variant[0]) >= fewest}
    found = noise(list(judged.values()), compared.rule.alpha)
    of_series = {role: noise([judged[name] for name in judged if name[1] == role]) for role in ROLES}
    floors = {role: one.floor for role, one in of_series.items() if one.floor is not None}
    path = aa.append(arguments.results, _entry(compared, found, floors, arguments.pairs))
    written, console = write(compared, arguments.results), Console()
    publish(compared, arguments.results, written, console)
    for line in _lines(compared, found, floors, path):
        console.print(Text(line), soft_wrap=True)
    return 3 if any(one.failed_cells or one.failed_invocations for one in counts) else 0


def _entry(compared: Comparison, found: Noise, floors: Mapping[str, float], pairs: int) -> dict[str, Any]:
    header = compared.runs[0].header
    left_out = sum(int(compared.rows[f"{role}_left_out"].sum()) for role in ROLES)
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "host": header["host"],
        "runs": [run.name for run in compared.runs],
        "suite": header["suite"]["name"],
        "harness": header["harness"],
        "environments": header["environments"],
        "pairs": pairs,
        "left_out_pairs": left_out,
        "alpha": compared.rule.alpha,
        "margin": float(compared.rule.margin),
        "false_verdicts": _false_verdicts(compared),
        "cells": _cells(compared),
        **dataclasses.asdict(found),
        "floors": dict(floors),
    }


def _false_verdicts(compared: Comparison) -> int:
    return sum(int(compared.rows[f"{role}_verdict"].isin(["faster", "slower"]).sum()) for role in ROLES)


def _cells(compared: Comparison) -> list[dict[str, Any]]:
    cells = []
    for _, row in compared.rows.iterrows():
        for role in ROLES:
            values = {name: row[f"{role}_{name}"] for name in ("ratio", "ratio_low", "ratio_high", "p", "pairs")}
            plain = {name: None if value != value else float(value) for name, value in values.items()}
            if plain["ratio"] is not None:
                cells.append({"cell": row["cell_key"], "role": role, **plain, "verdict": row[f"{role}_verdict"]})
    return cells


def _lines(compared: Comparison, found: Noise, floors: Mapping[str, float], path: Path) -> Iterator[str]:
    yield (
        f"{found.comparisons} A/A comparisons: {found.false_alarms} below p = "
        f"{compared.rule.alpha:g} each on its own, {_false_verdicts(compared)} false verdicts after all guards."
    )
    if found.floor is None:
        yield "No floor: the host was left to itself in too few pairs; that of an earlier A/A stands, if there is one."
    else:
        yield (
            f"Pairs spread by {found.deviation_log:.2%}; smallest change found in 8 of 10 tries: "
            f"{found.smallest_change:.2%}; floor: {found.floor:.2%}, {in_words(floors)}; drift meanwhile: "
            f"{found.drift or 0:.2%}."
        )
    yield f"written: {path}"
