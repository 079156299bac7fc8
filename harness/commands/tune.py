"""``harness tune``: ``harness run`` of a suite's tuned cells, with their trials shown as they end."""

from __future__ import annotations

import argparse

from harness.commands import run as run_command
from harness.errors import UserError
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

add_options = run_command.add_options


def run(arguments: argparse.Namespace) -> int:
    """Run the suite as ``harness run`` does, once it is sure that a cell of it has a tuner.

    Raises
    ------
    UserError : no cell has one.
    """
    shipped = catalogue(arguments.project)
    plan = make_plan(shipped, arguments.overrides)
    tuned = [cell for cell in plan.cells if cell.tuner.name != "none"]
    if not tuned:
        refused = [item.reason.because for item in plan.excluded if item.cell.tuner.name != "none"]
        why = f"; the first that was left out: {refused[0]}" if refused else ", such as tuner=none,sensitivity"
        raise UserError(f"suite {plan.suite.name}: no cell has a tuner{why}")
    return run_command.carry_out(arguments, shipped, plan)
