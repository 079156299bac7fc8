"""Opens the two runs of a comparison, or goes on with those of an interrupted one, and carries them to their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.execute import abba
from harness.execute.assemble import Place, assemble, make_header
from harness.execute.session import Counts
from harness.execute.sides import Side
from harness.execute.view import View
from harness.plan.cell import digest
from harness.results import store
from harness.results.record import Record


def compare(
    sides: Sequence[Side],
    place: Place,
    view: View,
    *,
    begin_anew: bool = False,
    after_pair: Callable[[Sequence[Path], int], None] = lambda runs, pair: None,
) -> tuple[list[Path], list[Counts]]:
    """Measure both sides in turns on this host; return the file and the counts of each side's run.

    Raises
    ------
    UserError : the sides have no cell in common, or a run cannot be written.
    """
    keys = [{cell.key for cell in side.plan.cells} for side in sides]
    if not keys[0] & keys[1]:
        raise UserError(f"{sides[0].label} and {sides[1].label} have no cell in common")
    headers = _headers(sides, place)
    runs = None if begin_anew else _unfinished(place.results, headers)
    if runs is None:
        runs = [place.results / store.RUNS / f"{header['run']}.jsonl" for header in headers]
    else:
        view.note(f"going on with {runs[0].stem} and {runs[1].stem}")
    halves = []
    for side, header, path, other in zip(sides, headers, runs, reversed(runs), strict=True):
        compared = header["comparison"] | {"other": other.stem}
        shown = SideView(view, compared["side"], sum(2 * len(half.cells) for half in halves))
        halves.append(_half(side, header | {"run": path.stem, "comparison": compared}, path, place, shown))
    seed = sides[0].plan.suite.seed
    return runs, abba.run(halves, seed, view, lambda pair: after_pair(runs, pair))


def _headers(sides: Sequence[Side], place: Place) -> list[Record]:
    runs = [store.new_run(side.plan.suite.name) for side in sides]
    identity = digest([_content(side) for side in sides])
    return [
        make_header(
            side.plan,
            side.environments,
            place,
            side.code,
            run=run,
            comparison={"id": identity, "side": name, "label": side.label, "other": other},
        )
        for side, name, run, other in zip(sides, abba.SIDES, runs, reversed(runs), strict=True)
    ]


def _content(side: Side) -> list[Any]:
    """Return what decides the figures of a side; a comparison of equal contents is the same one, to be gone on with."""
    locks = {name: side.environments.lock_hash(name) for name in side.plan.environments}
    return [side.label, [cell.digest for cell in side.plan.cells], locks, side.code.digest()]


def _unfinished(root: Path, headers: Sequence[Record]) -> list[Path] | None:
    """Return the runs of the newest interrupted comparison of the same with the same; the second may not be begun."""
    for place, header in enumerate(headers):
        path = store.unfinished(root, header)
        if path is not None:
            other = path.with_name(f"{store.read_run(path)[0]['comparison']['other']}.jsonl")
            return [path, other] if place == 0 else [other, path]
    return None


def _half(side: Side, header: Record, path: Path, place: Place, view: View) -> abba.Half:
    if path.exists():
        writer, lines = store.RunWriter.resume(path), store.read_run(path)
    else:
        writer, lines = store.RunWriter.create(place.results, header), []
    session = assemble(side.plan, side.environments, place, view, writer, lines, side.code)
    cells = {cell.key: cell for cell in side.plan.cells}
    return abba.Half(session, cells, store.is_complete(lines))


@dataclass(frozen=True)
class SideView:
    """Shows one side's session as a part of the comparison: its name first, its steps after `before` others."""

    view: View
    side: str
    before: int

    def begin(self, title: str, steps: int) -> None:
        """Pass on the title; the comparison counts the steps of both sides."""
        self.note(title)

    def step(self, done: int, what: str) -> None:
        """Pass on."""
        self.view.step(self.before + done, f"{self.side}: {what}")

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Pass on."""
        self.view.progress(stage, done, total, note)

    def building(self, environment: str, note: str | None) -> None:
        """Pass on."""
        self.view.building(environment, note)

    def note(self, line: str) -> None:
        """Pass on."""
        self.view.note(f"{self.side}: {line}")

    def trial(self, cell: str, trial: Mapping[str, Any]) -> None:
        """Pass on."""
        self.view.trial(f"{self.side}: {cell}", trial)
