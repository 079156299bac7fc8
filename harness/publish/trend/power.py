"""What a trend could have found: a history without a step says little where its runs spread widely."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from harness.publish.trend.latency import Trend

#: The step that one would want to hear of, as a share.
WANTED = 0.05


def sentences(trends: Sequence[Trend]) -> Iterator[str]:
    """Yield in how many histories a step of 5 % would be found, and how large one must be in the median history."""
    known = [one.smallest for one in trends if one.smallest is not None]
    if known:
        enough = sum(one <= WANTED for one in known)
        yield (
            f"A step of {WANTED:.0%} would be found within 5 runs, in four of five cases, in {enough} of {len(known)} "
            f"histories; in the median history it must be {statistics.median(known):.1%}."
        )
