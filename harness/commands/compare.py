"""``harness compare``: is one variant faster, slower or less accurate than the other, cell by cell?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.cache import usable_cache
from harness.commands.shared import output, trust_option
from harness.commands.shared.measured import require_sound
from harness.config.emulation import is_timed
from harness.errors import UserError
from harness.execute.compare import foreign_code, variant
from harness.execute.compare.runs import compare
from harness.execute.environments.pinned import environments
from harness.execute.run.assemble import Place
from harness.execute.run.session import Counts
from harness.host import describe as hosts
from harness.plan.catalogue import Catalogue, catalogue
from harness.plan.matrix import Plan, make_plan
from harness.publish.compare import render
from harness.publish.compare.comparison import Comparison, comparison
from harness.publish.compare.records import read
from harness.publish.export.json_values import compare_values
from harness.publish.live import view_for
from harness.publish.table.gates import UNDECIDED
from harness.results import aa, store
from harness.stats.decisions.changes import Rule
from harness.text.terminal import Console

#: A sign-flip test needs seven pairs to reach 2 % at all; some more let a few be disturbed.
PAIRS = 12


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    kinds = "now, a stored RUN, rev:GITREV, code:FOLDER, lock:NAME=FILE, with:PACKAGE==VERSION; joined by +"
    parser.add_argument("a", metavar="A", help=f"the variant that B is compared with: {kinds}")
    parser.add_argument("b", metavar="B", help="the other variant")
    add_measuring_options(parser)
    parser.add_argument("--stored", action="store_true", help="compare what two runs have stored; run nothing")
    trust_option.add(parser)
    output.add_out(parser)
    output.add_json(parser)


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every comparison measured interleaved has."""
    parser.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="suite=NAME or FILE, AXIS=OPTION,..., AXIS.FIELD=VALUE,..."
    )
    parser.add_argument("--pairs", type=int, default=PAIRS, metavar="N", help=f"pairs of invocations; default {PAIRS}")
    parser.add_argument(
        "--margin", type=float, default=0.02, metavar="SHARE", help="a change too small to matter; default 0.02"
    )
    parser.add_argument("--new", action="store_true", help="begin anew even where an interrupted one could go on")


def run(arguments: argparse.Namespace) -> int:
    """Compare; 3 when a cell failed, 1 when something got slower or less accurate.

    4 when some verdict is inconclusive, or a variant has not measured a cell; 0 when all are decided and none is worse.
    """
    require_sound(arguments)
    parts = [variant.parse(text) for text in (arguments.a, arguments.b)]
    root = arguments.results
    counts: Sequence[Counts] = ()
    if arguments.stored or _is_of_another_host(parts, root):
        runs = _stored(parts, root)
    else:
        runs, counts = measure(arguments, parts, catalogue(arguments.project))
    compared = comparison(read(runs[0]), read(runs[1]), root, rule_of(root, runs[0], arguments.margin))
    failed = compared.has_failed or any(one.failed_cells or one.failed_invocations for one in counts)
    written = write(compared, root, arguments.out)
    if arguments.json:
        output.print_json("compare", compare_values(compared, failed), written)
    elif output.to_stdout(arguments):
        print(render.markdown(compared, root), end="")
    else:
        publish(compared, root, written, Console())
    if failed:
        return 3
    if compared.is_regression:
        return 1
    return UNDECIDED if compared.is_open else 0


def rule_of(root: Path, run: Path, margin: float) -> Rule:
    """Return how a comparison on the host of `run` is judged: with the floor and the drift that its A/A has shown."""
    known = aa.latest(root, store.read_run(run)[0]["host"])
    if known is None:
        return Rule(margin=margin)
    return Rule(margin=margin, floor=known["floor"], floors=known["floors"], drift=known["drift"])


def measure(
    arguments: argparse.Namespace, parts: Sequence[variant.Parts], shipped: Catalogue
) -> tuple[list[Path], list[Counts]]:
    """Measure two variants interleaved; return the files and counts of their runs."""
    place = Place(arguments.results, usable_cache())
    plan = _plan(arguments, parts, shipped)
    known = environments(shipped, place.cache)
    trusted = getattr(arguments, "trust", False)  # `aa` brings back no stored run
    resolved = [variant.resolve(one, plan, known, place, trusted=trusted) for one in parts]
    for one in resolved:
        trust_option.tell(one.foreign, one.label)
    with view_for(Console(stderr=True)) as view:
        return compare(
            resolved,
            place,
            view,
            begin_anew=arguments.new,
            after_pair=lambda runs, pair: view.note(f"  pair {pair + 1} of {arguments.pairs} is measured"),
        )


def write(compared: Comparison, root: Path, out: str | None = None) -> output.Written:
    """Write the table and the picture of a comparison, below the results unless `out` names a folder."""

    def make(folder: Path) -> list[Path]:
        from harness.publish.compare import picture  # a second of matplotlib, which no mistake should wait for

        paths = render.write(compared, root, folder)
        pictures = [folder / f"{render.name_of(compared)}.{suffix}" for suffix in ("svg", "png")]
        return [*paths, *picture.draw(compared, pictures)]

    return output.write(out, root / store.TABLES, make)


def publish(compared: Comparison, root: Path, written: output.Written, console: Console) -> None:
    """Print a comparison, and what was written of it."""
    render.show(compared, root, console)
    output.tell(written, console)


def _plan(arguments: argparse.Namespace, parts: Sequence[variant.Parts], shipped: Catalogue) -> Plan:
    """Return the plan of the overrides; without any, of those of a stored run among the variants."""
    overrides = list(arguments.overrides)
    base = next((one.base for one in parts if one.base != "now"), None)
    if not overrides and base is not None:
        overrides = store.read_run(store.find_run(arguments.results, base))[0]["overrides"]
    overrides = [text for text in overrides if not text.startswith("protocol.blocks=")]
    plan = make_plan(shipped, [*overrides, f"protocol.blocks={arguments.pairs}"])
    if not arguments.overrides and base is not None:
        found = foreign_code.of_cells(plan.cells, shipped)
        foreign_code.require_trust(found, f"run {base}", arguments.trust)
        trust_option.tell(found, f"run {base}")
    untimed = next((cell for cell in plan.cells if not is_timed(cell.host)), None)
    if untimed is not None:
        raise UserError(
            f"cell {untimed.key}: host.emulated={untimed.host.emulated} has no speed to measure interleaved; want a "
            "host that is timed, or two stored RUNs with --stored for their accuracies"
        )
    return plan


def _is_of_another_host(parts: Sequence[variant.Parts], root: Path) -> bool:
    """Say whether a stored run was made on another host, so that nothing but its records can be compared."""
    here = hosts.fingerprint(hosts.describe())
    for one in parts:
        if one.base == "now":
            continue
        header = store.read_run(store.find_run(root, one.base))[0]
        if header["host"] != here:
            return True
    return False


def _stored(parts: Sequence[variant.Parts], root: Path) -> list[Path]:
    for one in parts:
        if not one.is_stored_run:
            raise UserError(
                f"variant {one.label}: only two stored runs can be compared without running, as with --stored or "
                "across hosts; name a run for both variants"
            )
    return [store.find_run(root, one.base) for one in parts]
