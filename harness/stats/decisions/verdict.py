"""From evidence to a word: the status of a cell, and whether a ratio of speeds is a change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from harness.config.schema import FAILED_INVOCATIONS, LEAST_INT8_SHARE
from harness.stats.timings.disturbance import is_majority
from harness.stats.timings.estimate import Ratio

#: Kinds of failure that are statuses of their own; the others stand in brackets behind "failed".
_NAMED_KINDS = ("oom", "timeout")

#: Standard errors of log-ratios below this are rounding, not spread.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Status:
    """A cell's status: ok, or one of inaccurate, partial, disturbed, unstable, unsupported, excluded, failed(kind),
    oom, timeout and pending.
    """

    name: str
    reason: str = ""


@dataclass(frozen=True)
class Failed:
    """One failure of a cell: its kind, its one-line message, its stage, and the block of a failed invocation."""

    kind: str
    message: str
    stage: str
    block: int | None = None


def left_out(kind: str, because: str) -> Status:
    """Return the status of a cell that is not run: `kind` is excluded or unsupported."""
    return Status(kind, because)


def cell_status(
    *,
    failures: Sequence[Failed],
    evaluated: bool,
    invocations: int,
    blocks: int,
    steady: Mapping[str, Sequence[bool]],
    criterion: str | None,
    disturbed: int = 0,
    int8_share: float | None = None,
) -> Status:
    """Return the status of a cell that is to be run.

    Parameters
    ----------
    failures : all of the cell's. Without a block it ends the cell; a failed invocation does so when it is not the only
        one, or when none has gone well.
    evaluated : whether its accuracy is known.
    invocations : how many went well, of the `blocks` that the protocol wants or, with a budget, of more.
    steady : role of a series -> whether it was steady, one value an invocation. Latency without a steady state makes
        the cell unstable; throughput without one only beside no latency, else the reason says so.
    criterion : met, failed or undecided against the baseline; None where there is no comparison.
    disturbed : how many of the invocations were measured, or their baselines, while the host was busy or slow.
    int8_share : of the multiplications of a cell that claims INT8, those that ran in it; None for any other cell, and
        where it is not known.
    """
    invoked = [failure for failure in failures if failure.block is not None]
    ending = next((failure for failure in failures if failure.block is None), None)
    if ending is None and invoked and (len(invoked) >= FAILED_INVOCATIONS or invocations == 0):
        ending = invoked[0]
    if ending is not None:
        return Status(_failure_name(ending.kind), f"{ending.stage}: {ending.message}")
    if not evaluated or invocations + len(invoked) < blocks:
        left = f"{invocations + len(invoked)} of {blocks} blocks measured"
        return Status("pending", left if evaluated else "not prepared and evaluated yet")
    if criterion == "failed":
        return Status("inaccurate", "the whole interval of its difference to the baseline is beyond the criterion")
    if int8_share is not None and int8_share < LEAST_INT8_SHARE:
        return Status("partial", f"claims int8, but only {100 * int8_share:.2g} % of its multiplications ran in INT8")
    if is_majority(disturbed, invocations):
        where = f"{disturbed} of {invocations} blocks"
        return Status("disturbed", f"the host was slow or busy with something else in {where}")
    drifting = {
        role: f"{role}: no steady state shown in {flat.count(False)} of {len(flat)} invocations"
        for role, flat in steady.items()
        if 2 * flat.count(False) > len(flat)
    }
    # Cells are ranked by their latency; where the throughput has drifted, that figure alone is not to be relied on.
    ranked_by = "latency" if "latency" in steady else next(iter(steady), None)
    if ranked_by in drifting:
        return Status("unstable", "; ".join(drifting.values()))
    tried = invocations + len(invoked)
    crashed = f"1 of {tried} invocations {_failure_name(invoked[0].kind)}: {invoked[0].message}" if invoked else ""
    return Status("ok", "; ".join(filter(None, (crashed, *drifting.values()))))


def _failure_name(kind: str) -> str:
    return kind if kind in _NAMED_KINDS else f"failed({kind})"


def has_failed(status: str) -> bool:
    """Say whether a status, or its word before the bracket, is that of a cell that has failed."""
    return status.split("(")[0] in ("failed", *_NAMED_KINDS)


def speed_verdicts(ratios: Sequence[Ratio | None], margin: float, alpha: float = 0.05) -> list[str]:
    """Say for each speed-up (baseline's latency over the other's): faster, slower, equivalent or inconclusive.

    Equivalent: both one-sided t tests reject a ratio outside ``1/(1 + margin) .. 1 + margin`` (D. J. Schuirmann, J.
    Pharmacokinetics and Biopharmaceutics 15, 1987). Faster or slower: the two-sided t test on log-ratios rejects 1,
    and the ratio is not equivalent. Each family's p-values are adjusted for the number of ratios so that of the
    verdicts given at most `alpha` are false in the mean (Y. Benjamini and Y. Hochberg, JRSS B 57, 1995). A test that
    cannot be computed is inconclusive.

    Parameters
    ----------
    ratios : one a comparison; None or a single pair cannot be tested.
    margin : a relative change too small to matter, above 0.

    Returns
    -------
    list : one word a ratio, in their order.
    """
    if not margin > 0:
        raise ValueError(f"margin={margin}: want a relative change above 0, e.g. 0.02")
    tested = [p_values(ratio, math.log1p(margin)) for ratio in ratios]
    same = adjusted([equivalence for _, equivalence in tested])
    changed = adjusted([difference for difference, _ in tested])
    verdicts = []
    for ratio, p_same, p_changed in zip(ratios, same, changed, strict=True):
        if ratio is not None and p_same <= alpha:
            verdicts.append("equivalent")
        elif ratio is not None and p_changed <= alpha:
            verdicts.append("faster" if ratio.mean_log > 0 else "slower")
        else:
            verdicts.append("inconclusive")
    return verdicts


def p_values(ratio: Ratio | None, margin_log: float) -> tuple[float, float]:
    """Return the p-values of "the ratio is 1" and of "the ratio is outside the margin"; NaN where there is no test.

    By Student's t on log-ratios; the second is the larger of the two one-sided ones. `margin_log` is a logarithm.
    """
    # Without any spread between blocks Student's statistic has no distribution: nothing was learnt about the noise.
    if ratio is None or ratio.standard_error_log is None or ratio.standard_error_log < _ROUNDING:
        return math.nan, math.nan
    mean, error, freedom = ratio.mean_log, ratio.standard_error_log, ratio.pairs - 1
    difference = 2 * stats.t.sf(abs(mean) / error, freedom)
    equivalence = stats.t.sf((margin_log - abs(mean)) / error, freedom)
    return float(difference), float(equivalence)


def adjusted(p_values: Sequence[float]) -> np.ndarray:
    """Return Benjamini-Hochberg p-values, shape (tests,); those that are not numbers stay so and do not count."""
    values = np.asarray(p_values, float)
    there = np.isfinite(values)
    if there.any():
        values[there] = multipletests(values[there], method="fdr_bh")[1]
    return values
