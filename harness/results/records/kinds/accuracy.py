"""The record of an artefact's accuracy."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from harness.results.records.kinds.base import Amount, Count, Digest, OfCell, Part, Sha256, Text, Whole, says


class Executed(Part, kw_only=True):
    """Operations of one forward pass, counted by the runtime itself."""

    int8_ops: Annotated[Count, says("operations on 8-bit integers")]
    bf16_ops: Annotated[Count, says("operations on bfloat16")]
    fp32_ops: Annotated[Count, says("operations on float32")]
    source: Annotated[Text, says("where they were read: a profiler, a log, the graph")]
    kernels: Annotated[
        dict[str, Count],
        says(
            "the runtime's own name of each kernel to how often it ran; below torch's operations, their libraries' "
            "kernels with the instruction set, `unknown` where a library does not tell"
        ),
    ]
    int8_multiplications: (
        Annotated[
            Count,
            says(
                "multiplications of the matrix products that ran in INT8, in that pass; left out where the runtime "
                "does not show the sizes of all"
            ),
        ]
        | UnsetType
    ) = UNSET
    multiplications: Annotated[Whole, says("those of all its matrix products and convolutions")] | UnsetType = UNSET


class Metric(Part):
    """A task's metric."""

    name: Annotated[Text, says("its name")]
    value: Annotated[float, says("its value over all rows")]
    greater_is_better: Annotated[bool, says("which way is better")]


class Accuracy(OfCell):
    """An artefact evaluated on this host, with proof of the precision that it executed."""

    artefact: Annotated[Digest, says("key of the artefact")]
    tokenised: Annotated[Digest, says("key of the data; a `dataset` record holds the references")]
    reused: Annotated[bool, says("whether it was evaluated in an earlier run on this host")]
    executed: Annotated[Executed, says("operations of one forward pass, counted by the runtime itself")]
    metric: Annotated[Metric, says("the task's metric")]
    predictions: Annotated[
        list[float],
        Meta(min_length=1),
        says(
            "one a row, in row order: class index, or number; of a language model, its tokens' mean negative "
            "log-likelihood in nats"
        ),
    ]
    logits_sha256: Annotated[
        Sha256, says("SHA-256 of the float32 little-endian logits in row order: equal only when every bit is")
    ]
    rows: Annotated[Whole, says("rows evaluated: the first of the evaluation split")]
    seconds: Annotated[Amount, says("of the forward passes and what surrounds them")]
