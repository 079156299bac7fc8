"""The record of a cell that has its artefact."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from harness.results.records.kinds.base import Amount, Count, Digest, Free, OfCell, Part, Text, says


class Stage(Part):
    """A stage that led to the artefact."""

    stage: Annotated[Text, says("name of the stage")]
    artefact: Annotated[Digest, says("key of what it made")]
    seconds: Annotated[Amount, says("what making it took, now or in the run that made it")]
    reused: Annotated[bool, says("whether that was at hand")]


class LabelMatching(Part):
    """How the outputs of a fine-tuned head stand for the labels of a task."""

    how: Annotated[
        Literal["name", "index", "task.labels"],
        says(
            "`name`: their names are the same; `index`: the labels are 0, 1 ... n-1, the numbers of the outputs; "
            "`task.labels`: by place, in the order that the config gives"
        ),
    ]
    labels: Annotated[list[str], Meta(min_length=2), says("the task's labels, in the order of its classes")]
    outputs: Annotated[
        list[Count],
        Meta(min_length=2),
        says("for each label the number of the output that stands for it, as the checkpoint counts"),
    ]
    output_names: Annotated[list[str], Meta(min_length=2), says("what the checkpoint calls that output")]


class PerRow(Part):
    """Multiplications of the FP32 network for a row of n tokens: ``row`` + n ``token`` + n² ``token_pair``."""

    row: Annotated[int, says("those of each row, whatever its length")]
    token: Annotated[int, says("those of each token")]
    token_pair: Annotated[int, says("those of each pair of tokens")]


class Prepared(OfCell, kw_only=True):
    """A cell has its artefact."""

    artefact: Annotated[Digest, says("key of the artefact: equal keys are one artefact")]
    size_bytes: Annotated[Count, says("bytes of the artefact on disk")]
    seconds: Annotated[Amount, says("spent in this run on the stages that were not at hand")]
    reused: Annotated[bool, says("whether the artefact was at hand")]
    stages: Annotated[list[Stage], says("the stages that led to it, in their order")]
    provenance: Annotated[
        Free, says("what the backend says about the making: recipe, calibration rows, losses; free in form")
    ]
    label_matching: (
        Annotated[LabelMatching, says("how the outputs of a fine-tuned head stand for the task's labels")] | UnsetType
    ) = UNSET
    per_row: (
        Annotated[
            PerRow,
            says(
                "multiplications of the FP32 network's matrix products and convolutions for a row of n tokens: "
                "`row` + n `token` + n² `token_pair`"
            ),
        ]
        | UnsetType
    ) = UNSET
