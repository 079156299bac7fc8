"""The record of one candidate of a cell's tuning."""

from __future__ import annotations

from typing import Annotated, Literal

from harness.results.records.kinds.base import Amount, Count, Free, OfCell, Part, Sha256, Text, Whole, says


class TrialMetric(Part):
    """A candidate's metric against that of FP32."""

    name: Annotated[Text, says("its name")]
    value: Annotated[float, says("over the rows that were evaluated")]
    baseline: Annotated[float, says("FP32's, over all evaluation rows")]
    difference: Annotated[float, says("the trial's minus FP32's, on the rows that were evaluated")]
    difference_low: Annotated[
        float | None,
        says("lower end of its interval, at the protocol's confidence over all looks; null without one"),
    ]
    difference_high: Annotated[float | None, says("upper end")]
    allowed: Annotated[Amount, says("the loss that the criterion allows, in the metric's unit")]
    state: Annotated[Literal["met", "failed", "undecided"], says("`met`, `failed` or `undecided`, by the interval")]


class Trial(OfCell):
    """One candidate of a cell's tuning, whatever became of it."""

    index: Annotated[Count, says("place in the order of the search, from 0")]
    recipe: Annotated[
        Free,
        says(
            "fields of the approach that the trial quantized with: method, activation, weight; `ops`: those of single "
            "ops that have others (Neural Compressor); `quantized_inputs`: of ops that are quantized in part, how "
            "many inputs still are (NNCF)"
        ),
    ]
    recipe_digest: Annotated[Sha256, says("SHA-256 of recipe and fallback: equal only for the same candidate")]
    fallback: Annotated[list[str], says("names of the ops that were not quantized")]
    status: Annotated[
        Literal["ok", "inaccurate", "failed", "timeout"],
        says("`ok`: it keeps the criterion by its estimate; `inaccurate`: it does not; `failed`; `timeout`"),
    ]
    kind: Annotated[str | None, says("of a failed trial: one of the kinds of `failure`")]
    message: Annotated[str, says("what went wrong; empty where nothing did")]
    metric: Annotated[TrialMetric | None, says("the task's metric; null when the trial was not evaluated")]
    rows: Annotated[
        Whole | None,
        says("evaluation rows used; fewer than there are when the outcome was decided before the end"),
    ]
    latency_ns: Annotated[
        Amount | None,
        says("median nanoseconds of a few forward passes at the latency batch: to order trials, not to publish"),
    ]
    size_bytes: Annotated[Count | None, says("bytes of weights and buffers in memory")]
    seconds: Annotated[Amount, says("what the trial took")]
    reused: Annotated[bool, says("whether it was evaluated before this session of the run")]
