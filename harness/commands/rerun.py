"""``harness rerun``: a recorded cell again, in the original environment, and whether the old figure holds."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.cache import usable_cache
from harness.commands.shared import trust_option
from harness.errors import StageError, UserError
from harness.execute.compare import foreign_code
from harness.execute.compare import rerun as reruns
from harness.execute.environments.pinned import Environments, environments
from harness.execute.run.assemble import Place
from harness.host import describe as hosts
from harness.plan.catalogue import catalogue
from harness.publish.live import view_for
from harness.publish.rerun import findings as report
from harness.results import store
from harness.text.terminal import Console, Text

COULD_NOT_RUN = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("record", metavar="RECORD", help="RUN:CELL; a run's id or its beginning, and enough of a cell")
    parser.add_argument("--cell", metavar="CELL", help="the cell, where RECORD names only a run or a file")
    parser.add_argument(
        "--from-scratch",
        action="store_true",
        help="make data, checkpoint and quantized model again too; else the cache's are used, their hashes checked",
    )
    trust_option.add(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the cell again; 0 the old figure holds, 1 it does not, 3 it could not be run."""
    path, wanted = _named(arguments)
    records = store.read_run(path)
    shipped = catalogue(arguments.project)
    place = Place(arguments.results, usable_cache())
    today = environments(shipped, place.cache)
    console = Console()
    try:
        again = reruns.open_rerun(records, wanted, today, place.results)
        foreign = foreign_code.of_cells(again.plan.cells, shipped)
        foreign += foreign_code.of_locks(again.plan.environments, again.environments, today)
    except StageError as error:
        return _not_run(console, error.message)
    foreign_code.require_trust(foreign, f"run {records[0]['run']}", arguments.trust)
    trust_option.tell(foreign, f"run {records[0]['run']}")
    baseline = None if again.baseline is None else again.baseline["digest"]
    then = report.figures(records, again.entry["digest"], baseline)
    if then.accuracy is None and not then.timings:
        raise UserError(f"cell {again.entry['key']}: run {records[0]['run']} has no figure of it that could hold")
    for sentence in _hashes(again):
        _say(console, sentence)
    stages = reruns.EVERYTHING if arguments.from_scratch else reruns.EVALUATION
    with view_for(Console(stderr=True)) as view:
        new, _ = reruns.carry_out(again, place, view, stages)
    lines = store.read_run(new)
    failures = [line for line in lines if line["type"] == "failure" and line["cell_digest"] == again.entry["digest"]]
    now = report.figures(lines, again.entry["digest"], baseline)
    if now.accuracy is None or (then.timings and not now.timings):
        first = failures[0]
        return _not_run(console, f"{first['stage']}: failed({first['kind']}): {first['message']}", new)
    confidence = next(cell.protocol.confidence for cell in again.plan.cells if cell.digest == again.entry["digest"])
    found = report.findings(then, now, confidence)
    old_host = store.read_host(place.results, then.header["host"])
    changed = {name: _pin_differences(again.environments, today, name) for name in again.plan.environments}
    for one in [*found, *report.around(then, now, (old_host, _this_host()), changed)]:
        _say(console, one.sentence, {True: "green", False: "red", None: ""}[one.holds])
    holds, sentence = report.verdict(found)
    _say(console, sentence, "green" if holds else "red")
    _say(console, f"written: {new}", "dim")
    return 0 if holds else 1


def _named(arguments: argparse.Namespace) -> tuple[Path, str]:
    """Return the run's file and the cell that are meant."""
    run, colon, cell = arguments.record.partition(":")
    if arguments.cell is not None:
        run, cell = arguments.record, arguments.cell
    elif not (run and colon and cell):
        raise UserError(f"'{arguments.record}': want RUN:CELL, such as 20261124T135530Z:ptq_static/fx, or --cell CELL")
    return store.find_run(arguments.results, run), cell


def _hashes(again: reruns.Rerun) -> list[str]:
    """Return what is fixed by hashes before anything runs."""
    header = again.records[0]
    names = again.plan.environments
    locks = ", ".join(f"{name} {header['environments'][name]}" for name in names)
    sources = [source for cell in again.plan.cells for source in (cell.model.source, cell.task.source)]
    packages = {source.package: source.sha256 for source in sources if source.package is not None}
    told = [f"Its environments are built from the original locks, whose hashes check: {locks}."]
    if packages:
        listed = ", ".join(f"{package} {str(sha256)[:12]}" for package, sha256 in packages.items())
        told.append(f"Its sources are packages that are taken only with the original SHA-256: {listed}.")
    return told


def _pin_differences(then: Environments, today: Environments, name: str) -> Sequence[str]:
    """Return what differs between the original lock and the one of today, which may not be there any more."""
    try:
        found = [{pin.name: pin.version for pin in one.lock(name).pins} for one in (then, today)]
    except (UserError, StageError) as error:
        return [str(error)]
    return report.pin_differences(*found)


def _this_host() -> Mapping[str, Any]:
    """Return this host as it would be read back from the results."""
    return json.loads(json.dumps(dataclasses.asdict(hosts.describe())))


def _not_run(console: Console, because: str, path: Path | None = None) -> int:
    _say(console, f"It could not be run: {because}", "red")
    if path is not None:
        _say(console, f"written: {path}", "dim")
    return COULD_NOT_RUN


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(Text(sentence, style=style), soft_wrap=True)
