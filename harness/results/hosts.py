"""A stored description of a host, as its readers may take it: of any version, but whole and of the right types."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from harness.errors import shortened
from harness.results.lines import refuse_constant

_Text = Annotated[str, Meta(max_length=1000)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Several = Annotated[int, Meta(ge=1, le=2**20)]
_Cpus = list[Annotated[int, Meta(ge=0, le=2**20)]]
_Core = Annotated[_Cpus, Meta(min_length=1)]


class _Cache(Struct, forbid_unknown_fields=True):
    level: _Count
    kind: str
    size_bytes: _Count
    shared_by: _Count
    count: _Count


class _Node(Struct, forbid_unknown_fields=True):
    number: _Count
    cpus: _Cpus
    memory_bytes: _Count | None


class _Host(Struct, kw_only=True):
    """What readers of a description take from it. Facts that later versions have added are not there in older ones."""

    model_name: _Text | None
    isa: list[_Text]
    cores: Annotated[list[_Core], Meta(min_length=1)]
    vendor: _Text | UnsetType | None = UNSET
    generation: _Text | UnsetType | None = UNSET
    microcode: _Text | UnsetType | None = UNSET
    governor: _Text | UnsetType | None = UNSET
    scaling_driver: _Text | UnsetType | None = UNSET
    hypervisor: _Text | UnsetType | None = UNSET
    kernel: _Text | UnsetType | None = UNSET
    transparent_huge_pages: _Text | UnsetType | None = UNSET
    family: _Count | UnsetType | None = UNSET
    model: _Count | UnsetType | None = UNSET
    stepping: _Count | UnsetType | None = UNSET
    cgroup_memory_bytes: _Count | UnsetType | None = UNSET
    sockets: _Several | UnsetType = UNSET
    physical_cores: _Several | UnsetType = UNSET
    logical_cpus: _Several | UnsetType = UNSET
    threads_per_core: _Several | UnsetType = UNSET
    xeon: bool | UnsetType = UNSET
    virtual: bool | UnsetType = UNSET
    turbo: bool | UnsetType | None = UNSET
    affinity: _Cpus | UnsetType = UNSET
    core_sockets: _Cpus | UnsetType = UNSET
    isolated: _Cpus | UnsetType = UNSET
    memory_nodes: _Cpus | UnsetType = UNSET
    core_kinds: list[_Text] | UnsetType = UNSET
    memory_total_bytes: _Count | UnsetType = UNSET
    cgroup_cpus: Annotated[float, Meta(ge=0, le=2**20)] | UnsetType | None = UNSET
    caches: list[_Cache] | UnsetType = UNSET
    numa: list[_Node] | UnsetType = UNSET


#: Of a message, so that it stays a line.
_MESSAGE_LENGTH = 200


def described(content: bytes) -> dict[str, Any]:
    """Return the description of a host in the content of its file.

    Raises
    ------
    ValueError : it is none; with the field and what is wrong.
    """
    try:
        values = json.loads(content.decode(), parse_constant=refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deep; want the description of a host") from None
    if not isinstance(values, dict) or not isinstance(values.get("host"), dict):
        raise ValueError("it has no object 'host'")
    try:
        msgspec.convert(values["host"], _Host)
    except msgspec.ValidationError as error:
        raise ValueError(f"host: {shortened(str(error), _MESSAGE_LENGTH)}") from error
    host: dict[str, Any] = values["host"]
    return host
