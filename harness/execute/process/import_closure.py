"""Finds which modules of the package a module's source imports, without importing any of them.

A stage's artefact depends on the code that makes it and on no more: a change to one backend must not make the artefacts
of all others anew. What a module may import stands in its text, so a framework is not needed to know it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import harness

PACKAGE = Path(harness.__file__).parent


def closure(roots: Sequence[Path], without: Sequence[str] = (), package: Path = PACKAGE) -> list[Path]:
    """Return `roots` and all that they import, however indirectly, of `package`; sorted.

    Files that match one of the patterns `without` are left out, and what only they import. Imports inside functions
    count, those for type checkers do not. A module that is found by name at run time is a root of its own.
    """
    found: set[Path] = set()
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += [other for other in _imports(path, package) if not any(map(other.match, without))]
    return sorted(found)


@functools.cache
def _imports(path: Path, package: Path) -> tuple[Path, ...]:
    return tuple(_of_package(ast.parse(path.read_text(encoding="utf-8"), str(path)), package))


def _of_package(tree: ast.AST, package: Path) -> Iterator[Path]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            yield from _of_package(node, package)
            continue
        yield from (path for name in names if (path := _file(name, package)) is not None)


def _file(name: str, package: Path) -> Path | None:
    parts = name.split(".")
    if parts[0] != package.name or len(parts) < 2:
        return None
    path = package.joinpath(*parts[1:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
