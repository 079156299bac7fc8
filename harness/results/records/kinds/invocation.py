"""The record of one fresh process that loaded an artefact and measured it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from harness.results.records.kinds.base import Amount, Count, Cpus, Digest, OfCell, Part, Timings, Whole, says
from harness.results.records.kinds.readings import Placement, System


class Series(Part, kw_only=True):
    """Forward passes at one batch size, each timed."""

    role: Annotated[Literal["latency", "throughput"], says("`latency` or `throughput`")]
    batch_size: Annotated[Whole, says("rows a forward pass")]
    sequence_length: Annotated[
        Whole | None,
        says("tokens a row, padding included; null for images, and where each text keeps its length"),
    ]
    tokens: (
        Annotated[
            list[Whole],
            Meta(min_length=1),
            says(
                "tokens a row of each batch of the round, where lengths are real: iteration i had the batch i modulo "
                "their number"
            ),
        ]
        | UnsetType
    ) = UNSET
    steady: Annotated[
        bool,
        says(
            "whether the warm-up ended because the series was flat (a ramp of 20 % is excluded), and not because its "
            "time was up"
        ),
    ]
    warmup_ns: Annotated[list[Count], says("nanoseconds of each discarded forward pass")]
    latency_ns: Annotated[Timings, says("nanoseconds of each forward pass that counts")]
    counters: (
        Annotated[
            dict[str, Count | None],
            says(
                "over the passes that count: `energy_uj` (microjoules of the CPU packages, of all that they did "
                "meanwhile, by RAPL), `instructions`, `cycles` and `cache_misses` (of the last level; of the process "
                "and its threads in user mode, by perf); null for what the host does not tell"
            ),
        ]
        | UnsetType
    ) = UNSET
    counted_passes: Annotated[Whole, says("forward passes that `counters` cover")] | UnsetType = UNSET
    turns: (
        Annotated[
            list[Whole],
            Meta(min_length=1),
            says(
                "where others were timed meanwhile, those of its `ring` or the other side of a comparison: how many "
                "of `latency_ns` each turn had"
            ),
        ]
        | UnsetType
    ) = UNSET


class Control(Part):
    """Fixed work that does not depend on the cell."""

    gemm_ns: Annotated[Timings, says("nanoseconds of each float32 product of two square matrices")]
    gemm_size: Annotated[Whole, says("rows of each matrix")]
    stream_ns: Annotated[Timings, says("nanoseconds of each copy of a buffer")]
    stream_bytes: Annotated[Whole, says("bytes that one copy reads and writes")]


class Invocation(OfCell, kw_only=True):
    """One fresh process that loaded an artefact and measured it, with its raw samples."""

    artefact: Annotated[Digest, says("key of the artefact")]
    block: Annotated[Count, says("from 0; speed-ups are paired within a block")]
    order: Annotated[Count, says("place in the schedule of the whole run, from 0")]
    ring: (
        Annotated[
            list[Count],
            Meta(min_length=2),
            says("the `order` of each invocation of this run that was timed in turns with it, its own among them"),
        ]
        | UnsetType
    ) = UNSET
    replacement: (
        Annotated[
            bool,
            Meta(extra_json_schema={"const": True}),
            says("true: the block was measured in the place of one that was disturbed"),
        ]
        | UnsetType
    ) = UNSET
    peak_memory_bytes: Annotated[Count, says("the process's largest resident set")]
    wall_seconds: Annotated[Amount, says("from the start of the process to its end")]
    process_seconds: Annotated[Amount, says("its CPU time, user and system, over all threads")]
    voluntary_switches: Annotated[Count, says("context switches because it waited")]
    involuntary_switches: Annotated[Count, says("context switches because others wanted its core")]
    import_seconds: Annotated[Amount, says("from its start until its framework was imported")]
    load_seconds: Annotated[Amount, says("loading the artefact, without imports")]
    rss_loaded_bytes: Annotated[Count, says("resident set after loading")]
    threads: Annotated[Whole, says("threads of the framework")]
    cores: Annotated[Cpus, says("the cores it was pinned to")]
    series: Annotated[list[Series], Meta(min_length=1), says("what was timed, one entry a batch size")]
    control: Annotated[
        Control, says("fixed work that does not depend on the cell and tells a slow host from a slow cell")
    ]
    system: Annotated[System, says("what the system said of itself; see below")]
    timer_ns: Annotated[Amount, says("what the stopwatch itself costs an iteration")]
    placement: Annotated[Placement, says("where it ran and its memory lay")] | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replacement is False:
            raise ValueError("replacement: False, want true or no such field")
