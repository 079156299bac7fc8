"""The record of a task's data."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from harness.results.records.kinds.base import Base, Count, Digest, Part, Text, Whole, says


class Rows(Part):
    """How many rows each split has."""

    train: Annotated[Whole, says("rows")]
    evaluation: Annotated[Whole, says("rows")]


class Fingerprints(Part):
    """What each split holds, as a digest."""

    train: Annotated[Text, says("SHA-256")]
    evaluation: Annotated[Text, says("SHA-256")]


class Cut(Part):
    """What the longest length cuts off the texts of a split."""

    texts: Annotated[Count, says("texts that are cut")]
    tokens: Annotated[Count, says("tokens of all texts before that")]
    tokens_lost: Annotated[Count, says("of these, those that are cut off")]


class Truncation(Part):
    """What the longest length cuts off."""

    train: Annotated[Cut, says("of the training texts")]
    evaluation: Annotated[Cut, says("of the evaluation texts")]


class Dataset(Base, kw_only=True):
    """Data that all cells of one task and tokenizer share."""

    task: Annotated[Text, says("label of the task")]
    tokenised: Annotated[Digest, says("key of the tokenised data; `accuracy` records name it")]
    rows: Annotated[Rows, says("how many rows each split has")]
    fingerprints: Annotated[Fingerprints, says("of each split's content, texts and labels in their order")]
    labels: Annotated[list[str], says("name of each class, by index; empty for a regression")]
    references: Annotated[
        list[float],
        Meta(min_length=1),
        says(
            "the truth for each evaluation row, in row order: class index, or number; of a language model, how many "
            "tokens it predicts"
        ),
    ]
    max_length: (
        Annotated[
            Whole,
            says(
                "of texts: tokens that a row is cut to, the least of `task.max_length`, the tokenizer's and the "
                "model's number"
            ),
        ]
        | UnsetType
    ) = UNSET
    positions: Annotated[Whole, says("tokens that the model has positions for, by its `config.json`")] | UnsetType = (
        UNSET
    )
    truncation: Annotated[Truncation, says("of texts: what `max_length` cuts off")] | UnsetType = UNSET
    leaked_rows_dropped: (
        Annotated[Count, says("training rows that stood in the evaluation split as well, and were dropped")] | UnsetType
    ) = UNSET
