"""Finds an option by its name: in the harness, in the folder ``plugins`` of the user's project, or in a package.

An option is one Python file. In the tree its folder says what kind of option it is; elsewhere what the file defines
does. Outside the tree there are two places, and code from neither runs unless its name is asked for:

- ``PROJECT/plugins/NAME.py``, where PROJECT is what the user's own ``--project`` names, never the current folder;
- a module of an installed package that declares an entry point, whose group is that of the kind.

Children run in other environments, so they are told the files of such options in one variable (:data:`VARIABLE`). A
file outside the tree may import the harness and what the cell's environment has, but no file beside it.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from harness.errors import StageError, UserError, nearest, shown

PACKAGE = Path(__file__).parent

#: The environment variable by which children learn of options outside the tree: JSON, kind -> name -> file.
VARIABLE = "HARNESS_PLUGINS"

#: The folder of a project that holds such options.
FOLDER = "plugins"


@dataclass(frozen=True)
class Kind:
    """One kind of option.

    Attributes
    ----------
    name : what a person calls it.
    path : where one stands in the tree, relative to the package, with ``{name}``.
    offers : the name that the module of one has.
    defines : a regular expression for the line of a file that defines that name.
    field : of a config, that names such an option.
    group : of the entry points of installed packages.
    """

    name: str
    path: str
    offers: str
    defines: str
    field: str
    group: str

    def names(self) -> list[str]:
        """Return the names of all options of this kind, without importing one."""
        return sorted({*_in_tree(self), *_outside()[self.name]})

    def shipped(self) -> list[str]:
        """Return the names of those that the harness brings, which may be imported without being asked for."""
        return sorted(_in_tree(self))

    def file(self, name: str) -> Path:
        """Return the file of an option; ``bad_config`` with the nearest name when there is none.

        The name is looked up, never made a path of: it may come from a record.
        """
        file = _in_tree(self).get(name) or _outside()[self.name].get(name)
        if file is None:
            message = f"{self.field}: no {self.name} '{shown(name)}'{nearest(name, self.names())}"
            own = "" if is_project_used() else f"; one in the folder {FOLDER} of a project wants --project"
            raise StageError("bad_config", message + own)
        return file

    def module(self, name: str) -> ModuleType:
        """Return the module of an option, imported.

        Raises
        ------
        StageError : ``bad_config`` when there is none of that name, or a file outside the tree cannot be run or does
            not offer what one of its kind does; ``import_error`` when such a file imports what is not here.
        """
        file = self.file(name)
        if file.is_relative_to(PACKAGE):
            return importlib.import_module(".".join(("harness", *file.relative_to(PACKAGE).with_suffix("").parts)))
        module = _load(file)
        if not hasattr(module, self.offers):
            raise StageError("bad_config", f"{file}: is a {self.name} by its text, but has no {self.offers} when run")
        return module


BACKENDS = Kind(
    *("backend", "backends/{name}/backend.py", "Backend", r"class Backend\("),
    *("backend.name", "lowp_harness.backends"),
)
MODELS = Kind("architecture", "models/{name}.py", "load", r"def load\(", "model.architecture", "lowp_harness.models")
READERS = Kind("reader", "tasks/readers/{name}.py", "read", r"def read\(", "task.reader", "lowp_harness.readers")
METRICS = Kind("metric", "metrics/{name}.py", "METRIC", r"METRIC\b.*=", "task.metric", "lowp_harness.metrics")
SEARCHES = Kind(
    *("search", "tuning/search/{name}.py", "search", r"def search\("),
    *("tuner.strategy", "lowp_harness.searches"),
)
KINDS = (BACKENDS, MODELS, READERS, METRICS, SEARCHES)


def is_project_used() -> bool:
    """Say whether options outside the tree are known, a project's or those of packages."""
    return VARIABLE in os.environ


def use_project(project: Path | None) -> None:
    """Make the options of ``PROJECT/plugins`` known to this process and its children; those of no other project.

    What :data:`VARIABLE` had from elsewhere is forgotten: only a child takes files from it.

    Raises
    ------
    UserError : a file there defines no option, options of two kinds, or one that the harness has itself; or its name
        is none that a config can name.
    """
    os.environ.pop(VARIABLE, None)
    _outside.cache_clear()
    found: dict[str, dict[str, str]] = {}
    folder = None if project is None else project / FOLDER
    for file in sorted(folder.glob("*.py")) if folder is not None and folder.is_dir() else ():
        if file.name.startswith(("_", ".")):
            continue
        if not file.stem.isidentifier():
            raise UserError(f"{file}: want a name of letters, digits and underscores before .py")
        kind = _kind_of(file)
        if file.stem in _in_tree(kind):
            raise UserError(
                f"{file}: the harness has a {kind.name} '{file.stem}' itself; want another name of the file"
            )
        found.setdefault(kind.name, {})[file.stem] = str(file.resolve())
    if found or _entry_points():
        os.environ[VARIABLE] = json.dumps(_merged(found, _entry_points()), sort_keys=True)


def passed_on() -> dict[str, str]:
    """Return the variables by which a child finds what this process finds."""
    told = _outside()
    return {VARIABLE: json.dumps(_as_text(told), sort_keys=True)} if any(told.values()) else {}


def _kind_of(file: Path) -> Kind:
    if not file.is_file():  # reading a pipe would not end
        raise UserError(f"{file}: is no regular file")
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: is no text in UTF-8: {error.reason} at byte {error.start}") from error
    kinds = [kind for kind in KINDS if re.search(rf"^{kind.defines}", text, re.MULTILINE)]
    if len(kinds) != 1:
        wanted = "class Backend(...), def load, def read, def search or METRIC"
        what = " and ".join(kind.name for kind in kinds) or "no option"
        raise UserError(f"{file}: defines {what}; want one option a file: {wanted} at the start of a line")
    return kinds[0]


@functools.cache
def _in_tree(kind: Kind) -> dict[str, Path]:
    """Return name -> file of the options that the harness brings."""
    found = {}
    for file in sorted(PACKAGE.glob(kind.path.format(name="*"))):
        name = file.parent.name if kind.path.endswith("/backend.py") else file.stem
        if re.search(rf"^{kind.defines}", file.read_text(encoding="utf-8"), re.MULTILINE):
            found[name] = file
    return found


@functools.cache
def _outside() -> dict[str, dict[str, Path]]:
    """Return kind -> name -> file of the options that are not in the tree."""
    told = json.loads(os.environ[VARIABLE]) if VARIABLE in os.environ else _entry_points()
    return {kind.name: {name: Path(file) for name, file in told.get(kind.name, {}).items()} for kind in KINDS}


@functools.cache
def _entry_points() -> dict[str, dict[str, str]]:
    """Return kind -> name -> file of the modules that installed packages declare; none of them is imported."""
    found: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        for point in importlib.metadata.entry_points(group=kind.group):
            file = _source(point.module)
            if file is not None and point.name not in _in_tree(kind):
                found.setdefault(kind.name, {})[point.name] = str(file)
    return found


def _source(module: str) -> Path | None:
    """Return the file of a module without importing it or the packages above it."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    if spec is not None and not rest and spec.origin is not None:
        return Path(spec.origin)
    files = (Path(place, *rest).with_suffix(".py") for place in places)
    return next((file for file in files if file.is_file()), None)


def _merged(one: dict[str, dict[str, str]], other: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {kind: other.get(kind, {}) | one.get(kind, {}) for kind in one.keys() | other.keys()}


def _as_text(told: dict[str, dict[str, Path]]) -> dict[str, dict[str, str]]:
    return {kind: {name: str(file) for name, file in found.items()} for kind, found in told.items() if found}


def _load(file: Path) -> ModuleType:
    """Import a file outside the tree under a name that no package has.

    Whatever it raises is a mistake of its author's, told in one line that names it; only an interruption and the end
    of memory are what they are elsewhere.
    """
    name = f"harness_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise StageError("bad_config", f"{file}: no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, (KeyboardInterrupt, MemoryError)):
            raise
        said = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"
        if isinstance(error, ImportError):
            # A backend's file is imported in the parent too, which has no framework.
            raise StageError("import_error", f"{file}: {said}; import a framework inside functions only") from error
        raise StageError("bad_config", f"{file}{_line_of(error, file)}: cannot be imported: {said}") from error
    return module


def _line_of(error: BaseException, file: Path) -> str:
    """Return the line of `file` at which an error was raised, as it follows the file's name in a message."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f":{lines[-1]}" if lines else ""


def place_of(error: BaseException) -> str | None:
    """Return the file and line outside the tree at which an error was raised, None for one of the harness's own."""
    files = [file for found in _outside().values() for file in found.values()]
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{file.name}{_line_of(error, file)}" for file in files if any(f.filename == str(file) for f in frames)]
    return places[0] if places else None
