"""The columns of a comparison that tell of the speed of one series, latency or throughput, in both variants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.stats.decisions.changes import Change, Subject
from harness.stats.timings.estimate import over_invocations, with_ends
from harness.stats.timings.pairs import levels

#: The series that are compared.
ROLES = ("latency", "throughput")

#: Role -> how the columns of its speed-ups over the baseline end; the variant stands before it.
SPEEDUP = {"latency": "speedup", "throughput": "throughput_speedup"}


def level_columns(
    role: str, subject: Subject, confidence: float, counted: tuple[int, ...] = ()
) -> dict[str, float | None]:
    """Return each variant's level in milliseconds a forward pass, such that their ratio is the one that is printed.

    Parameters
    ----------
    counted : the pairs behind the ratio of two variants that were measured interleaved: a's level is over its
        invocations in these, and b's over those that have the pairs' ratios to them. Without any, both are over
        all of their own.
    """
    one, other = ({pair: variant[pair] for pair in (counted or variant)} for variant in (subject.one, subject.other))
    if counted:
        other = {pair: replace(other[pair], level_ns=level) for pair, level in levels(one, other).items()}
    row: dict[str, float | None] = {}
    for name, variant in (("a", one), ("b", other)):
        level = over_invocations([invocation.level_ns for invocation in variant.values()], confidence)
        row |= {} if level is None else with_ends(f"{name}_{role}_ms", level, 1e-6)
    return row


def speed_columns(role: str, change: Change) -> dict[str, Any]:
    """Return the columns of one role's verdict."""
    columns: dict[str, Any] = {f"{role}_verdict": change.verdict, f"{role}_reason": change.because or None}
    columns |= {f"{role}_p": change.p, f"{role}_left_out": change.left_out}
    if change.ratio is not None:
        columns |= {f"{role}_ratio": change.ratio.estimate, f"{role}_pairs": change.ratio.pairs}
        columns |= {f"{role}_ratio_low": change.ratio.low, f"{role}_ratio_high": change.ratio.high}
    return columns


def refused(role: str, because: str) -> dict[str, Any]:
    """Return the columns of one role's verdict on two variants that cannot be compared."""
    return speed_columns(role, Change("inconclusive", because, None, None, 0))
