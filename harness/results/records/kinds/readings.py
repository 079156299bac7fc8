"""What the system said of itself while a process was measured, and where the process and its memory lay."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from harness.results.records.kinds.base import Count, Part, Share, Text, says

#: Readings that are one number, and one that is a number a core. The others depend on the harness and the host.
_ONE_NUMBER = (
    *(f"{name}_ticks" for name in ("user", "nice", "system", "irq", "softirq", "idle", "iowait", "steal")),
    "process_cpu_ns",
    "monotonic_ns",
)
_PER_CORE = "frequency_khz"

_PER_CORE_SCHEMA = {"type": ["array", "null"], "items": {"type": ["number", "null"]}}

Reading = Annotated[
    dict[str, float | list[float | None] | None],
    Meta(
        extra_json_schema={
            "properties": {
                **{name: {"type": ["number", "null"]} for name in _ONE_NUMBER},
                _PER_CORE: _PER_CORE_SCHEMA,
            }
        }
    ),
]


class System(Part):
    """What the system said of itself before and after a measurement."""

    before: Annotated[Reading, says("reading just before what was measured")]
    after: Annotated[Reading, says("reading just after it")]

    def __post_init__(self) -> None:
        for when, reading in (("before", self.before), ("after", self.after)):
            for name in _ONE_NUMBER:
                if isinstance(reading.get(name), list):
                    raise ValueError(f"{when}.{name}: a list, want a number or null")
            if isinstance(reading.get(_PER_CORE), float):
                raise ValueError(f"{when}.{_PER_CORE}: {reading[_PER_CORE]:g}, want a list or null")


class Placement(Part):
    """Where a process ran and its memory lay."""

    nodes: Annotated[list[Count], says("the NUMA nodes of `cores`; none where the host tells no nodes")]
    memory_nodes: Annotated[list[Count], says("nodes that memory was to be bound to")]
    bound: Annotated[bool, says("whether the kernel did so, before any framework was imported")]
    bind_error: Annotated[Text | None, says("the error by which it refused, such as `EPERM` in containers; else null")]
    anonymous_share: Annotated[
        Share | None,
        says(
            "of the process's resident bytes that are no file, the share on `memory_nodes` after the series, by "
            "`/proc/self/numa_maps`; null where that cannot be read"
        ),
    ]
    file_share: Annotated[Share | None, says("of those that are a file, the same")]
    amx: Annotated[
        Text | None,
        says(
            "`granted` or `refused (ERROR)`: what the kernel said when tiles were asked for; null where the host or "
            "the cell has none"
        ),
    ]
