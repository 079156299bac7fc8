"""The form of each object that ``--json`` prints, as JSON Schema with a description of each field.

docs/reference/json.md is written from :data:`FORMS` (``python -m tests.commands.json_page``), and the tests hold what
the commands print against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.commands.shared.output import VERSION
from harness.publish.compare import comparison as comparisons
from harness.publish.table import gates, rows

Form = dict[str, Any]

_TYPES = {"string": "string", "Int64": "integer", "Float64": "number", "boolean": "boolean"}


def _value(kind: str, says: str, *, empty: bool = False) -> Form:
    return {"type": [kind, "null"] if empty else kind, "description": says}


def _text(says: str, *, empty: bool = False) -> Form:
    return _value("string", says, empty=empty)


def _count(says: str, *, empty: bool = False) -> Form:
    return {**_value("integer", says, empty=empty), "minimum": 0}


def _flag(says: str) -> Form:
    return _value("boolean", says)


def _texts(says: str) -> Form:
    return {"type": "array", "items": {"type": "string"}, "description": says}


def _numbers(says: str) -> Form:
    return {"type": "array", "items": {"type": "integer"}, "description": says}


def _fixed(says: str = "", /, **fields: Form) -> Form:
    """Return the form of an object that has these fields and no other."""
    return {
        "type": "object",
        "description": says,
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _list(says: str, **fields: Form) -> Form:
    return {"type": "array", "items": _fixed(**fields), "description": says}


def _map(says: str, **fields: Form) -> Form:
    """Return the form of an object whose names are free, and whose values have these fields."""
    return {"type": "object", "additionalProperties": _fixed(**fields), "description": says}


def _columns(says: str, columns: Mapping[str, str], optional: Mapping[str, str] | None = None) -> Form:
    """Return the form of a table's rows; what is not known is null."""
    every = {**columns, **(optional or {})}
    row = _fixed(**{name: {"type": [_TYPES[kind], "null"]} for name, kind in every.items()})
    return {"type": "array", "items": {**row, "required": list(columns)}, "description": says, "x-columns": True}


_SUITE = _fixed(
    "the suite of the run",
    name=_text("its name"),
    version=_value("integer", "its version"),
    digest=_text("a digest of its file"),
)
_WRITTEN = _texts("the files that were written")
_GATES = _list(
    "one a gate; none without `--suite`",
    gate=_text("its name"),
    state={"enum": list(gates.STATES), "description": "whether the table shows what it asks"},
    because=_text("the rows that decide it"),
)


def _form(command: str, **fields: Form) -> Form:
    name = {"const": command, "description": "the command"}
    return _fixed(command=name, schema={"const": VERSION, "description": "the version of these objects"}, **fields)


#: The command as it is typed -> the form of what it prints.
FORMS: dict[str, Form] = {
    "plan": _form(
        "plan",
        suite=_SUITE,
        environments=_texts("what the cells run in"),
        placements=_map(
            "by the label of a host option that this host has: where its cells run",
            threads=_count("threads of a cell, one a core"),
            cores=_numbers("logical CPUs"),
            nodes=_numbers("their NUMA nodes; none where the host tells none"),
            memory_nodes=_numbers("the nodes that memory is bound to; none: left to the kernel"),
            notes=_texts("what was left out"),
        ),
        cells=_list("the cells to run, in their order", key=_text("a cell's key"), digest=_text("of its whole config")),
        excluded=_list(
            "the cells that are not run",
            key=_text("a cell's key"),
            kind={"enum": ["excluded", "unsupported"], "description": "by the suite, or because it cannot"},
            because=_text("why"),
        ),
        inputs=_list(
            "what is known of the user's own models and data",
            model=_text("the model's label"),
            task=_text("the task's label"),
            told=_texts("facts on rows, classes, labels and limits"),
            warnings=_texts("what may go wrong"),
            problem=_text("what must go wrong; then the exit status is 2", empty=True),
        ),
    ),
    "status": _form(
        "status",
        run=_text("the run's id"),
        suite=_SUITE,
        complete=_flag("whether the run has come to its end"),
        counts=_fixed(
            "cells by their state",
            done=_count("nothing of them is left"),
            failed=_count("they failed: the exit status is 3"),
            left=_count("something is still to be done"),
        ),
        cells=_list(
            "one a cell, in the order of the run",
            cell=_text("its key"),
            prepared=_flag("whether it has its artefact"),
            evaluated=_flag("whether its accuracy is known"),
            measured=_count("blocks that went well, as the table counts them"),
            wanted=_count("blocks that the protocol wants; with a budget more are measured"),
            failed=_count("blocks that failed"),
            state={"enum": ["done", "failed", "left"], "description": "how far it is"},
        ),
        failures=_list(
            "one a failure record",
            cell=_text("the key of its cell"),
            stage=_text("what failed"),
            block=_count("of a failed invocation or scenario, from 0; null ends the cell", empty=True),
            scenario=_text("of a failed scenario", empty=True),
            kind=_text("one of [the kinds](failures.md)"),
            message=_text("one line"),
        ),
    ),
    "table": _form(
        "table",
        run=_text("the run's id"),
        suite=_text("its suite and version"),
        host=_text("a line on its host"),
        baseline=_text("what differences and speed-ups are to"),
        rows=_columns(
            "one a cell, with the columns of [the CSV](../../results/README.md#tables)",
            rows.COLUMNS,
            rows.OPTIONAL_COLUMNS,
        ),
        sentences=_texts("what the rows say in words, group by group"),
        gates=_GATES,
        written=_WRITTEN,
    ),
    "env list": _form(
        "env list",
        environments=_list(
            "one an environment and lock that it was built from",
            name=_text("its name"),
            lock=_text("the identity of its lock"),
            state=_text("built, not built, outdated, or damaged with the reason"),
            size_bytes=_count("of its files, also those that it shares with others; null: not built", empty=True),
            folder=_text("where it is, or will be"),
            note=_text("what a user should know of it", empty=True),
        ),
    ),
    "doctor": _form(
        "doctor",
        fingerprint=_text("the host's identity"),
        host={
            "type": "object",
            "description": "the fields of [a stored host](../../results/README.md#hosts)",
            "x-fields": "elsewhere",
        },
        findings=_list(
            "what will make timings untrustworthy, the worst first",
            severity={"enum": ["severe", "warning", "note"], "description": "how much it spoils"},
            what=_text("the finding"),
            why=_text("what it does to timings"),
            command=_text("what fixes it on this host; null where no command does", empty=True),
        ),
    ),
    "compare": _form(
        "compare",
        runs=_texts("the ids of both variants' runs, the first is A"),
        mode={"enum": ["interleaved", "stored", "hosts"], "description": "how the variants can be compared"},
        margin=_value("number", "a relative change that is too small to matter"),
        floor=_value("number", "the host's floor; null where none is known", empty=True),
        rows=_columns(
            "one a cell that both have, with the columns of [the CSV](../../results/README.md#comparisons)",
            comparisons.COLUMNS,
        ),
        sentences=_texts("each change in words"),
        unmatched=_texts("cells that only one variant has"),
        regression=_flag("whether something got slower or less accurate: exit status 1"),
        failed=_flag("whether a cell failed: exit status 3"),
        open=_flag("whether something is inconclusive or was not measured in a variant: exit status 4"),
        written=_WRITTEN,
    ),
}
