"""A stored description of a host, as its readers may take it: of any version, but whole and of the right types."""

from __future__ import annotations

import functools
import json
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from harness.results.lines import refuse_constant
from harness.results.record import TYPES

_TEXT = {"type": ["string", "null"], "maxLength": 1000}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_SEVERAL = {"type": "integer", "minimum": 1, "maximum": 2**20}
_OPTIONAL_COUNT = {**_COUNT, "type": ["integer", "null"]}
_CPUS = {"type": "array", "items": {**_COUNT, "maximum": 2**20}}
_YES_OR_NO = {"type": "boolean"}
_WORDS = {"type": "array", "items": {"type": "string", "maxLength": 1000}}
_CORES = {"type": "array", "minItems": 1, "items": {**_CPUS, "minItems": 1}}

#: Facts that later versions have added are not there in older descriptions.
SCHEMA = {
    "type": "object",
    "required": ["model_name", "isa", "cores"],
    "properties": {
        **dict.fromkeys(("vendor", "model_name", "generation", "microcode", "governor", "scaling_driver"), _TEXT),
        **dict.fromkeys(("hypervisor", "kernel", "transparent_huge_pages"), _TEXT),
        **dict.fromkeys(("family", "model", "stepping", "cgroup_memory_bytes"), _OPTIONAL_COUNT),
        **dict.fromkeys(("sockets", "physical_cores", "logical_cpus", "threads_per_core"), _SEVERAL),
        **dict.fromkeys(("xeon", "virtual"), _YES_OR_NO),
        **dict.fromkeys(("affinity", "core_sockets", "isolated", "memory_nodes"), _CPUS),
        **dict.fromkeys(("isa", "core_kinds"), _WORDS),
        "turbo": {"type": ["boolean", "null"]},
        "cores": _CORES,
        "memory_total_bytes": _COUNT,
        "cgroup_cpus": {"type": ["number", "null"], "minimum": 0, "maximum": 2**20},
        "caches": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["level", "kind", "size_bytes", "shared_by", "count"],
                "additionalProperties": False,
                "properties": {
                    "kind": {"type": "string"},
                    **dict.fromkeys(("level", "size_bytes", "shared_by", "count"), _COUNT),
                },
            },
        },
        "numa": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["number", "cpus", "memory_bytes"],
                "additionalProperties": False,
                "properties": {"number": _COUNT, "cpus": _CPUS, "memory_bytes": _OPTIONAL_COUNT},
            },
        },
    },
}

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
    error = next(_validator().iter_errors(values["host"]), None)
    if error is not None:
        raise ValueError(f"host{error.json_path[1:]}: {error.message[-_MESSAGE_LENGTH:]}")
    return values["host"]


@functools.cache
def _validator() -> Draft202012Validator:
    return extend(Draft202012Validator, type_checker=TYPES)(SCHEMA)
