"""The harness's own code as one variant of a comparison: this one, another folder's, or that of a git revision.

Children of a variant run its code; the parent is always this one. A cell is written down with the fields that the other
code knows, so a revision from before a field was added can still be measured.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import harness
from harness.config.cell import Cell
from harness.config.schema import AXES
from harness.errors import StageError, UserError
from harness.execute.artefacts.unpack import unpack
from harness.execute.process.code_layout import layout_of
from harness.execute.process.import_closure import PACKAGE
from harness.execute.run.revision import git, revision

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Prints, for each axis, the fields of its config as nested objects; null for a field that holds no config.
_FIELDS = """
import dataclasses, importlib, json, sys, typing
sys.path.insert(0, sys.argv[1])
schemas = importlib.import_module(sys.argv[2])
def tree(schema):
    hints = typing.get_type_hints(schema)
    return {one.name: tree(hints[one.name]) if dataclasses.is_dataclass(hints[one.name]) else None
            for one in dataclasses.fields(schema)}
print(json.dumps({axis: tree(schema) for axis, schema in schemas.AXES.items()}))
"""

#: Field -> the fields below it, or None.
Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Code:
    """The harness's code: its package folder, version and revision; `known` are its configs' fields, None: ours."""

    package: Path
    version: str
    revision: str | None
    dirty: bool | None
    known: Tree | None = None

    @property
    def header(self) -> dict[str, Any]:
        """Return what a run's header says of it."""
        return {"version": self.version, "revision": self.revision, "dirty": self.dirty, "digest": self.digest()}

    def digest(self) -> str:
        """Return a digest of the source that children may run, which tells working copies apart as well."""
        total = hashlib.sha256()
        for path in sorted(
            path for room in layout_of(self.package).rooms for path in (self.package / room).rglob("*.py")
        ):
            total.update(f"{path.relative_to(self.package)}\0".encode() + path.read_bytes())
        return total.hexdigest()[:16]

    def encode(self, cell: Cell) -> dict[str, Any]:
        """Return a cell as this code's children read it.

        Raises
        ------
        StageError : ``bad_config``, when a field that this code does not know has another value than its default.
        """
        values = cell.to_dict()
        if self.known is None:
            return values
        return values | {axis: self._known(getattr(cell, axis), self.known.get(axis, {}), axis) for axis in AXES}

    def _known(self, config: Any, known: Tree, where: str) -> dict[str, Any]:
        values = {}
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if field.name in known and isinstance(known[field.name], dict) and dataclasses.is_dataclass(value):
                values[field.name] = self._known(value, known[field.name], f"{where}.{field.name}")
            elif field.name in known:
                values[field.name] = dataclasses.asdict(value) if _is_config(value) else value
            elif value != _default(field):
                whose = self.revision[:12] if self.revision else self.package.parent
                raise StageError("bad_config", f"{where}.{field.name}={value}: the code of {whose} knows no such field")
        return values


def own() -> Code:
    """Return the code that runs now."""
    return Code(PACKAGE, harness.__version__, **revision(PACKAGE.parent))


def of_folder(folder: Path) -> Code:
    """Return the code of another working copy: a folder that holds the package ``harness``.

    Raises
    ------
    UserError : it does not, or its configs cannot be read.
    """
    package = folder.expanduser().resolve() / PACKAGE.name
    if not (package / "worker" / "__main__.py").is_file():
        raise UserError(f"code:{folder}: no package 'harness' in it; want a working copy of this repository")
    return _described(package, f"code:{folder}", **revision(package.parent))


def of_revision(name: str, cache: Path) -> Code:
    """Return the code of a git revision of this harness's own repository, written below `cache` once.

    Raises
    ------
    UserError : this harness is no git checkout, or git knows no such revision.
    """
    repository = PACKAGE.parent
    if revision(repository)["revision"] is None:
        raise UserError(f"rev:{name}: this harness does not run from a git checkout; want code:FOLDER")
    found = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found is None:
        raise UserError(f"rev:{name}: git knows no such revision; want a commit, branch or tag of {repository}")
    commit = found.decode().strip()
    folder = cache / "code" / commit
    if not folder.is_dir():
        archive = git(repository, "archive", "--format=tar", commit, "--", PACKAGE.name)
        if archive is None:
            raise UserError(f"rev:{name}: no folder {PACKAGE.name} in it")
        _unpack(archive, folder, f"rev:{name}")
    return _described(folder / PACKAGE.name, f"rev:{name}", revision=commit, dirty=False)


def _described(package: Path, where: str, **state: Any) -> Code:
    version = re.search(r"^__version__ = \"(.+)\"$", (package / "__init__.py").read_text(), re.MULTILINE)
    command = [sys.executable, "-B", "-c", _FIELDS, str(package.parent), layout_of(package).schema]
    told = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if told.returncode != 0 or version is None:
        line = (told.stderr.strip().splitlines() or ["no version"])[-1]
        raise UserError(f"{where}: its configs cannot be read: {line}")
    return Code(package, version[1], **state, known=json.loads(told.stdout))


def _unpack(archive: bytes, folder: Path, where: str) -> None:
    """Unpack into a folder that appears whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            packed, new = Path(scratch) / "code.tar", Path(scratch) / "code"
            packed.write_bytes(archive)
            unpack(packed, PACKAGE.name, new, where)
            new.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # another harness may have been first
            raise UserError(f"{folder}: cannot be written: {error.strerror}") from error
    except StageError as error:
        raise UserError(error.message) from error


def _is_config(value: Any) -> TypeGuard[DataclassInstance]:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
