"""Writes ``docs/reference/json.md``: what ``--json`` prints, field by field.

Run from the repository's root: ``python -m tests.commands.json_page``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.commands.shared.json_forms import FORMS, Form
from harness.commands.shared.output import VERSION

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "json.md"

_HEAD = f"""\
# What `--json` prints

`harness plan`, `status`, `table`, `env list`, `doctor` and `compare` print one JSON object on standard output with
`--json`, and nothing else there; messages stand on standard error. The exit status is the same as without. Files are
written as without, unless `--out` says otherwise: `--out FOLDER` writes them there, `--out -` writes none. A file that
cannot be written below the results, because these can only be read, is told on standard error.

`schema` is {VERSION}. A field that goes or changes raises it; a new field does not, so readers pass over what they do
not know. Where a type has "or null", null says that it is not known. The schemas are `FORMS` of
`harness/commands/shared/json_forms.py` (JSON Schema), which the tests hold the output against; `python -m
tests.commands.json_page` writes this page from them.

`a.b` is field `b` of the object `a`, `a[].b` that of each object of a list, and `a.*.b` that of each object of `a`,
whose names are free.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *(_section(command, form) for command, form in FORMS.items())])


def _section(command: str, form: Form) -> str:
    lines = [f"## `harness {command} --json`", "", "| field | type | meaning |", "|:--|:--|:--|"]
    lines += [f"| `{name}` | {kind} | {says} |" for name, kind, says in _fields(form, "")]
    return "\n".join([*lines, ""])


def _fields(form: Form, before: str) -> Iterator[tuple[str, str, str]]:
    for name, field in form["properties"].items():
        place = f"{before}{name}"
        yield place, _kind(field), field["description"]
        if field.get("x-columns"):
            continue
        if "properties" in field:
            yield from _fields(field, f"{place}.")
        elif "properties" in field.get("items", {}):
            yield from _fields(field["items"], f"{place}[].")
        elif "additionalProperties" in field:
            yield from _fields(field["additionalProperties"], f"{place}.*.")


def _kind(field: Form) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}s"
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    names = {"string": "text", "integer": "integer", "number": "number", "boolean": "yes or no", "null": "null"}
    return " or ".join(names.get(kind, kind) for kind in kinds)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
