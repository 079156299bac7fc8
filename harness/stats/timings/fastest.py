"""Which of several cells is the fastest, how fast it is, and which others it is not distinguishable from.

The best of several is partly the luckiest: with twenty equal cells the figure of the winner is the largest of twenty
errors. So three things are asked that the interval of a single row does not answer. Are the others slower, or only
less lucky? They are compared with the winner within their groups, with the critical value of the studentized range,
that holds for all pairs at once (J. W. Tukey; H. A. David and H. N. Nagaraja, Order Statistics, 2003, section 6.3). How
fast is it? Its figure is drawn towards those it is not told from, as far as these scatter no more than their errors
(random effects: R. DerSimonian and N. Laird, Controlled Clinical Trials 7, 1986). And between which ends? The lower end
holds for all candidates at once, so for the winner however it was chosen; luck has not lowered the upper one.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.stats.timings import pairs
from harness.stats.timings.disturbance import Invocation
from harness.stats.timings.estimate import Interval
from harness.stats.timings.moderation import moderated

#: Beyond so many degrees of freedom the studentized range is taken for that of so many, which is conservative.
_MOST_FREEDOM = 120


@dataclass(frozen=True)
class Fastest:
    """The fastest of several candidates: its name, its speed-up over the baseline, and those that may be as fast."""

    name: str
    speed_up: Interval
    close: tuple[str, ...]


def fastest(
    baseline: str,
    timings: Mapping[str, Mapping[int, Invocation]],
    candidates: Collection[str] | None = None,
    confidence: float = 0.95,
) -> Fastest | None:
    """Return the fastest of some cells that were timed in blocks with their baseline.

    With `confidence` no cell that is as fast as the others is missing from the answer, however many are; and the
    interval holds the speed-up of the cell that is named.

    Parameters
    ----------
    baseline : its name among `timings`. It may be the fastest itself.
    timings : name -> block -> timing, of all cells of the group: each tells something of the errors in its blocks.
    candidates : the names that are asked of, the baseline among them; None for all.

    Returns
    -------
    Fastest : without ends where nothing was measured twice, and then every other candidate is close. None where no
        candidate has a block with the baseline.
    """
    logs = {name: _log_ratios(timings[baseline], found) for name, found in timings.items()}
    names = [name for name, found in logs.items() if found and (candidates is None or name in candidates)]
    if not names:
        return None
    means = np.array([np.mean([*logs[name].values()]) for name in names])
    best = int(np.argmax(means))
    errors = _errors(logs)
    if errors is None:
        others = tuple(name for place, name in enumerate(names) if place != best)
        return Fastest(names[best], Interval(math.exp(means[best])), others)
    variances, freedoms = (np.array([one[name] for name in names]) for one in errors)
    home = names.index(baseline)
    counts = np.array([len(logs[name]) for name in names])
    shared = np.array([len(logs[name].keys() & logs[names[best]].keys()) for name in names])
    # The baseline's own error is in every ratio to it; in a group that two cells share it is the same one, and cancels.
    of_ratio = np.where(np.arange(len(names)) == home, 0.0, (variances + variances[home]) / counts)
    in_common = 0.0 if best == home else variances[home] * shared / (counts[best] * counts)
    of_difference = of_ratio[best] + of_ratio - 2 * np.where(of_ratio > 0, in_common, 0.0)
    of_difference[best] = 0.0
    freedom = np.minimum(freedoms, freedoms[best])
    ranges = np.array([_range(confidence, len(names), one) for one in freedom])
    reach = np.where(np.isinf(ranges), np.inf, np.where(np.isinf(ranges), 0, ranges) * np.sqrt(of_difference / 2))
    is_close = means[best] - means <= reach
    close = tuple(name for place, name in enumerate(names) if is_close[place] and place != best)
    if best == home:
        return Fastest(baseline, Interval(1.0), close)
    spread = math.sqrt(of_ratio[best])
    tail, rivals = (1 - confidence) / 2, max(len(names) - 1, 1)
    low = means[best] - float(stats.t.isf(tail / rivals, freedoms[best])) * spread
    high = means[best] + float(stats.t.isf(tail, freedoms[best])) * spread
    front = is_close & (np.arange(len(names)) != home)
    value = max(_drawn(means[front], means[best], of_difference[front].sum() / max(2 * (front.sum() - 1), 1)), low)
    return Fastest(names[best], Interval(*(math.exp(one) for one in (value, low, high))), close)


def _log_ratios(baseline: Mapping[int, Invocation], cell: Mapping[int, Invocation]) -> dict[int, float]:
    """Return block -> the logarithm of the baseline's time over the cell's."""
    shared = sorted(baseline.keys() & cell.keys())
    return {block: math.log(pairs.quotient(baseline[block], cell[block])) for block in shared}


def _errors(logs: Mapping[str, Mapping[int, float]]) -> tuple[dict[str, float], dict[str, float]] | None:
    """Return the variance of each cell's own error in a block, without what the block does to all, and its freedom.

    Residuals of the additive model of cells and blocks. None where no block holds two cells that were measured twice.
    """
    centred = {
        name: {block: value - float(np.mean([*found.values()])) for block, value in found.items()}
        for name, found in logs.items()
        if len(found) > 1
    }
    blocks: dict[int, list[float]] = defaultdict(list)
    for found in centred.values():
        for block, value in found.items():
            blocks[block].append(value)
    variances, freedoms = dict.fromkeys(logs, 0.0), dict.fromkeys(logs, 0.0)
    for name, found in centred.items():
        squares = sum((value - float(np.mean(blocks[block]))) ** 2 for block, value in found.items())
        freedoms[name] = sum(1 - 1 / len(blocks[block]) for block in found) * (1 - 1 / len(found))
        variances[name] = squares / freedoms[name] if freedoms[name] else 0.0
    if not sum(freedoms.values()):
        return None
    drawn, sure = moderated(np.array([*variances.values()]), np.array([*freedoms.values()]))
    return dict(zip(logs, drawn.tolist(), strict=True)), dict(zip(logs, sure.tolist(), strict=True))


def _drawn(front: np.ndarray, best: float, variance: float) -> float:
    """Return the best of some means, drawn towards their mean by the share of their scatter that is error."""
    if len(front) < 2:
        return best
    between = max(float(front.var(ddof=1)) - variance, 0.0)
    kept = between / (between + variance) if between > 0 else 0.0
    return float(front.mean()) + kept * (best - float(front.mean()))


def _range(confidence: float, cells: int, freedom: float) -> float:
    """Return the quantile of the studentized range; of so few samples that there is no freedom, infinity."""
    whole = min(math.floor(freedom), _MOST_FREEDOM)
    return _quantile(confidence, cells, whole) if whole >= 1 and cells > 1 else math.inf


@functools.cache
def _quantile(confidence: float, cells: int, freedom: int) -> float:
    return float(stats.studentized_range.ppf(confidence, cells, freedom))
