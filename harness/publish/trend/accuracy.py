"""The trend of a cell's accuracy: no noise, but bits. Each run is held against the one before, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.publish.trend.changes import between
from harness.publish.trend.latency import ACCURACY, CONFIRMED, OUT_OF_REACH, REFUTED, Candidate, Trend
from harness.results.history import Evaluation, History, Point
from harness.stats.decisions.accuracy_changes import AccuracyChange, Evaluated, Subject, accuracy_changes
from harness.stats.decisions.trend import Level
from harness.stats.predictions import accuracy as accuracies
from harness.stats.timings.estimate import Interval


@dataclass(frozen=True)
class _Pair:
    """Two runs of one history, one after the other, whose accuracies can be compared."""

    history: int
    place: int
    before: Point
    after: Point


def accuracy_trends(root: Path, histories: Sequence[History]) -> list[Trend]:
    """Return the trend of the accuracy of each cell that was ever evaluated.

    Runs whose logits are equal bit by bit are the same; all other pairs of runs are judged together, by the paired
    test (see :mod:`harness.stats.decisions.accuracy_changes`). On one host and lock an accuracy repeats bit by bit, so
    a change needs no second measurement: it is confirmed by the test, or it is not.
    """
    there = [(one, tuple(point for point in one.points if point.evaluation)) for one in histories]
    there = [(history, points) for history, points in there if points]
    pairs = [
        _Pair(number, place, points[place - 1], points[place])
        for number, (_, points) in enumerate(there)
        for place in range(1, len(points))
        if _moved(evaluation_of(points[place - 1]), evaluation_of(points[place]))
    ]
    obstacles = [_obstacle(pair) for pair in pairs]
    comparable = [pair for pair, obstacle in zip(pairs, obstacles, strict=True) if obstacle is None]
    changes = iter(accuracy_changes([_subject(pair) for pair in comparable]))
    candidates: list[list[Candidate]] = [[] for _ in there]
    for pair, obstacle in zip(pairs, obstacles, strict=True):
        change = next(changes) if obstacle is None else None
        candidates[pair.history].append(_candidate(root, pair, change, obstacle))
    return [
        Trend(history, ACCURACY, points, tuple(map(_level, points)), tuple(found))
        for (history, points), found in zip(there, candidates, strict=True)
    ]


def bits(before: Evaluation, after: Evaluation) -> str:
    """Return what the artefact and its logits tell of two evaluations: what is the same, and what is not."""
    if before.logits_sha256 == after.logits_sha256:
        return "bit-equal"
    return "same artefact, different bits" if before.artefact == after.artefact else "another artefact"


def _level(point: Point) -> Level:
    return Level(evaluation_of(point).value, None)


def evaluation_of(point: Point) -> Evaluation:
    """Return the evaluation of a point that was evaluated, as all of a trend of accuracies were."""
    assert point.evaluation is not None
    return point.evaluation


def _moved(before: Evaluation, after: Evaluation) -> bool:
    return before.logits_sha256 != after.logits_sha256


def _obstacle(pair: _Pair) -> str | None:
    """Return why two evaluations cannot be compared."""
    one, other = evaluation_of(pair.before), evaluation_of(pair.after)
    if one.metric != other.metric:
        return f"the metric was {one.metric} and is {other.metric}"
    if (one.tokenised, len(one.predictions)) != (other.tokenised, len(other.predictions)):
        return "the rows or their tokens are others, so the two cannot be paired"
    if len(other.references) != len(other.predictions):
        return "its run holds no references"
    return None


def _subject(pair: _Pair) -> Subject:
    one, other = evaluation_of(pair.before), evaluation_of(pair.after)
    protocol = pair.after.configs["protocol"]
    allowed = accuracies.allowed_loss(one.value, protocol["criterion"], protocol["criterion_relative"])
    sides = [Evaluated(side.metric, side.value, side.predictions, side.logits_sha256) for side in (one, other)]
    return Subject(sides[0], sides[1], other.references, allowed, other.greater_is_better)


def _candidate(root: Path, pair: _Pair, change: AccuracyChange | None, obstacle: str | None) -> Candidate:
    one, other = evaluation_of(pair.before), evaluation_of(pair.after)
    parts = [bits(one, other)]
    if change is None:
        parts.append(obstacle or "")
    else:
        differ = sum(mine != theirs for mine, theirs in zip(one.predictions, other.predictions, strict=True))
        parts.append(f"{differ} of {len(one.predictions)} predictions differ")
        parts += [f"-{change.broken} +{change.fixed}"] if change.broken is not None and differ else []
        parts.append(change.verdict)
    word = change.verdict if change is not None and change.verdict in ("better", "worse") else ""
    return Candidate(
        first=pair.place,
        earliest=pair.place,
        latest=pair.place,
        found=pair.place,
        before=one.value,
        after=other.value,
        size=Interval(other.value - one.value) if change is None else change.difference,
        verdict=word,
        differences=tuple(between(root, pair.before, pair.after)),
        control=None,
        status=CONFIRMED if word else OUT_OF_REACH if change is None else REFUTED,
        because=", ".join(parts),
    )
