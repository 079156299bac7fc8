"""Writes ``docs/reference/hosts.md``: what `harness doctor` and `harness plan` say of each made machine.

Run from the repository's root: ``python -m tests.host.hosts_page``.
"""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from harness.commands.plan import placements
from harness.host.describe import Host
from harness.host.placement import misfit
from harness.plan.catalogue import catalogue
from harness.plan.matrix import Plan, make_plan
from harness.publish.host.render import render_facts
from tests.host.machines import MACHINES, described

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "hosts.md"

#: The options of a cell's host that the page shows.
_OPTIONS = "host=node,socket,cores4,whole"

_WIDTH = 110

_HEAD = f"""\
# Where a cell runs, on hosts as there are

Without an option a cell runs on the physical cores of one NUMA node, one thread on each, its memory bound to that node.
These are machines that the tests make as trees of `/proc` and `/sys` (`tests/host/machines.py`): what
`harness doctor --host` prints of each, and where `harness plan --host` puts the cells of `{_OPTIONS}`.
`python -m tests.host.hosts_page` writes this page again.

Which node: the one with most allowed physical cores that has memory; of several the lowest-numbered. Left out are SMT
siblings, offline CPUs, what a cpuset forbids, isolated cores where there are others, and a hybrid CPU's lesser cores.
A quota below the node's cores leaves as many threads as it has whole CPUs. `host.numa_node`, `host.sockets`,
`host.whole`, `host.cores` and `host.threads` ask for something else; what a host has not is `unsupported`, with its
reason, before anything runs. An instance of the scenario `offline` lies on one node, but for the one that has all cores
of its cell.
"""


def page() -> str:
    """Return the whole page."""
    # Where options run depends on the host alone, so they are composed once.
    plan = make_plan(catalogue(), ["suite=quickstart", _OPTIONS], described(next(iter(MACHINES))))
    return "\n".join([_HEAD, *(_section(name, described(name), plan) for name in MACHINES)])


def _section(name: str, host: Host, plan: Plan) -> str:
    stream = io.StringIO()
    render_facts(host, Console(file=stream, width=_WIDTH))
    told = [
        *(line.rstrip() for line in stream.getvalue().splitlines()),
        "",
        *placements(plan, host),
        *(
            f"host {option.label}: unsupported: {because}"
            for option in plan.options
            if option.axis == "host" and (because := misfit(option.config, host)) is not None
        ),
    ]
    return "\n".join([f"## {name[0].upper()}{name[1:]}", "", "```", *told, "```", ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
