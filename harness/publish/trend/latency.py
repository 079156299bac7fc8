"""The trend of one cell on one machine: its levels run by run, and the steps in them with what is known of each."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.publish.trend import changes as trend_changes
from harness.publish.trend.changes import Difference, between
from harness.results import aa, confirmations, store
from harness.results.confirmations import Confirmation
from harness.results.history import History, Point
from harness.stats.decisions import trend
from harness.stats.decisions.trend import Level, Step
from harness.stats.timings.estimate import Interval

LATENCY, THROUGHPUT, ACCURACY = METRICS = ("latency", "throughput", "accuracy")

#: What may be said of a step.
CANDIDATE, CONFIRMED, REFUTED, OUT_OF_REACH = "candidate", "confirmed", "not confirmed", "cannot be confirmed"


@dataclass(frozen=True)
class Candidate:
    """One step, and what stands beside it.

    `first`, `earliest`, `latest` and `found` are indices of :attr:`Trend.points`, as in
    :class:`harness.stats.decisions.trend.Step`. `before` and `after` are the levels on both sides in the metric's own
    unit, `size` is after over before, for accuracy after minus before. `control` is how the host's fixed work changed
    at the same place, after over before. `verdict` is faster or slower, for accuracy better, worse, or empty.
    """

    first: int
    earliest: int
    latest: int
    found: int
    before: float
    after: float
    size: Interval
    verdict: str
    differences: tuple[Difference, ...]
    control: float | None
    status: str
    because: str


@dataclass(frozen=True)
class Trend:
    """A history under one metric: `points` are the runs that have it, `levels` theirs, in nanoseconds, rows a second
    or the task's metric. `floor` is the host's, None without an A/A; `below_floor` counts steps that are too small.
    `smallest` is the step that five further runs would show in four of five cases; None where that is not known."""

    history: History
    metric: str
    points: tuple[Point, ...]
    levels: tuple[Level, ...]
    candidates: tuple[Candidate, ...]
    floor: float | None = None
    below_floor: int = 0
    smallest: float | None = None


def speed_trend(root: Path, history: History, metric: str, here: str | None) -> Trend:
    """Return the trend of a cell's latency or throughput.

    Steps are looked for in the time over the baseline's, paired in each block: a host that becomes slower makes no step
    in it. Where less than half of the runs have measured a baseline, or not the same one, in the raw levels. The levels
    before and after are raw.

    Parameters
    ----------
    root : the folder of results.
    here : fingerprint of this host, where candidates could be confirmed; None to say nothing about that.
    """
    values = {point.run: point.latency_ns if metric == LATENCY else point.rows_per_second for point in history.points}
    points = tuple(point for point in history.points if values[point.run])
    levels = tuple(trend.level(values[point.run]) for point in points)
    bare = Trend(history, metric, points, levels, ())
    if not points:
        return bare
    floor = aa.floor_of(root, points[-1].host, metric)
    steps, smallest = _steps(points, levels, metric)
    large = [step for step in steps if floor is None or abs(math.log(step.ratio.estimate)) > math.log1p(floor)]
    known = confirmations.read(root, history.machine)
    edges = [0, *(step.first for step in steps), len(points)]
    candidates = []
    for step in large:
        place = edges.index(step.first, 1)
        sides = range(edges[place - 1], step.first), range(step.first, edges[place + 1])
        before, after = (statistics.median(levels[index].value for index in side) for side in sides)
        slower = (step.ratio.estimate > 1) == (metric == LATENCY)
        found = Candidate(
            first=step.first,
            earliest=step.earliest,
            latest=step.latest,
            found=step.found,
            before=before,
            after=after,
            size=step.ratio,
            verdict="slower" if slower else "faster",
            differences=tuple(between(root, points[step.earliest - 1], points[step.latest])),
            control=_control([points[index] for index in sides[0]], [points[index] for index in sides[1]]),
            status=CANDIDATE,
            because=_moved_baseline(*([points[index] for index in side] for side in sides)),
        )
        candidates.append(_with_status(root, bare, found, known, here))
    return replace(
        bare, candidates=tuple(candidates), floor=floor, below_floor=len(steps) - len(large), smallest=smallest
    )


def _steps(points: Sequence[Point], levels: Sequence[Level], metric: str) -> tuple[list[Step], float | None]:
    """Return the steps of the paired levels, else those of the raw `levels`, and the smallest that could be found.

    Their indices are those of all `points`.
    """
    is_rate = metric != LATENCY
    shares = [point.throughput_share if is_rate else point.latency_share for point in points]
    paired = [index for index, share in enumerate(shares) if share]
    if 2 * len(paired) < len(points) or len({points[index].beside for index in paired}) != 1:
        found = trend.find_steps(levels)
        return found, trend.smallest_step(levels, found)
    own = [trend.level([1 / one if is_rate else one for one in shares[index]]) for index in paired]
    found = trend.find_steps(own)
    places = ("first", "earliest", "latest", "found")
    mapped = [replace(step, **{place: paired[getattr(step, place)] for place in places}) for step in found]
    return mapped, trend.smallest_step(own, found)


def _moved_baseline(before: Sequence[Point], after: Sequence[Point]) -> str:
    """Say so where it is rather the baseline that changed: its raw latency by more than the cell's own."""
    changes = []
    for name in ("latency_ns", "beside_ns"):
        sides = [[statistics.median(values) for point in side if (values := getattr(point, name))]
                 for side in (before, after)]  # fmt: skip
        if not all(sides):
            return ""
        changes.append(statistics.median(sides[1]) / statistics.median(sides[0]))
    own, baseline = changes
    if abs(math.log(baseline)) <= abs(math.log(own)):
        return ""
    return f"its baseline changed more ({_percent(baseline)}) than the cell itself ({_percent(own)})"


def marks(one: Trend, root: Path) -> list[tuple[int, list[Difference]]]:
    """Return where what a cell is measured with has changed: the index of the first run after, and what it was."""
    found = [(place, between(root, one.points[place - 1], one.points[place])) for place in range(1, len(one.points))]
    return [(place, differences) for place, differences in found if differences]


def sides(one: Trend, candidate: Candidate) -> tuple[Point, Point]:
    """Return the last run that was surely before a step, and the first that was surely after it."""
    return one.points[candidate.earliest - 1], one.points[candidate.latest]


def judged(candidate: Candidate, confirmation: Confirmation) -> Candidate:
    """Return the candidate with what measuring both sides again has shown."""
    ends = [_percent(one) for one in (confirmation.ratio, confirmation.low, confirmation.high) if one is not None]
    again = f" {ends[0]} [{ends[1]}, {ends[2]}]" if len(ends) == 3 else ""
    pairs = f"{confirmation.pairs} pairs of {confirmation.time[:10]}"
    if confirmation.verdict == candidate.verdict:
        return replace(candidate, status=CONFIRMED, because=f"{confirmation.verdict}{again} in {pairs}")
    why = f", {confirmation.because}" if confirmation.because else ""
    return replace(candidate, status=REFUTED, because=f"{confirmation.verdict}{again} in {pairs}{why}")


def _with_status(
    root: Path, one: Trend, candidate: Candidate, known: Sequence[Confirmation], here: str | None
) -> Candidate:
    places = {point.run: index for index, point in enumerate(one.points)}
    for confirmation in reversed(known):
        is_own = confirmation.cell in (one.history.key, *one.history.former) and confirmation.metric == one.metric
        if not is_own or not {confirmation.before, confirmation.after} <= places.keys():
            continue
        if places[confirmation.before] < candidate.first <= places[confirmation.after]:
            return judged(candidate, confirmation)
    reasons = [] if here is None else list(obstacles(root, *sides(one, candidate), candidate.differences, here))
    if not reasons:
        return candidate
    return replace(candidate, status=OUT_OF_REACH, because="; ".join(filter(None, (candidate.because, *reasons))))


def obstacles(root: Path, before: Point, after: Point, differences: Sequence[Difference], here: str) -> Iterator[str]:
    """Yield why the two sides of a step cannot be measured again interleaved on this host."""
    if {before.host, after.host} != {here}:
        hosts = " and ".join(dict.fromkeys((before.host, after.host)))
        moved = before.host != after.host
        yield f"host {hosts} cannot be brought back" if moved else f"it was on host {hosts}, and this is {here}"
        return
    kinds = {difference.kind for difference in differences}
    if not kinds:
        yield "nothing recorded differs between its sides, so there is nothing to bring back"
    if trend_changes.HARNESS in kinds:
        for point in (before, after):
            if point.harness["revision"] is None or point.harness["dirty"] is not False:
                yield f"run {point.run} was made with code of no git revision"
    for name, lock_hash in sorted({*before.locks.items(), *after.locks.items()}):
        path = store.environment_file(root, name, lock_hash)
        if not path.is_file():
            yield f"its lock {path} is not there"


def _control(before: Sequence[Point], after: Sequence[Point]) -> float | None:
    """Return how the control changed, after over before: of its two parts the one that changed more."""
    ratios = []
    for name in ("gemm_ns", "stream_ns"):
        sides = [[statistics.median(values) for point in side if (values := getattr(point, name))]
                 for side in (before, after)]  # fmt: skip
        if all(sides):
            ratios.append(statistics.median(sides[1]) / statistics.median(sides[0]))
    return max(ratios, key=lambda ratio: abs(math.log(ratio)), default=None)


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"
