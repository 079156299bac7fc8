"""``harness trend --confirm``: brings both variants of each candidate back and measures them interleaved."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from harness.cache import usable_cache
from harness.commands.compare import rule_of
from harness.commands.shared import trust_option
from harness.config.schema import AXES
from harness.errors import UserError
from harness.execute.compare import foreign_code, variant
from harness.execute.compare.runs import compare
from harness.execute.environments.pinned import environments
from harness.execute.run.assemble import Place
from harness.plan.catalogue import Catalogue, catalogue
from harness.plan.matrix import Plan, make_plan
from harness.publish.common.frames import row_dicts
from harness.publish.common.numbers import is_known
from harness.publish.compare.comparison import Comparison, comparison
from harness.publish.compare.records import read
from harness.publish.live import view_for
from harness.publish.trend import latency
from harness.publish.trend.changes import HARNESS
from harness.publish.trend.latency import CANDIDATE, LATENCY, Candidate, Trend
from harness.results import confirmations, store
from harness.results.confirmations import Confirmation
from harness.results.history import Point
from harness.stats.decisions.changes import fewest_pairs
from harness.stats.decisions.trend import CONFIRM_ALPHA
from harness.text.terminal import Console, Text


@dataclasses.dataclass(frozen=True)
class _Question:
    """One candidate, and the runs whose state is brought back for its two variants."""

    one: Trend
    candidate: Candidate
    before: str
    after: str


def confirm(arguments: argparse.Namespace, trends: Sequence[Trend]) -> bool:
    """Measure the two variants of each candidate interleaved and write down what came out; say whether a cell failed.

    Candidates between the same two states are measured together, so that each environment is prepared once. A state
    that cannot be brought back after all is told in a line, and its candidates stay.

    Raises
    ------
    UserError : fewer pairs than the test needs.
    """
    fewest = fewest_pairs(CONFIRM_ALPHA)
    if arguments.pairs < fewest:
        raise UserError(f"--pairs {arguments.pairs}: want {fewest} or more to confirm a step at {CONFIRM_ALPHA:g}")
    shipped, console, failed = catalogue(arguments.project), Console(stderr=True), False
    for (before, after), questions in _questions(trends).items():
        try:
            compared, has_failed = _measure(arguments, shipped, before, after, questions)
        except UserError as error:
            console.print(Text(f"{before} against {after}: cannot be confirmed: {error}", style="red"), soft_wrap=True)
            continue
        failed |= has_failed
        for question in questions:
            answer = answered(question.one, compared, question.before, question.after)
            confirmations.append(arguments.results, question.one.history.machine, answer)
    return failed


def _questions(trends: Sequence[Trend]) -> dict[tuple[str, str], list[_Question]]:
    """Return the candidates that can be confirmed, by the texts of their variants."""
    found = defaultdict(list)
    for one in trends:
        for candidate in one.candidates:
            if candidate.status == CANDIDATE:
                before, after = latency.sides(one, candidate)
                # The code is brought back only where it differs: else today's measures both variants.
                is_other = any(difference.kind == HARNESS for difference in candidate.differences)
                texts = [_variant(point, is_other) for point in (before, after)]
                found[texts[0], texts[1]].append(_Question(one, candidate, before.run, after.run))
    return dict(found)


def _variant(point: Point, with_code: bool) -> str:
    """Return what brings a run back, `with_code`: with its code; a record names no other part of a variant.

    Raises
    ------
    UserError : its name is none of a run, or its revision is no commit.
    """
    revision = str(point.harness["revision"])
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", point.run) or (with_code and not re.fullmatch("[0-9a-f]{7,64}", revision)):
        raise UserError(f"run {point.run!r} of revision {revision!r}: want the name of a run, and a commit")
    return f"{point.run}+rev:{revision}" if with_code else point.run


def _measure(
    arguments: argparse.Namespace, shipped: Catalogue, before: str, after: str, questions: Sequence[_Question]
) -> tuple[Comparison, bool]:
    place = Place(arguments.results, usable_cache())
    plan = _plan(arguments, shipped, questions)
    known = environments(shipped, place.cache)
    resolved = [
        variant.resolve(variant.parse(text), plan, known, place, trusted=arguments.trust) for text in (before, after)
    ]
    for one in resolved:
        trust_option.tell(one.foreign, one.label)
    with view_for(Console(stderr=True)) as view:
        view.note(f"confirming {len(questions)} candidates: {before} against {after}")
        runs, counts = compare(resolved, place, view, begin_anew=arguments.new)
    rule = dataclasses.replace(rule_of(arguments.results, runs[0], arguments.margin), alpha=CONFIRM_ALPHA)
    compared = comparison(read(runs[0]), read(runs[1]), arguments.results, rule)
    return compared, any(one.failed_cells or one.failed_invocations for one in counts)


def _plan(arguments: argparse.Namespace, shipped: Catalogue, questions: Sequence[_Question]) -> Plan:
    """Return the plan of the run after the step, of the cells in question, with as many blocks as pairs are wanted."""
    header = store.read_run(store.find_run(arguments.results, questions[0].after))[0]
    overrides = [text for text in header["overrides"] if not text.startswith("protocol.blocks=")]
    plan = make_plan(shipped, [*overrides, f"protocol.blocks={arguments.pairs}"])
    found = foreign_code.of_cells(plan.cells, shipped)
    foreign_code.require_trust(found, f"run {header['run']}", arguments.trust)
    trust_option.tell(found, f"run {header['run']}")
    wanted = {question.one.history.labels[:-1] for question in questions}
    cells = tuple(cell for cell in plan.cells if cell.labels[:-1] in wanted)
    if not cells:
        raise UserError(f"run {header['run']}: today's suite={plan.suite.name} has no such cell any more")
    return dataclasses.replace(plan, cells=cells)


def answered(one: Trend, compared: Comparison, before: str, after: str) -> Confirmation:
    """Return what a comparison, whose second variant is the one after the step, says about a trend's cell."""
    role = one.metric
    row = next((row for row in _rows(compared) if row["labels"] == one.history.labels[:-1]), None)
    runs = tuple(run.name for run in compared.runs)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    about: dict[str, Any] = {
        "time": now,
        "cell": one.history.key,
        "metric": role,
        "before": before,
        "after": after,
        "runs": runs,
    }
    if row is None or not row[f"{role}_ratio"] > 0:
        told = None if row is None else row[f"{role}_reason"]
        because = told if is_known(told) else "the cell was not measured in both variants"
        return Confirmation(**about, pairs=0, verdict="inconclusive", because=because, ratio=None, low=None, high=None)
    # A comparison tells ratios of speeds, the second variant's over the first's; of times they are upside down.
    ends = [row[f"{role}_{name}"] for name in ("ratio_low", "ratio", "ratio_high")]
    ends = [float(end) if end > 0 else None for end in ends]
    if role == LATENCY:
        ends = [None if end is None else 1 / end for end in reversed(ends)]
    return Confirmation(
        **about,
        pairs=int(row[f"{role}_pairs"]),
        verdict=row[f"{role}_verdict"],
        because=row[f"{role}_reason"] or "",
        ratio=ends[1],
        low=ends[0],
        high=ends[2],
    )


def _rows(compared: Comparison) -> Iterator[dict[str, Any]]:
    for row in row_dicts(compared.rows):
        yield {**row, "labels": tuple(str(row[axis]) for axis in AXES)[:-1]}
