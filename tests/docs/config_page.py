"""Writes ``docs/reference/config.md``: every field of every config group, from the schema's dataclasses.

Run from the repository's root: ``python -m tests.docs.config_page``.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator, Mapping

from harness.config import schema
from harness.config.bounds import domain_of
from tests.docs.pages import DOCS

PAGE = DOCS / "reference" / "config.md"

_HEAD = """\
# The configuration

Each axis of the matrix is a config group: a folder below `conf/` with a YAML file for each option. Any field is an
override of the command line, written `AXIS.FIELD=VALUE`, and a comma makes several options of it:
`approach.calibration.samples=50,100`. `--project DIR` and the current folder may have `conf/` of their own.

`python -m tests.docs.config_page` writes this page from `harness/config/schema.py`: type, default, bounds and the
comment beside each field. `???` is a field that each option must set. Text in the column *takes* is what is allowed
beyond the type.
"""


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for axis, config in schema.AXES.items():
        parts.append(_section(f"## `{axis}`", axis, config))
        parts += [_section(f"### `{path}`", path, nested) for path, nested in _nested(axis, config)]
    parts.append(_section("## `environment`", "environment", schema.EnvironmentConfig))
    return "\n".join(parts)


def fields_of(config: type) -> Mapping[str, str]:
    """Return what the source says of each field of a dataclass: the comment behind it, or the lines above it."""
    lines = inspect.getsource(config).splitlines()
    (tree,) = ast.parse("\n".join(lines)).body
    assert isinstance(tree, ast.ClassDef)
    said = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            behind = re.search(r"  # (.+)$", lines[node.end_lineno - 1]) if node.end_lineno else None
            above = []
            for line in reversed(lines[: node.lineno - 1]):
                if not line.strip().startswith("# "):
                    break
                above.insert(0, line.strip()[2:])
            said[node.target.id] = " ".join([*above, *([behind[1]] if behind else [])])
    return said


def _nested(path: str, config: type) -> Iterator[tuple[str, type]]:
    for field in dataclasses.fields(config):
        kind = typing.get_type_hints(config)[field.name]
        if dataclasses.is_dataclass(kind):
            yield f"{path}.{field.name}", kind
            yield from _nested(f"{path}.{field.name}", kind)


def _section(heading: str, path: str, config: type) -> str:
    said, hints = fields_of(config), typing.get_type_hints(config)
    rows = []
    for field in dataclasses.fields(config):
        name = f"{path}.{field.name}"
        if dataclasses.is_dataclass(hints[field.name]):
            anchor = name.replace(".", "")
            rows.append(f"| `{field.name}` | [`{name}`](#{anchor}) | | | {_cell(said[field.name])} |")
            continue
        rows.append(
            f"| `{field.name}` | {_cell(str(field.type))} | `{_default(field)}` | {_takes(field)} "
            f"| {_cell(said[field.name])} |"
        )
    about = inspect.cleandoc(config.__doc__ or "")
    # The docstrings are reStructuredText, the page is Markdown.
    about = re.sub(r":\w+:`~?\.?([\w.]+)`", r"`\1`", about).replace("``", "`")
    head = ["| field | type | default | takes | meaning |", "|:--|:--|:--|:--|:--|"]
    return "\n".join([heading, "", about, "", *head, *rows, ""])


def _default(field: dataclasses.Field) -> str:
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _takes(field: dataclasses.Field) -> str:
    domain = domain_of(field)
    said = []
    if domain.words:
        said.append(", ".join(f"`{word}`" for word in domain.words))
    if domain.low is not None and domain.high is not None:
        said.append(f"{domain.low} to {domain.high}")
    if domain.group:
        said.append(f"an option of `conf/{domain.group}`")
    if domain.form:
        said.append(_cell(domain.form))
    if domain.fewest:
        said.append(f"{domain.fewest} items at least")
    if domain.is_path:
        said.append("a file, a folder or a name in the source")
    return "; ".join(said)


def _cell(text: str) -> str:
    return re.sub(r"([|*<\[\]_])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
