"""The last record of a session."""

from __future__ import annotations

from typing import Annotated, Literal

from harness.results.records.kinds.base import Amount, Base, Count, says


class End(Base):
    """A session of the run has ended."""

    status: Annotated[Literal["complete", "interrupted"], says("`complete`, or `interrupted` by a person")]
    counts: Annotated[dict[str, Count], says("what the run holds by then: name to number")]
    seconds: Annotated[Amount, says("length of the session")]
