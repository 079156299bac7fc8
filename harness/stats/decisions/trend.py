"""Steps in the history of one cell: a level a run, in the order of the runs, whose noise may be autocorrelated.

The runs are gone through in their order, and after each the newest stretch is asked whether a step lies in its last
runs; where one does, a new stretch begins. So what later runs bring never takes back what was found, and a history that
is read once gives what watching it run by run has given.

The question itself is a generalised least squares test for a step at every admissible place, with AR(1) noise whose
correlation is estimated together with that step and corrected for its bias, which F. Serinaldi and C. G. Kilsby found
best (Stochastic Environmental Research and Risk Assessment 30, 2016, 763-777). AR(1) as the model of noise is also
airspeed velocity's; that a step is held against the stretch between its neighbours, by Student's test, is Apache
Otava's (M. Fleming et al., Hunter, ICPE 2023). Unlike theirs this one is eager: a step is a candidate, which is still
to be confirmed by measuring both sides again.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.stats.timings.estimate import Interval

#: The two-sided level of one look at one place. A history of 100 runs is looked at about 1,000 times, most of them
#: nearly the same look: together they raise a candidate in a few of a hundred histories of white noise. At ten times
#: this level more than one in a hundred histories of correlated noise is reported after confirmation.
LOOK_ALPHA = 5e-4

#: The two-sided level of the comparison that confirms a candidate; its direction must be the candidate's too, so that
#: one in 200 false candidates is confirmed at most.
CONFIRM_ALPHA = 0.01

#: Runs before the first step, and after a step: fewer say nothing of the noise, and one stray run is no step.
FEWEST_BEFORE, FEWEST_AFTER = 5, 2

#: Runs before a step that it is tested against (older ones may be of another level, on a host that drifts), and the
#: numbers of runs after it with which it is. A small step needs many.
_REFERENCE = 50
_AFTER = (2, 3, 4, 5, 6, 8, 11, 15, 20, 27)

#: A run further off than this many robust standard deviations counts as just so far: a spike must not be a step. Before
#: so many runs nothing is known of spikes.
_CLIP = 3.5
_RUNS_TO_CLIP = 8

#: Differences of logarithms below this are rounding.
_ROUNDING = 1e-12

#: Stronger correlation than this cannot be told from a drift in a history of tens of runs.
_STRONGEST = 0.85

#: Twice the log-likelihood that a place may have less than the best one and still be where the step was: 95 % of the
#: chi-squared distribution with one degree of freedom, as for any parameter.
_LESS_LIKELY = float(stats.chi2.ppf(0.95, 1))


@dataclass(frozen=True)
class Level:
    """The level of one run, in any unit, and the standard error of its logarithm; None from a single invocation."""

    value: float
    error_log: float | None


@dataclass(frozen=True)
class Step:
    """A candidate: from run `first` on the level is another.

    `first`, `earliest` and `latest` are indices of runs: the first one after the step most likely, and at the earliest
    and at the latest as far as the history tells. `found` is the run after which the step was seen. `ratio` is the
    level after over the level before.
    """

    first: int
    earliest: int
    latest: int
    found: int
    ratio: Interval


@dataclass(frozen=True)
class _Noise:
    """What earlier stretches told of the noise: sums over their residuals of squares and of neighbours' products."""

    residuals: np.ndarray
    squares: float = 0.0
    products: float = 0.0
    levels: int = 0

    @property
    def count(self) -> int:
        return len(self.residuals)


@dataclass(frozen=True)
class _Tests:
    """Every place's test: the step in logarithms with its standard error; and the degrees of freedom of all."""

    places: np.ndarray
    size: np.ndarray
    error: np.ndarray
    freedom: int

    @property
    def t(self) -> np.ndarray:
        """Student's statistic; without any noise a step is beyond all bounds, and no step is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.abs(self.size) > _ROUNDING, self.size / self.error, 0.0)


def level(values: Sequence[float] | np.ndarray) -> Level:
    """Return a run's level: the median over its invocations.

    The standard error of a median of a normal sample is ``sqrt(pi / 2)`` times that of its mean, and that of the
    median of two or fewer is their mean's.

    Parameters
    ----------
    values : shape (invocations,), at least one, positive, in any unit.
    """
    levels = np.asarray(values, float)
    if levels.size == 0 or not (np.isfinite(levels).all() and (levels > 0).all()):
        raise ValueError("a level needs at least one value, all of them positive and finite")
    if levels.size == 1:
        return Level(float(levels[0]), None)
    widened = math.sqrt(math.pi / 2) if levels.size > 2 else 1.0
    return Level(float(np.median(levels)), widened * float(stats.sem(np.log(levels))))


def find_steps(levels: Sequence[Level], confidence: float = 0.95, look_alpha: float = LOOK_ALPHA) -> list[Step]:
    """Return the steps of a history, the oldest first.

    Parameters
    ----------
    levels : one a run, in their order. The noise is never taken for smaller than the runs' own standard errors say.
    confidence : of the interval of each step's ratio.
    look_alpha : the two-sided level of one look.
    """
    logs = np.log([one.value for one in levels])
    logs -= np.median(logs) if len(logs) else 0.0
    floor = _floor(levels)
    noise, start, found = _Noise(np.empty(0)), 0, []
    references: dict[int, tuple[float, float]] = {}
    for end in range(start + FEWEST_BEFORE + FEWEST_AFTER, len(logs) + 1):
        tests = _look(logs, start, end, noise, floor, references)
        if tests is None:
            continue
        strength = np.abs(tests.t)
        best = int(np.argmax(strength))
        if not strength[best] > _critical(tests.freedom, look_alpha):
            continue
        place = int(tests.places[best])
        found.append((start, place, end - 1))
        noise = _learnt(noise, logs[start:place])
        start, references = place, {}
    steps: list[Step] = []
    for index, (_, place, seen) in enumerate(found):
        begin = steps[-1].first if steps else 0
        end = found[index + 1][1] if index + 1 < len(found) else len(logs)
        steps.append(_described(logs[:end], begin, place, seen, floor, confidence))
    return steps


def smallest_step(levels: Sequence[Level], steps: Sequence[Step], within: int = 5, power: float = 0.8) -> float | None:
    """Return the step, as a share of the level, that so many further runs would show with that power.

    The usual approximation for two means: the critical value and the power's quantile, times the standard error of the
    difference between the last stretch and the further runs. The noise is that of all stretches, taken for white; None
    where a history has too few runs to show a step.

    Parameters
    ----------
    levels, steps : a history and what :func:`find_steps` found in it.
    """
    if len(levels) < FEWEST_BEFORE:
        return None
    edges = [0, *(step.first for step in steps), len(levels)]
    stretches = [np.log([one.value for one in levels[begin:end]]) for begin, end in itertools.pairwise(edges)]
    freedom = len(levels) - len(stretches)
    noise = math.sqrt(sum(float(((one - one.mean()) ** 2).sum()) for one in stretches) / freedom)
    error = max(noise, _floor(levels)) * math.sqrt(1 / within + 1 / min(len(stretches[-1]), _REFERENCE))
    return math.expm1((_critical(freedom + within - 1, LOOK_ALPHA) + float(stats.norm.ppf(power))) * error)


def _floor(levels: Sequence[Level]) -> float:
    """Return the median standard error of the runs' own logarithms; 0 where no run tells one."""
    errors = [one.error_log for one in levels if one.error_log is not None]
    return float(np.median(errors)) if errors else 0.0


def _look(
    logs: np.ndarray,
    start: int,
    end: int,
    noise: _Noise,
    floor: float,
    references: dict[int, tuple[float, float]],
) -> _Tests | None:
    """Test each place near the end of the stretch ``start..end``; None while it is too short."""
    fewest = FEWEST_BEFORE if noise.count == 0 else FEWEST_AFTER
    places = np.array([end - after for after in _AFTER if end - after >= start + fewest])
    if len(places) == 0:
        return None
    for place in places:
        if place not in references:
            references[place] = _reference(logs[max(start, place - _REFERENCE) : place], noise, floor)
    begin = max(start, int(places.min()) - _REFERENCE)
    ends = np.array([references[place] for place in places])
    return _test(logs[begin:end], places - begin, ends, noise, floor, begin)


def _reference(before: np.ndarray, noise: _Noise, floor: float) -> tuple[float, float]:
    """Return the ends to which runs are clipped that are tested against those `before`."""
    centre = float(np.median(before))
    spread = np.abs(np.concatenate([before - centre, noise.residuals]))
    # The median absolute deviation of a normal sample is 0.6745 of its standard deviation.
    reach = _CLIP * max(float(np.median(spread)) / 0.6745, floor)
    if len(spread) < _RUNS_TO_CLIP or reach == 0:
        return -math.inf, math.inf
    return centre - reach, centre + reach


def _test(
    logs: np.ndarray, places: np.ndarray, ends: np.ndarray, noise: _Noise, floor: float, begin: int = 0
) -> _Tests:
    """Test a step at each place of one stretch, all at once: one row a place, one column a run."""
    runs = logs.size
    values = np.clip(logs, ends[:, :1], ends[:, 1:])
    after = np.arange(runs) >= places[:, None]
    right = (values * after).sum(1) / (runs - places)
    left = (values * ~after).sum(1) / places
    residuals = values - np.where(after, right[:, None], left[:, None])
    squares = (residuals**2).sum(1) + noise.squares
    products = (residuals[:, 1:] * residuals[:, :-1]).sum(1) + noise.products
    count, means = runs + noise.count, 2 + noise.levels
    rho = _correlation(squares, products, count, means)
    # Regressed on a constant, which whitening turns into 1 - rho (in the first run sqrt(1 - rho**2)), and on a step,
    # turned into 1 at its place and 1 - rho after it.
    rest, trail = 1 - rho, runs - places - 1
    white = values[:, 1:] - rho[:, None] * values[:, :-1]
    stepped = (white * after[:, 1:]).sum(1)
    at = np.take_along_axis(white, places[:, None] - 1, 1)[:, 0]
    cc, cs, ss = 1 - rho**2 + (runs - 1) * rest**2, rest * (1 + trail * rest), 1 + trail * rest**2
    cy, sy = (1 - rho**2) * values[:, 0] + rest * white.sum(1), at + rest * (stepped - at)
    determinant = cc * ss - cs**2
    size = (cc * sy - cs * cy) / determinant
    base = (ss * cy - cs * sy) / determinant
    left_over = (1 - rho**2) * values[:, 0] ** 2 + (white**2).sum(1) - base * cy - size * sy
    left_over = np.maximum(left_over + noise.squares * (1 + rho**2) - 2 * rho * noise.products, 0.0)
    freedom = count - means - 1
    variance = np.maximum(left_over / freedom, floor**2 * (1 - rho**2))
    return _Tests(places + begin, size, np.sqrt(variance * cc / determinant), freedom)


def _correlation(squares: np.ndarray, products: np.ndarray, count: int, means: int) -> np.ndarray:
    """Return the lag-1 correlation of residuals around `means` fitted levels, free of its bias of the first order.

    M. G. Kendall, Note on bias in the estimation of autocorrelation, Biometrika 41 (1954): of n values around one mean
    it is ``-(1 + 3 rho) / n``, of which ``(1 + rho) / n`` is the mean's.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = np.where(squares > 0, products / squares, 0.0)
    shrink = 1 - (means + 2) / count if count > means + 2 else 1.0
    return np.clip((raw + means / count) / shrink, 0.0, _STRONGEST)


@functools.cache
def _critical(freedom: int, look_alpha: float) -> float:
    """Return what the statistic of one look must exceed."""
    return float(stats.t.isf(look_alpha / 2, freedom))


def _learnt(noise: _Noise, stretch: np.ndarray) -> _Noise:
    """Return the noise with what a stretch that has ended adds to it."""
    values = np.clip(stretch, *_reference(stretch, _Noise(np.empty(0)), 0.0))
    residuals = values - values.mean()
    return _Noise(
        np.concatenate([noise.residuals, residuals])[-2 * _REFERENCE :],
        noise.squares + float((residuals**2).sum()),
        noise.products + float((residuals[1:] * residuals[:-1]).sum()),
        noise.levels + 1,
    )


def _described(logs: np.ndarray, start: int, place: int, seen: int, floor: float, confidence: float) -> Step:
    """Return a step as all runs from its neighbour on show it: where it lies, and how large it is."""
    noise, begin = _Noise(np.empty(0)), max(start, place - _REFERENCE)
    places = np.arange(max(begin + 1, place - _AFTER[-1]), min(len(logs) - 1, seen) + 1)
    # Each side is clipped around its own level here: around the level before, a large step would be cut short.
    sides = [np.clip(side, *_reference(side, noise, floor)) for side in (logs[begin:place], logs[place:])]
    unbounded = np.tile([-math.inf, math.inf], (len(places), 1))
    tests = _test(np.concatenate(sides), places - begin, unbounded, noise, floor, begin)
    likelihood = tests.freedom * np.log1p(tests.t**2 / tests.freedom)
    best = int(np.argmax(likelihood))
    likely = tests.places[likelihood >= likelihood[best] - _LESS_LIKELY]
    reach = float(stats.t.ppf((1 + confidence) / 2, tests.freedom) * tests.error[best])
    size = float(tests.size[best])
    ratio = Interval(math.exp(size), math.exp(size - reach), math.exp(size + reach))
    return Step(int(tests.places[best]), int(likely.min()), int(likely.max()), seen, ratio)
