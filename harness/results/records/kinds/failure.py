"""The record of a cell, or a part of one, that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, UnsetType

from harness.errors import FAILURE_KINDS
from harness.results.records.kinds.base import Count, OfCell, ScenarioName, Text, says

if TYPE_CHECKING:
    Kind = str
else:
    Kind = Literal[FAILURE_KINDS]  # known at run time alone, which no type checker reads


class Failure(OfCell, kw_only=True):
    """A cell, one invocation of it, or one scenario, that failed."""

    stage: Annotated[Text, says("what was going on: environment, prepare, evaluate, measure or scenario")]
    kind: Annotated[Kind, says("one of the kinds below")]
    message: Annotated[Text, says("one line: what was wrong, and what would be right")]
    block: Annotated[Count | None, says("block of the invocation; null when the whole cell failed")]
    log_tail: Annotated[str, says("the end of what the process printed; may be empty")]
    scenario: (
        Annotated[
            ScenarioName,
            says(
                "the scenario that failed, `single_stream`, `server` or `offline`; what was measured otherwise stands"
            ),
        ]
        | UnsetType
    ) = UNSET
