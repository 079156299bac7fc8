"""The record of a cell in one of MLPerf's scenarios."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from harness.results.records.kinds.base import (
    Amount,
    Count,
    Cpus,
    Digest,
    OfCell,
    Part,
    Percentile,
    Rate,
    ScenarioName,
    Text,
    Whole,
    says,
)
from harness.results.records.kinds.readings import Placement, System


class PercentileBound(Part):
    """A percentile of the queries' latency, and what it is not above."""

    percentile: Annotated[Percentile, says("share of the queries")]
    latency_ns: Annotated[Count, says("what they took at most")]
    bound_ns: Annotated[
        Count | None,
        says(
            "the true percentile is not above it, by LoadGen's early stopping at 99 % confidence; null for too few "
            "queries"
        ),
    ]


class Probe(Part):
    """One run of LoadGen."""

    target_per_second: Annotated[
        Rate | None,
        says("rate at which queries were sent; null where the next one waits for the last one's answer"),
    ]
    valid: Annotated[bool, says("LoadGen's own word")]
    scheduled_ns: Annotated[list[Count], says("when each query was due, from the first one on")]
    latency_ns: Annotated[list[Count], says("from then until its answer")]
    samples: Annotated[list[Count], says("which of the prepared queries it was")]
    loadgen: Annotated[dict[str, float | bool | str], says("what LoadGen's log says of the results, by its own names")]


class LayoutSeries(Part, kw_only=True):
    """What one process of a layout did."""

    cores: Annotated[Cpus, says("the cores that the process itself found to be pinned to")]
    nodes: Annotated[Cpus, says("NUMA nodes of these cores")]
    steady: Annotated[bool, says("whether its warm-up ended because the series was flat")]
    warmup_ns: Annotated[list[Count], says("nanoseconds of each forward pass before")]
    begin_ns: Annotated[Count, says("when it was let go, on the clock that all processes share")]
    latency_ns: Annotated[list[Count], says("nanoseconds of each forward pass since")]
    system: Annotated[System, says("what the system said of itself before it was let go and at its end")]
    placement: Annotated[Placement, says("as for `invocation`")] | UnsetType = UNSET


class Layout(Part):
    """Processes at work at the same time, each on cores of its own."""

    instances: Annotated[Whole, says("processes at work at the same time")]
    cores_per_instance: Annotated[Whole, says("cores of each, and threads")]
    per_second: Annotated[Amount, says("rows a second of all of them together")]
    window_seconds: Annotated[Amount, says("the time in which all were at work, which alone counts")]
    memory: Annotated[
        Literal["one node", "first touch", "bound"],
        says(
            "`one node`: there is but one; `bound`: that of each process is bound to the nodes of its cores; "
            "`first touch`: its own pages lie there by the kernel's default alone"
        ),
    ]
    series: Annotated[list[LayoutSeries], Meta(min_length=1), says("one entry a process")]


class Scenario(OfCell, kw_only=True):
    """A cell in one of MLPerf's scenarios, with the raw times of all that was tried."""

    artefact: Annotated[Digest, says("key of the artefact")]
    block: Annotated[Count, says("the block whose invocations it follows")]
    scenario: Annotated[ScenarioName, says("`single_stream`, `server` or `offline`")]
    generator: Annotated[Text, says("what made the load, with its version")]
    batch_size: Annotated[Whole, says("rows a query, or a forward pass")]
    sequence_length: Annotated[
        Whole | None,
        says("tokens a row, padding included; null for images, and where each text keeps its length"),
    ]
    tokens: Annotated[list[Whole], says("tokens a row of each query, where lengths are real; else empty")]
    cores: Annotated[Cpus, says("the cores that it might use")]
    threads: Annotated[Whole, says("threads of the framework in one process")]
    steady: Annotated[
        bool,
        says("whether the warm-up ended because the series was flat; of all processes of the best layout"),
    ]
    warmup_ns: Annotated[
        list[Count],
        says("nanoseconds of each forward pass before; empty for `offline`, whose processes have their own"),
    ]
    valid: Annotated[
        bool, says("whether there is a result: for `server`, whether any rate that was tried kept the limit")
    ]
    per_second: Annotated[
        Rate | None,
        says(
            "queries answered (`single_stream`), the highest rate that was valid (`server`), rows (`offline`); null "
            "without a result"
        ),
    ]
    percentile: Annotated[Percentile | None, says("share of the queries that the limit is asked of")]
    limit_ns: Annotated[Whole | None, says("the limit on the latency of `server`")]
    percentiles: Annotated[list[PercentileBound], says("of `single_stream`")]
    probes: Annotated[list[Probe], says("LoadGen's runs in their order: one, or one a rate that was tried")]
    layouts: Annotated[list[Layout], says("what `offline` has tried, in its order")]
    peak_memory_bytes: Annotated[
        Count, says("largest resident set; of `offline` the sum over the processes of the best layout")
    ]
    wall_seconds: Annotated[Amount, says("from the start of the process to its end")]
    process_seconds: Annotated[Amount, says("its CPU time, user and system; of `offline` the sum")]
    system: Annotated[
        System | None,
        says(
            "what the system said of itself before the warm-up and at the end; null for `offline`, whose processes "
            "have their own"
        ),
    ]
    placement: (
        Annotated[Placement, says("as for `invocation`; not of `offline`, whose processes have their own")] | UnsetType
    ) = UNSET
