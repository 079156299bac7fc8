"""Histories without a change, of several kinds of noise of about one percent, and comparisons that confirm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import signal

from harness.stats.decisions.trend import CONFIRM_ALPHA, Level, Step
from harness.stats.decisions.verdict import speed_verdicts
from harness.stats.timings.estimate import paired_ratio

Noise = Callable[[np.random.Generator, int], np.ndarray]

#: Of a run, as a logarithm.
ONE_PERCENT = 0.01


def white(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return independent noise."""
    return ONE_PERCENT * rng.standard_normal(runs)


def autocorrelated(rho: float) -> Noise:
    """Return AR(1) noise of that correlation, whose variance is as large as white noise's."""

    def noise(rng: np.random.Generator, runs: int) -> np.ndarray:
        shocks = rng.standard_normal(runs)
        shocks[1:] *= np.sqrt(1 - rho**2)
        return ONE_PERCENT * signal.lfilter([1], [1, -rho], shocks)

    return noise


def spiky(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return white noise of which every twentieth run is 5 % too long in the mean."""
    return white(rng, runs) + rng.exponential(0.05, runs) * (rng.random(runs) < 0.05)


def bimodal(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return noise of two modes, 3 % apart: the upper one in three of ten runs."""
    return 0.5 * white(rng, runs) + 0.03 * (rng.random(runs) < 0.3)


def drifting(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return white noise on a host that gets slower by half of its noise every 25 runs."""
    return white(rng, runs) + 0.005 * np.arange(runs) / 25


def wandering(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return white noise on a host that takes a step of a tenth of it, up or down, every run."""
    return white(rng, runs) + 0.1 * ONE_PERCENT * np.cumsum(rng.standard_normal(runs))


KINDS: dict[str, Noise] = {
    "white": white,
    "AR(1) 0.3": autocorrelated(0.3),
    "AR(1) 0.5": autocorrelated(0.5),
    "AR(1) 0.7": autocorrelated(0.7),
    "spiky": spiky,
    "bimodal": bimodal,
    "drift": drifting,
    "wandering": wandering,
}


def levels(logs: np.ndarray) -> list[Level]:
    """Return a history; what its runs' own invocations say of the noise is left out, so that it must be learnt."""
    return [Level(float(np.exp(value)), None) for value in logs]


def is_confirmed(rng: np.random.Generator, noise: Noise, step: Step, change_log: float = 0.0, pairs: int = 12) -> bool:
    """Measure both sides of a step again, in turns A B B A, with the host's own noise; say whether it is confirmed.

    Parameters
    ----------
    change_log : how much longer the second side really takes, as a logarithm.
    """
    logs = noise(rng, 2 * pairs).reshape(pairs, 2)
    logs[1::2] = logs[1::2, ::-1]
    sides = [dict(enumerate(np.exp(values))) for values in (logs[:, 0], logs[:, 1] + change_log)]
    (word,) = speed_verdicts([paired_ratio(*sides)], margin=0.01, alpha=CONFIRM_ALPHA)
    return word == ("slower" if step.ratio.estimate > 1 else "faster")
