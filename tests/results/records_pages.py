"""The pages that are made of the records' types: ``python -m tests.results.records_pages`` writes them anew.

They are the JSON Schema beside the code, and in the reference the table of fields below the heading of each type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.results.records import schema
from harness.results.records.kinds import TYPES

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "README.md"

_HEAD = "| field | type | meaning |\n|---|---|---|\n"
_TABLE = re.compile(rf"{re.escape(_HEAD)}(?:\|.*\n)*")

_WORDS = {"string": "text", "array": "list"}
#: Behind "list of".
_SEVERAL = {"integer": "integers", "number": "numbers", "digest": "digests"}

#: Described once, in an invocation.
_ONCE = "Placement"


def reference(page: str) -> str:
    """Return the reference with the tables of fields as the types have them now.

    Raises
    ------
    ValueError : a type has no heading, or no table below it.
    """
    for kind in TYPES:
        found = re.search(rf"^### `{kind}`: .*\n(?:(?!#).*\n)*?(?={re.escape(_HEAD)})", page, re.MULTILINE)
        if found is None:
            raise ValueError(f"{REFERENCE.name}: want a heading '### `{kind}`: ...' and a table of fields below it")
        old = _TABLE.match(page, found.end())
        page = page[: old.start()] + table(kind) + page[old.end() :]
    return page


def table(kind: str) -> str:
    """Return the table of a type's fields, in Markdown."""
    parts = schema.generated()["$defs"]
    part = parts[TYPES[kind].__name__]
    rows = [("type", f'`"{kind}"`', "the type of the record"), *_rows(part, parts, kind)]
    return _HEAD + "".join(f"| `{name}` | {word} | {meaning} |\n" for name, word, meaning in rows)


def _rows(part: dict[str, Any], parts: dict[str, Any], kind: str, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield name, type and meaning of each field of an object, those of the objects in it behind it."""
    for name, field in part["properties"].items():
        if prefix + name == "type":
            continue
        meaning = field["description"]
        yield prefix + name, _type(field), meaning if name in part["required"] else f"*optional*; {meaning}"
        for inner, mark in ((field, "."), (field.get("items", {}), "[].")):
            for one in (inner, *inner.get("anyOf", ())):
                object_ = one.get("$ref", "").rpartition("/")[2]
                if object_ and (object_ != _ONCE or kind == "invocation"):
                    yield from _rows(parts[object_], parts, kind, f"{prefix}{name}{mark}")


def _type(field: dict[str, Any]) -> str:
    """Return the type of a field in words."""
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if "$ref" in field:
        return "object"
    if "enum" in field:
        return "text" if isinstance(field["enum"][0], str) else json.dumps(*field["enum"])
    if field["type"] == "array":
        inner = _type(field["items"])
        return "list" if inner == "object" else f"list of {_SEVERAL.get(inner, inner)}"
    return "digest" if field.get("format") == "digest" else _WORDS.get(field["type"], field["type"])


if __name__ == "__main__":
    schema.FILE.write_text(schema.text(), encoding="utf-8")
    REFERENCE.write_text(reference(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
