"""``harness trend``: the history of each cell on each host, the steps in it, and whether they are real."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.shared import output, trust_option
from harness.commands.shared.measured import require_sound
from harness.errors import UserError
from harness.host import describe as hosts
from harness.publish.trend import render
from harness.publish.trend.accuracy import accuracy_trends
from harness.publish.trend.latency import ACCURACY, CONFIRMED, LATENCY, METRICS, Trend, speed_trend
from harness.results import store
from harness.results.history import History, histories
from harness.results.records import identifiers
from harness.text.terminal import Console, Text

#: Where the tables and pictures of trends stand, below the folder of tables.
FOLDER = "trend"

#: Pairs of a confirmation: at the spread of real runs twelve confirm a step of 5 % in half of the cases only.
PAIRS = 24

#: The verdicts that are no good news.
_WORSE = ("slower", "worse")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument(
        "cell", nargs="?", metavar="CELL", help="a cell's key, or some of its labels: sentiment/ptq_static; else all"
    )
    parser.add_argument("--metric", choices=METRICS, default=LATENCY, help=f"default: {LATENCY}")
    parser.add_argument(
        "--confirm", action="store_true", help="measure both variants of each candidate again interleaved, on this host"
    )
    parser.add_argument("--pairs", type=int, default=PAIRS, metavar="N", help=f"of a confirmation; default {PAIRS}")
    parser.add_argument(
        "--margin", type=float, default=0.01, metavar="SHARE", help="a change too small to matter; default 0.01"
    )
    parser.add_argument("--new", action="store_true", help="begin an interrupted confirmation anew")
    trust_option.add(parser)
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    output.add_out(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the steps, write tables and pictures; 1 when a regression was confirmed now, 3 when a cell failed, else 0.

    The accuracy of a host repeats bit by bit, so its changes are confirmed by the paired test alone.
    """
    require_sound(arguments)
    root: Path = arguments.results
    found, unread = histories(root, arguments.cell)
    for line in unread:
        Console(stderr=True).print(Text(f"passed over: {line}", style="yellow"), soft_wrap=True)
    trends = _trends(root, found, arguments.metric)
    failed, confirmed = False, 0
    if arguments.confirm and arguments.metric != ACCURACY:
        from harness.commands import trend_confirm  # environments and sessions, which reading a history needs not

        before = _regressions(trends)
        failed = trend_confirm.confirm(arguments, trends)
        trends = _trends(root, found, arguments.metric)
        confirmed = len(_regressions(trends) - before)
    written = output.write(
        arguments.out, root / store.TABLES / FOLDER, lambda folder: _write(arguments, trends, found, folder)
    )
    console = Console()
    if output.to_stdout(arguments):
        print(render.markdown(trends, root), end="")
    else:
        render.show(trends, root, console)
    output.tell(written, console)
    return 3 if failed else 1 if confirmed else 0


def _trends(root: Path, found: list[History], metric: str) -> list[Trend]:
    if metric == ACCURACY:
        trends = accuracy_trends(root, found)
    else:
        here = hosts.fingerprint(hosts.describe())
        trends = [one for history in found if (one := speed_trend(root, history, metric, here)).points]
    if not trends:
        evaluated = metric != ACCURACY and any(point.evaluation for history in found for point in history.points)
        instead = f"; they have accuracies: --metric {ACCURACY}" if evaluated else ""
        raise UserError(f"{root / store.RUNS}: none of these cells has a {metric}{instead}")
    return trends


def _regressions(trends: list[Trend]) -> set[tuple[str, str, str]]:
    return {
        (one.history.key, one.history.machine, one.points[found.first].run)
        for one in trends
        for found in one.candidates
        if found.status == CONFIRMED and found.verdict in _WORSE
    }


def _write(arguments: argparse.Namespace, trends: list[Trend], found: list[History], folder: Path) -> list[Path]:
    root = arguments.results
    # A table of some cells must not stand in the place of that of all.
    some = "" if arguments.cell is None else f".{arguments.cell}"
    paths = render.write(trends, root, folder, identifiers.file_name(arguments.metric + some))
    if arguments.no_pictures:
        return paths
    from harness.publish.trend import host_matrix, picture  # a second of matplotlib

    several = [one for one in trends if len(one.points) > 1]
    paths += [path for one in several for path in picture.draw(one, root, folder)]
    matrix = host_matrix.matrix(root, found)
    if len(matrix.columns) > 1:
        paths += host_matrix.write(matrix, folder, identifiers.file_name("hosts" + some))
    return paths
