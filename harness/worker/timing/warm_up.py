"""When warm-up ends: the process's own series has become flat.

The rule. Look at the last three quarters of the series, at least two windows of `window` iterations, each time it has
become longer by a quarter. They are flat when

1. they show no trend: Student's test of the slope of a straight line through the logarithms does not reject at 5 %, or
   the line moves by at most 0.5 % from one half to the other, which is too little to matter; and
2. a trend is excluded: the line does not move by 20 %, over what is looked at or over as many iterations as the time
   allows (up to :data:`ENOUGH`), by two one-sided tests (D. J. Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15,
   1987). That few iterations show no trend is no evidence. The tests are at 2.5 %, so that all looks together let
   through about 5 % of such ramps.

An iteration that is off the median by more than 20 % and 3.5 robust standard deviations counts as off by so much: a
spike is no trend.

When the time is up before, a series of slow iterations goes on until it is flat, or has :data:`ENOUGH` iterations or
has taken `patience` times as long: six iterations can tell a ramp from noise of 2 %, but not from noise of 10 %.
A series that is not flat then is not shown to be steady.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats.timings.drift import RAMP, student_quantile, trend

#: A trend that moves the series by less from one half to the other does not matter.
DRIFT_TOLERANCE = 0.005
SIGNIFICANCE, EXCLUDED = 0.05, 0.025

#: By how much longer a series is at the next look: fewer looks let fewer ramps through.
_LONGER = 1.25

#: Iterations by which a ramp of 20 % can be told from noise of 10 %, and how many times the cap they may take.
ENOUGH, PATIENCE = 64, 25

#: A series that no cell is ranked by gets no more than the cap: large batches would take most of a run's time.
NO_PATIENCE = 1

#: The shortest window that has a median worth the name; a warm-up is never shorter than two of them.
SHORTEST_WINDOW = 3


@dataclass(frozen=True)
class WarmUp:
    """What was discarded, in nanoseconds and in order, and whether the series was flat at its end."""

    samples_ns: list[int]
    steady: bool


def warm_up(
    take: Callable[[int, float], Sequence[int]],
    window: int,
    max_seconds: float,
    expected: Sequence[int] = (),
    patience: float = PATIENCE,
) -> WarmUp:
    """Iterate until the series is flat, or its iterations have taken `max_seconds`; a short one may go on for longer.

    Parameters
    ----------
    take : makes so many iterations, but stops after the one that passes so many seconds; returns their nanoseconds.
    window : iterations between two looks, at least 3.
    max_seconds : the cap, of a series that has :data:`ENOUGH` iterations by then.
    expected : nanoseconds of the round of batches before, where batches are of unlike lengths: what is looked at is how
        much longer each iteration takes than its batch did then.
    patience : how many times `max_seconds` a series of less than :data:`ENOUGH` iterations may take.
    """
    samples: list[int] = []

    def flat() -> bool:
        usual = np.resize(np.asarray(expected, float), len(samples)) if len(expected) else 1.0
        in_time = 1e9 * max_seconds * len(samples) / max(sum(samples), 1)
        return _is_flat_lately(np.asarray(samples, float) / usual, window, in_time)

    left, look = max_seconds, 2 * window
    while left > 0:
        samples.extend(take(window, left))
        if len(samples) >= look:
            if flat():
                return WarmUp(samples, True)
            look = math.ceil(_LONGER * len(samples))
        left = max_seconds - sum(samples) / 1e9
    while len(samples) < 2 * SHORTEST_WINDOW:
        samples.extend(take(1, 0.0))
    while not (steady := flat()) and len(samples) < ENOUGH:
        left = patience * max_seconds - sum(samples) / 1e9
        if left <= 0:
            break
        samples.extend(take(max(window, math.ceil((_LONGER - 1) * len(samples))), left))
    return WarmUp(samples, steady)


def is_flat(samples: Sequence[int] | np.ndarray, span: float = 0.0) -> bool:
    """Say whether a series of at least three iterations is flat by the module's rule.

    Parameters
    ----------
    span : iterations over which a ramp of 20 % is to be excluded, where they are more than the series has.
    """
    values = np.asarray(samples, float)
    if not (values > 0).all():
        return bool((values == values[0]).all())
    drift, error = trend(np.log(values))
    freedom = len(values) - 2
    is_shown = abs(drift) > student_quantile(1 - SIGNIFICANCE / 2, freedom) * error
    if is_shown and abs(drift) / 2 > DRIFT_TOLERANCE:
        return False
    most = abs(drift) + student_quantile(1 - EXCLUDED, freedom) * error
    return most * max(1.0, span / len(values)) < math.log1p(RAMP)


def _is_flat_lately(samples: np.ndarray, window: int, in_time: float) -> bool:
    """Look at the last three quarters, or at two windows where those are more; the time allows `in_time` iterations."""
    recent = samples[-max(2 * window, math.ceil(0.75 * len(samples))) :]
    return is_flat(recent, min(in_time, ENOUGH))
