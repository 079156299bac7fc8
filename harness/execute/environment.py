"""Builds the pinned environments of the backends: once for each lock, atomically, with uv or pip and pip's settings."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from harness.errors import StageError
from harness.execute import installer, pins, tool
from harness.plan.catalogue import Catalogue
from harness.plan.compose import environment as read_environment
from harness.plan.config import EnvironmentConfig

MARKER = "complete.json"

#: How often a harness looks whether another one has finished what both want.
_LOOK_AGAIN_SECONDS = 1.0

#: Where uv keeps the packages whose files the environments share, beside them: a hard link needs one file system.
UV_CACHE = "uv"

#: Lines of uv and pip that tell a person how far they are.
_STEPS = (
    *("Collecting", "Processing", "Downloading", "Building", "Installing", "Preparing"),
    *("Resolved", "Downloaded", "Built", "Prepared", "Installed"),
)

#: Begins the lines of the check below; what a framework prints when it is imported does not.
_MARK = "harness-check:"

#: Prints what is installed, and each module before it is imported, in the environment's own python.
_CHECK = f"""
import importlib, importlib.metadata, json, sys
installed = [[one.metadata["Name"], one.version] for one in importlib.metadata.distributions()]
print("{_MARK}" + json.dumps(installed), flush=True)
for module in sys.argv[1:]:
    print("{_MARK}" + module, flush=True)
    importlib.import_module(module)
"""


@dataclass(frozen=True)
class State:
    """What ``harness env list`` shows of an environment."""

    name: str
    lock_hash: str
    state: str  # built, not built, damaged, or outdated: built from a lock that has changed since
    size_bytes: int | None  # of its files, also those that it shares with others
    path: Path
    note: str | None = None


@dataclass(frozen=True)
class Environments:
    """The environments that a catalogue names, built below `root`.

    `locks` maps a name to a lock file that stands in the place of the committed one, so that an environment of an
    earlier run can be built again beside today's; see :meth:`with_locks`.
    """

    catalogue: Catalogue
    root: Path
    locks: Mapping[str, Path] = field(default_factory=dict)

    def with_locks(self, locks: Mapping[str, Path]) -> Environments:
        """Return these environments with the named ones made from other locks, such as those that a run has stored."""
        return dataclasses.replace(self, locks={**self.locks, **locks})

    def lock_text(self, name: str) -> str:
        """Return the lock as it is committed."""
        return self._read(name)[1].read_text()

    def lock_hash(self, name: str) -> str:
        """Return the identity of the environment: its pins, its Python, and how they are installed."""
        config, lock = self._read(name)
        content = [sorted(pins.lines(lock.read_text())), config.python, sorted(config.no_deps)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def variables(self, name: str) -> dict[str, str]:
        """Return the environment variables that every child of it gets."""
        return dict(self._read(name)[0].variables)

    def python(self, name: str) -> Path:
        """Return where the environment's python is, or will be once it is built."""
        return self._folder(name) / "bin" / "python"

    def list(self) -> list[State]:
        """Return the state of every environment there is a config of, and what earlier locks have left."""
        states = []
        for name in self.catalogue.names("environment"):
            current = self._folder(name)
            if not self._is_built(name):
                damage = _marker(current) and _damage(current)
                state = f"damaged: {damage}; built again when it is next used" if damage else "not built"
                states.append(State(name, self.lock_hash(name), state, None, current))
            for folder in self._folders(name):
                marker = _marker(folder)
                if marker is not None and (folder != current or self._is_built(name)):
                    state = "built" if folder == current else "outdated"
                    note = marker.get("note")
                    states.append(State(name, marker["lock"], state, marker["size_bytes"], folder, note))
        return states

    def remove(self, name: str) -> None:
        """Remove what is built of an environment, from earlier locks too."""
        for folder in self._folders(name):
            with self._locked(folder, lambda note: None):
                _clear(folder)
            folder.with_name(f"{folder.name}.log").unlink(missing_ok=True)
        if not any(self.root.glob(f"*/{MARKER}")):
            # No environment is left whose files these are.
            shutil.rmtree(self.root / UV_CACHE, ignore_errors=True)

    def build(self, name: str, on_progress: Callable[[str], None]) -> Path:
        """Return the environment's python, after building it where it is not at hand.

        Raises
        ------
        StageError : ``environment``, ``import_error``, ``no_network``, ``no_package``, ``damaged`` or ``disk_full``;
            the message names the installer's log.
        """
        config, lock = self._read(name)
        folder = self._folder(name)
        try:
            with self._locked(folder, on_progress):
                if not self._is_built(name):
                    self._build(config, lock, folder, on_progress)
        except OSError as error:
            kind = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "environment"
            raise StageError(kind, f"{name}: {error}") from error
        return self.python(name)

    def _build(self, config: EnvironmentConfig, lock: Path, folder: Path, on_progress: Callable[[str], None]) -> None:
        wanted = pins.pins(pins.lines(lock.read_text()), lock.name)
        wanted += pins.pins(config.no_deps, f"{config.name}.no_deps")
        base = interpreter(config)
        was_built = _marker(folder) is not None
        # A folder without a marker is what a killed build has left.
        _clear(folder)
        path = folder.with_name(f"{folder.name}.log")
        with path.open("w") as log:
            build = _Build(config.name, path, log, on_progress)
            if was_built and (uv := installer.program()) is not None:
                # What has damaged a file here has damaged it in the cache too, of which it is a hard link.
                build.step(uv, "cache", "clean", "--cache-dir", self.root / UV_CACHE)
            note = self._install(build, base, folder, lock, config.no_deps)
            build.check(folder / "bin" / "python", wanted, config)
        size = installer.write_manifest(folder)
        marker = {"name": config.name, "lock": self.lock_hash(config.name), "size_bytes": size, "note": note}
        _write_whole(folder / MARKER, marker)

    def _install(self, build: _Build, base: Path, folder: Path, lock: Path, no_deps: Iterable[str]) -> str | None:
        """Install with uv or, where there is none or it cannot, with pip; return what a user should know, or None."""
        python = folder / "bin" / "python"
        uv, cache = installer.program(), self.root / UV_CACHE
        if uv is not None:
            try:
                build.step(uv, "venv", "--quiet", "--no-config", "--cache-dir", cache, "--python", base, folder)
                note = installer.install(uv, python, lock, no_deps, cache, build.step)
                if note is not None:
                    build.on_progress(note)
                return note
            except StageError as error:
                if error.kind == "disk_full":
                    raise
                build.on_progress(f"uv could not build it ({error.message}); with pip now, which takes minutes")
                _clear(folder)
        build.step(base, "-m", "venv", folder)
        install = (python, "-m", "pip", "install", "--progress-bar=off", "--disable-pip-version-check")
        build.step(*install, "-r", lock)
        for pin in no_deps:
            build.step(*install, "--no-deps", pin)
        return None

    def _read(self, name: str) -> tuple[EnvironmentConfig, Path]:
        config, lock = read_environment(self.catalogue, name)
        return config, self.locks.get(name, lock)

    def _folder(self, name: str) -> Path:
        return self.root / f"{name}-{self.lock_hash(name)[:12]}"

    def _folders(self, name: str) -> Iterator[Path]:
        """Yield the folders of an environment, of whichever lock, whole or not."""
        for path in sorted(self.root.glob(f"{name}-*")):
            if re.fullmatch(re.escape(name) + "-[0-9a-f]{12}", path.name):
                yield path

    def _is_built(self, name: str) -> bool:
        folder = self._folder(name)
        return _marker(folder) is not None and _damage(folder) is None

    @contextmanager
    def _locked(self, folder: Path, on_progress: Callable[[str], None]) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_progress("waiting for another harness, which is at work on it")
            lock.acquire(poll_interval=_LOOK_AGAIN_SECONDS)
        try:
            yield
        finally:
            lock.release()


@dataclass(frozen=True)
class _Build:
    """The steps of one build; all that they print goes to one log."""

    name: str
    path: Path
    log: IO[str]
    on_progress: Callable[[str], None]

    def step(
        self, *command: str | Path, variables: Mapping[str, str] | None = None, may_fail: bool = False
    ) -> tool.Finished:
        """Run one tool and return how it ended; raise StageError when it fails and may not."""
        self.log.write(f"+ {' '.join(map(str, command))}\n")
        # Away from the folder of whoever calls: a configuration of uv that lies there is of another project.
        finished = tool.run(command, on_line=self._take, variables=variables, cwd=self.path.parent)
        if finished.code != 0 and not may_fail:
            raise self._failed(*tool.why(finished))
        return finished

    def check(self, python: Path, wanted: list[pins.Pin], config: EnvironmentConfig) -> None:
        """Raise unless the pins are what is installed and the promised modules import."""
        self.on_progress("checking versions and imports")
        command = [python, "-c", _CHECK, *config.imports]
        marked: list[str] = []

        def take(line: str) -> None:
            self.log.write(line)
            if line.startswith(_MARK):
                marked.append(line.removeprefix(_MARK).strip())

        finished = tool.run(command, on_line=take, variables=config.variables)
        if not marked:
            raise self._failed("environment", f"its python does not run: {tool.why(finished)[1]}")
        if difference := pins.difference(wanted, dict(json.loads(marked[0]))):
            raise self._failed("environment", difference)
        if finished.code != 0:
            raise self._failed("import_error", f"{marked[-1]} does not import: {_last(finished)}")

    def _take(self, line: str) -> None:
        self.log.write(line)
        self.log.flush()
        if line.strip().startswith(_STEPS):
            # Of the paths that pip names, a person wants the last part.
            self.on_progress(re.sub(r"\S+/", "", line.strip())[:80])

    def _failed(self, kind: str, line: str) -> StageError:
        return StageError(kind, f"{self.name}: {line} (see {self.path})")


def environments(catalogue: Catalogue, cache: Path) -> Environments:
    """Return the environments of a catalogue, kept in the cache folder."""
    return Environments(catalogue, cache / "environments")


def interpreter(config: EnvironmentConfig) -> Path:
    """Return a Python of the wanted version: this one, else one on the path that really runs.

    Raises
    ------
    StageError : ``environment``; says what to install.
    """
    if config.python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    ask = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    for folder in os.get_exec_path():
        found = shutil.which(f"python{config.python}", path=folder)
        # A shim of a version manager is there also for versions that are not.
        if found is not None and tool.run([found, "-c", ask]).lines[-1:] == (config.python,):
            return Path(found)
    wanted = f"python{config.python}"
    message = (
        f"{config.name} needs Python {config.python}: install {wanted} with its venv module, so that it is on the PATH"
    )
    raise StageError("environment", message)


def _clear(folder: Path) -> None:
    # The marker first: a removal that is interrupted must not leave what looks complete.
    (folder / MARKER).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _damage(folder: Path) -> str | None:
    """Return what is missing of an environment that was built, or None."""
    # The python is a link to the one that it was made with, which may have been removed since.
    if not (folder / "bin" / "python").exists():
        return "its python is gone"
    name = installer.missing_file(folder)
    return None if name is None else f"{name} is gone or has another size"


def _marker(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / MARKER).read_text())
    except (OSError, ValueError):
        return None


def _write_whole(path: Path, content: dict[str, Any]) -> None:
    new = path.with_name(f"{path.name}.new")
    with new.open("w") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    new.rename(path)


def _last(finished: tool.Finished) -> str:
    if finished.code < 0:
        return f"died by signal {-finished.code}"
    return next((line.strip() for line in reversed(finished.lines) if line.strip()), "no message")
