"""Opens the two runs of a comparison, or goes on with those of an interrupted one, and carries them to their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.cell import digest
from harness.errors import UserError
from harness.execute.compare import counterbalance
from harness.execute.compare.variant import Variant
from harness.execute.run.assemble import Place, assemble, make_header
from harness.execute.run.session import Counts
from harness.execute.run.view import View
from harness.results import store
from harness.results.records.record import Record


def compare(
    variants: Sequence[Variant],
    place: Place,
    view: View,
    *,
    begin_anew: bool = False,
    after_pair: Callable[[Sequence[Path], int], None] = lambda runs, pair: None,
) -> tuple[list[Path], list[Counts]]:
    """Measure both variants interleaved on this host; return the file and the counts of each variant's run.

    Raises
    ------
    UserError : the variants have no cell in common, or a run cannot be written.
    """
    keys = [{cell.key for cell in variant.plan.cells} for variant in variants]
    if not keys[0] & keys[1]:
        raise UserError(f"{variants[0].label} and {variants[1].label} have no cell in common")
    headers = _headers(variants, place)
    runs = None if begin_anew else _unfinished(place.results, headers)
    if runs is None:
        runs = [place.results / store.RUNS / f"{header['run']}.jsonl" for header in headers]
    else:
        view.note(f"going on with {runs[0].stem} and {runs[1].stem}")
    halves: list[counterbalance.Half] = []
    for variant, header, path, other in zip(variants, headers, runs, reversed(runs), strict=True):
        compared = header["comparison"] | {"other": other.stem}
        shown = VariantView(view, compared["side"], sum(2 * len(half.cells) for half in halves))
        halves.append(_half(variant, header | {"run": path.stem, "comparison": compared}, path, place, shown))
    seed = variants[0].plan.suite.seed
    return runs, counterbalance.run(halves, seed, view, lambda pair: after_pair(runs, pair))


def _headers(variants: Sequence[Variant], place: Place) -> list[Record]:
    runs = [store.new_run(variant.plan.suite.name) for variant in variants]
    identity = digest([_content(variant) for variant in variants])
    return [
        make_header(
            variant.plan,
            variant.environments,
            place,
            variant.code,
            run=run,
            comparison={"id": identity, "side": name, "label": variant.label, "other": other},
        )
        for variant, name, run, other in zip(variants, counterbalance.VARIANTS, runs, reversed(runs), strict=True)
    ]


def _content(variant: Variant) -> list[Any]:
    """Return what decides the figures of a variant; one of equal contents is the same comparison, gone on with."""
    locks = {name: variant.environments.lock_hash(name) for name in variant.plan.environments}
    return [variant.label, [cell.digest for cell in variant.plan.cells], locks, variant.code.digest()]


def _unfinished(root: Path, headers: Sequence[Record]) -> list[Path] | None:
    """Return the runs of the newest interrupted A/A comparison; the second may not be begun."""
    for place, header in enumerate(headers):
        path = store.unfinished(root, header)
        if path is not None:
            other = path.with_name(f"{store.read_run(path)[0]['comparison']['other']}.jsonl")
            return [path, other] if place == 0 else [other, path]
    return None


def _half(variant: Variant, header: Record, path: Path, place: Place, view: View) -> counterbalance.Half:
    if path.exists():
        writer, lines = store.RunWriter.resume(path), store.read_run(path)
    else:
        writer, lines = store.RunWriter.create(place.results, header), [header]
    session = assemble(variant.plan, variant.environments, place, view, writer, lines, variant.code)
    cells = {cell.key: cell for cell in variant.plan.cells}
    return counterbalance.Half(session, cells, store.is_complete(lines))


@dataclass(frozen=True)
class VariantView:
    """Shows one variant's session as a part of the comparison: its name first, its steps after `before` others."""

    view: View
    variant: str
    before: int

    def begin(self, title: str, steps: int) -> None:
        """Pass on the title; the comparison counts the steps of both variants."""
        self.note(title)

    def step(self, done: int, what: str) -> None:
        """Pass on."""
        self.view.step(self.before + done, f"{self.variant}: {what}")

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Pass on."""
        self.view.progress(stage, done, total, note)

    def building(self, environment: str, note: str | None) -> None:
        """Pass on."""
        self.view.building(environment, note)

    def note(self, line: str) -> None:
        """Pass on."""
        self.view.note(f"{self.variant}: {line}")

    def trial(self, cell: str, trial: Mapping[str, Any]) -> None:
        """Pass on."""
        self.view.trial(f"{self.variant}: {cell}", trial)
