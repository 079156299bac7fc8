"""Tries many examples and keeps every kind of fault that they show, where hypothesis would stop at the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.driver import Findings

#: So many times as many examples, and new ones each time, in the tests that need hours.
HOURS = 100


def explore(
    examples: st.SearchStrategy[Any],
    case: Callable[[Any], tuple[Sequence[str], str]],
    count: int,
    random: int | None = None,
) -> Findings:
    """Return what `count` examples have shown.

    Parameters
    ----------
    case : takes an example; returns its faults, and the example as a person reads it.
    random : the seed of new examples; without one they are the same each time.
    """
    findings = Findings()

    @settings(
        max_examples=count,
        derandomize=random is None,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples)
    def one(example: Any) -> None:
        findings.add(*case(example))

    (one if random is None else seed(random)(one))()
    return findings


def require_none(findings: Findings, count: int) -> None:
    """Fail with all that was found; or where the examples have run out, for then they are too alike."""
    print(findings.report())
    assert not findings.seen, findings.report()
    assert findings.cases >= 0.9 * count, findings.cases
