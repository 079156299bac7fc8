"""``harness plan``: the cells of a suite, and each excluded one with its reason."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from harness.commands.shared import output
from harness.config.schema import AXES
from harness.execute.run.schedule import interleaved_groups
from harness.host.describe import Host, describe, with_all_instructions
from harness.host.placement import Placement, placed
from harness.plan.catalogue import catalogue
from harness.plan.described_host import find_host
from harness.plan.matrix import Plan, make_plan
from harness.plan.preview import Preview, previews
from harness.publish.common.narrow import print_table
from harness.text.terminal import Console, Text

#: More cells than a person reads: counts for each axis are printed instead.
LISTED_CELLS = 200


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    form = parser.add_mutually_exclusive_group()
    output.add_json(form)
    form.add_argument(
        "--compatibility",
        action="store_true",
        help="approaches x backends and reasons, for a host with all instructions, as Markdown",
    )
    parser.add_argument(
        "--host",
        dest="planned_host",
        metavar="HOST",
        help="plan for another host, named as for 'harness doctor --host'",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the plan, and what is known of the user's own model and data; nothing is built, downloaded or measured.

    Returns
    -------
    int : 0; 2 where a model or data of the user's own cannot be run.
    """
    named = arguments.planned_host
    host = describe() if named is None else find_host(named, arguments.results)
    if arguments.compatibility and named is None:
        # A table for every reader leaves nothing out for what one host lacks.
        host = with_all_instructions(host)
    plan = make_plan(catalogue(arguments.project), arguments.overrides, host)
    if arguments.json:
        own = previews(plan.cells)
        inputs = [dataclasses.asdict(one) for one in own]
        output.print_json("plan", as_json(plan, host) | {"inputs": inputs})
        return _status(own)
    if arguments.compatibility:
        from harness.publish.plan import compatibility  # pandas, which no other form of this command needs

        print(compatibility.markdown(plan), end="")
        return 0
    console = Console()
    suite = plan.suite
    invocations = sum(map(len, interleaved_groups(plan.cells, plan.suite.baseline)))
    console.print(
        Text(
            f"suite {suite.name} version {suite.version}: {len(plan.cells)} cells to run in {invocations} "
            f"invocations, {len(plan.excluded)} excluded; environments: {', '.join(plan.environments)}"
        )
    )
    for line in placements(plan, host):
        console.print(Text(line))
    if len(plan.cells) > LISTED_CELLS:
        for place, axis in enumerate(AXES):
            counts = Counter(cell.labels[place] for cell in plan.cells)
            console.print(Text(f"  {axis}: " + ", ".join(f"{label} ({count})" for label, count in counts.items())))
    else:
        print_table(_table(plan), console)
    own = previews(plan.cells)
    for one in own:
        for line in one.lines:
            style = "red" if line.startswith("  problem") else "yellow" if line.startswith("  warning") else ""
            console.print(Text(line, style=style), soft_wrap=True)
    return _status(own)


def _status(own: Sequence[Preview]) -> int:
    return 2 if any(one.problem is not None for one in own) else 0


def placements(plan: Plan, host: Host) -> Iterator[str]:
    """Yield where the cells of each host option run, options that run in the same place together."""
    labels: dict[str, list[str]] = {}
    for label, found in _placed(plan, host).items():
        labels.setdefault("; ".join((str(found), *found.notes)), []).append(label)
    for where, names in labels.items():
        yield f"host {', '.join(names)}: {where}"


def as_json(plan: Plan, host: Host) -> dict[str, Any]:
    """Return the plan for a host as plain values."""
    return {
        "suite": {"name": plan.suite.name, "version": plan.suite.version, "digest": plan.suite.digest},
        "environments": plan.environments,
        "placements": {label: _where(found) for label, found in _placed(plan, host).items()},
        "cells": [{"key": cell.key, "digest": cell.digest} for cell in plan.cells],
        "excluded": [
            {"key": item.cell.key, "kind": item.reason.kind, "because": item.reason.because} for item in plan.excluded
        ],
    }


def _placed(plan: Plan, host: Host) -> dict[str, Placement]:
    """Return the label of each host option that can be had on `host` -> where its cells run."""
    found = {option.label: placed(option.config, host) for option in plan.options if option.axis == "host"}
    return {label: place for label, place in found.items() if place is not None}


def _where(found: Placement) -> dict[str, Any]:
    return {"threads": found.threads, **dataclasses.asdict(found)}


def _table(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    shown = [place for place, axis in enumerate(AXES) if place < 4 or _varies(plan, place)]
    for place in shown:
        table.add_column(list(AXES)[place], overflow="fold")
    table.add_column("status", overflow="fold")
    for cell in plan.cells:
        table.add_row(*(Text(cell.labels[place]) for place in shown), Text("run", style="green"))
    for item in plan.excluded:
        reason = Text(f"{item.reason.kind}: {item.reason.because}", style="dim")
        table.add_row(*(Text(item.cell.labels[place], style="dim") for place in shown), reason)
    return table


def _varies(plan: Plan, place: int) -> bool:
    return len({cell.labels[place] for cell in plan.cells}) > 1
