"""How a run's cells scale: latency against threads, rows a second against instances x cores, and the best of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.publish.columns import disturbances
from harness.publish.columns.scenarios import layout_rates
from harness.publish.columns.speeds import level_of
from harness.publish.common.numbers import decimals, ends, number
from harness.publish.common.recorded import Planned, Record, Recorded, baseline_of, index, planned
from harness.stats.timings import estimate
from harness.text.words import counted

#: The axes that name a curve; along it only the threads, or the layout, differ.
_CURVE = ("model", "task", "approach", "backend", "tuner")


@dataclass(frozen=True)
class Point:
    """One measured point of a curve: `cores` in use by `instances` processes, and the figure with its interval.

    The figure is a p50 in milliseconds of one process, or rows a second of all.
    """

    cores: int
    instances: int
    figure: estimate.Interval

    @property
    def layout(self) -> str:
        """The layout in words: ``2 instances x 4 cores``."""
        each = self.cores // self.instances
        return f"{counted(self.instances, 'instance')} x {counted(each, 'core')}"


@dataclass(frozen=True)
class Curve:
    """The points of one model, task, approach, backend and tuner, the fewest cores first."""

    name: str
    points: tuple[Point, ...]

    def efficiency(self) -> list[tuple[int, float]]:
        """Return cores -> the speed-up over the fewest cores, over the one that as many cores would give.

        Of a latency; the definition of parallel efficiency (J. L. Gustafson, CACM 1988, strong scaling).
        """
        first = self.points[0]
        work = first.figure.estimate * first.cores
        return [(point.cores, work / (point.figure.estimate * point.cores)) for point in self.points]


@dataclass(frozen=True)
class Scaling:
    """The curves of a run: `latency` of one process against its threads, `rows` a second against the cores in use."""

    latency: tuple[Curve, ...]
    rows: tuple[Curve, ...]

    def __bool__(self) -> bool:
        return any(len({point.cores for point in curve.points}) > 1 for curve in (*self.latency, *self.rows))


def scaling(records: Iterable[Record]) -> Scaling:
    """Return the curves that the records of a run give; empty where no cell was measured with several numbers of cores.

    Raises
    ------
    UserError : the records do not begin with a header.
    """
    run = index(records)
    cells = planned(run.header)
    latency: dict[str, dict[int, Point]] = defaultdict(dict)
    rows: dict[str, list[Point]] = defaultdict(list)
    for cell in cells:
        name = _name(cell, cells)
        if (point := _latency(run, cell, baseline_of(run.header, cell, cells))) is not None:
            latency[name].setdefault(point.cores, point)
        rows[name] += _layouts(run, cell)
    curves = [Curve(name, tuple(points[cores] for cores in sorted(points))) for name, points in latency.items()]
    best = [Curve(name, tuple(_best_of_each(points))) for name, points in rows.items() if points]
    return Scaling(tuple(curve for curve in curves if len(curve.points) > 1), tuple(best))


def sentences(found: Scaling) -> Iterator[str]:
    """Yield the best layouts in words, each with those that it is not distinguishable from."""
    if not found:
        return
    pairs = [(curve.name, point) for curve in found.latency for point in curve.points]
    if pairs:
        name, best = min(pairs, key=lambda pair: pair[1].figure.estimate)
        efficiency = dict(next(curve for curve in found.latency if curve.name == name).efficiency())[best.cores]
        text = (
            f"Lowest latency: {name} with {counted(best.cores, 'thread')}, {_shown(best.figure, ' ms')}, at "
            f"{100 * efficiency:.0f} % of the efficiency of its fewest"
        )
        yield text + _close(best, pairs, name, lambda point: counted(point.cores, "thread"))
    pairs = [(curve.name, point) for curve in found.rows for point in curve.points]
    if pairs:
        name, best = max(pairs, key=lambda pair: pair[1].figure.estimate)
        text = f"Most rows a second: {name} with {best.layout}, {_shown(best.figure, '')}"
        yield text + _close(best, pairs, name, lambda point: point.layout)


def _close(best: Point, pairs: Sequence[tuple[str, Point]], name: str, words: Callable[[Point], str]) -> str:
    others = [
        f"{other} with {words(point)}"
        for other, point in pairs
        if (other, point) != (name, best) and _overlap(best.figure, point.figure)
    ]
    return f"; not distinguishable from {', '.join(others)}." if others else "."


def _overlap(one: estimate.Interval, other: estimate.Interval) -> bool:
    """Say whether two figures may be the same: what has no interval may be anything."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.low <= other.high and other.low <= one.high


def _name(cell: Planned, cells: Sequence[Planned]) -> str:
    several = [axis for axis in _CURVE if len({one.labels[axis] for one in cells}) > 1]
    return "/".join(cell.labels[axis] for axis in several or _CURVE[2:4])


def _latency(run: Recorded, cell: Planned, baseline: Planned | None) -> Point | None:
    counted_of_cell = run.host.counted(run.invocations[cell.digest].values())
    found = level_of(disturbances.counted(run), cell, baseline, "latency") if counted_of_cell else None
    threads = {one["threads"] for one in counted_of_cell}
    return None if found is None or len(threads) != 1 else Point(threads.pop(), 1, estimate.in_units(found.level, 1e-6))


def _layouts(run: Recorded, cell: Planned) -> Iterator[Point]:
    found, busy = disturbances.scenarios(run, cell)
    for (instances, cores), values in layout_rates([] if busy else found).items():
        interval = estimate.over_invocations(values, cell.configs["protocol"]["confidence"])
        if interval is not None:
            yield Point(instances * cores, instances, interval)


def _best_of_each(points: Sequence[Point]) -> Iterator[Point]:
    """Yield for each number of cores in use the layout with the most rows a second, in the median over its blocks."""
    for cores in sorted({point.cores for point in points}):
        yield max((point for point in points if point.cores == cores), key=lambda point: point.figure.estimate)


def _shown(interval: estimate.Interval, unit: str) -> str:
    places = decimals(interval.estimate, interval.low, interval.high)
    return f"{number(interval.estimate, places)}{unit} {ends(interval.low, interval.high, places) or '(no interval)'}"
