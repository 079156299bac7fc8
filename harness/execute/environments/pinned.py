"""The pinned environments of the backends: each built once for its lock, several at a time, listed and removed."""

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from harness.config.schema import EnvironmentConfig
from harness.errors import StageError
from harness.execute.environments import installer, manifest, pins, tool
from harness.execute.environments.at_once import at_once
from harness.execute.environments.build import Build, clear
from harness.plan.catalogue import Catalogue
from harness.plan.compose import environment as read_environment

#: How often a harness looks whether another one has finished what both want.
_LOOK_AGAIN_SECONDS = 1.0

#: Where uv keeps the packages whose files the environments share, beside them: a hard link needs one file system.
UV_CACHE = "uv"

#: So many are built at a time at most, on as many cores: each import check keeps one busy, and needs gigabytes.
_AT_ONCE = 4


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
class _Wanted:
    """An environment as its config and its lock are now, and what is to install it: all that one thread must find out.

    Hydra, which reads the config, keeps what it does in a global place.
    """

    choice: installer.Choice
    config: EnvironmentConfig
    lock: pins.Lock
    lock_hash: str
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


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

    def lock(self, name: str) -> pins.Lock:
        """Return what the environment's lock holds.

        Raises
        ------
        StageError : ``environment``: it cannot be read, or holds anything but pins.
        """
        return self._wanted(name).lock

    def lock_hash(self, name: str) -> str:
        """Return the identity of the environment: its pins, its Python, and how they are installed."""
        return self._wanted(name).lock_hash

    def variables(self, name: str) -> dict[str, str]:
        """Return the environment variables that every child of it gets."""
        return dict(self._wanted(name).config.variables)

    def python(self, name: str) -> Path:
        """Return where the environment's python is, or will be once it is built."""
        return self._wanted(name).python

    def list(self) -> list[State]:
        """Return the state of every environment there is a config of, and what earlier locks have left."""
        states = []
        for name in self.catalogue.names("environment"):
            wanted = self._wanted(name)
            current = wanted.folder
            marker, damage = _found(current)
            if marker is None or damage is not None:
                state = f"damaged: {damage}; built again when it is next used" if damage else "not built"
                states.append(State(name, wanted.lock_hash, state, None, current))
            else:
                states.append(State(name, wanted.lock_hash, "built", marker.size_bytes, current, marker.note))
            for folder in self._folders(name):
                earlier = manifest.read(folder)
                if earlier is not None and folder != current:
                    states.append(State(name, earlier.lock, "outdated", earlier.size_bytes, folder, earlier.note))
        return states

    def note(self, name: str) -> str | None:
        """Return what a user should know of an environment that is built, such as needless CUDA libraries, or None."""
        marker = manifest.read(self._wanted(name).folder)
        return None if marker is None else marker.note

    def remove(self, name: str) -> None:
        """Remove what is built of an environment, from earlier locks too; with the last one, what they have shared."""
        for folder in self._folders(name):
            with self._locked(folder, lambda note: None, tool.Tools()):
                clear(folder)
            for suffix in ("log", "txt"):
                folder.with_name(f"{folder.name}.{suffix}").unlink(missing_ok=True)
        # What another harness is building has no marker yet, but a folder.
        if not any(_HASHED.search(path.name) for path in self.root.glob("*-*")):
            shutil.rmtree(self.root / UV_CACHE, ignore_errors=True)

    def build(
        self,
        name: str,
        on_progress: Callable[[str], None],
        on_note: Callable[[str], None] | None = None,
        tools: tool.Tools | None = None,
    ) -> Path:
        """Return the environment's python, after building it where it is not at hand or damaged.

        Parameters
        ----------
        on_progress, on_note : are told how far it is, and in one line what a person should not miss.
        tools : those that are to be ended together with what the build runs.

        Raises
        ------
        StageError : ``environment``, ``import_error``, ``no_network``, ``no_package``, ``damaged`` or ``disk_full``;
            the message names the installer's log.
        """
        return self._bring(self._wanted(name), on_progress, on_note or on_progress, tools or tool.Tools())

    def build_all(
        self, names: Iterable[str], on_progress: Callable[[str, str | None], None], on_note: Callable[[str], None]
    ) -> dict[str, Path | StageError]:
        """Return the python of each environment, or why it cannot be built, after building several at a time.

        Parameters
        ----------
        on_progress : is told an environment's name and how far it is, None at its end; `on_note` as in :meth:`build`.
            Both in the thread of the caller, whose interrupt ends all builds at once.
        """
        tools = tool.Tools()
        wanted = {name: self._wanted(name) for name in names}

        def work(name: str, tell: Callable[..., None]) -> Path:
            try:
                return self._bring(
                    wanted[name],
                    lambda how_far: tell(on_progress, name, how_far),
                    lambda line: tell(on_note, line),
                    tools,
                )
            finally:
                tell(on_progress, name, None)

        return at_once(work, wanted, min(_AT_ONCE, len(os.sched_getaffinity(0))), tools)

    def _bring(
        self, wanted: _Wanted, on_progress: Callable[[str], None], on_note: Callable[[str], None], tools: tool.Tools
    ) -> Path:
        name = wanted.config.name
        try:
            with self._locked(wanted.folder, on_progress, tools):
                marker, damage = _found(wanted.folder)
                if damage is not None:
                    on_note(f"environment {name}: {damage}; it is built again")
                if marker is None or damage is not None:
                    self._build(wanted, on_progress, on_note, tools)
        except OSError as error:
            kind = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "environment"
            raise StageError(kind, f"{name}: {error}") from error
        return wanted.python

    def _build(
        self, wanted: _Wanted, on_progress: Callable[[str], None], on_note: Callable[[str], None], tools: tool.Tools
    ) -> None:
        config, folder = wanted.config, wanted.folder
        every = [*wanted.lock.pins, *pins.pins(config.no_deps, f"{config.name}.no_deps")]
        path = folder.with_name(f"{folder.name}.log")
        # Not the lock's own file, which an installer might read in another way than this harness.
        lock = folder.with_name(f"{folder.name}.txt")
        lock.write_text(wanted.lock.text)
        target = installer.Target(interpreter(config), folder, lock, tuple(config.no_deps), self.root / UV_CACHE)
        with path.open("w") as log:
            build = Build(config.name, path, log, wanted.choice, tools, on_progress, on_note)
            # A changed file is one with that of the cache. It is forgotten before the list that tells of it is.
            build.forget(manifest.changed_packages(folder), target.cache)
            # A folder without a marker is what a killed build has left.
            clear(folder)
            build.install(target)
            build.check(target.python, every, config)
        manifest.write(folder, config.name, wanted.lock_hash, installer.note(target))

    def _wanted(self, name: str) -> _Wanted:
        config, file = read_environment(self.catalogue, name)
        file = self.locks.get(name, file)
        lock = pins.read(file)
        content = [sorted(lock.lines), config.python, sorted(config.no_deps)]
        lock_hash = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        return _Wanted(installer.choose(), config, lock, lock_hash, self.root / f"{name}-{lock_hash[:12]}")

    def _folders(self, name: str) -> Iterator[Path]:
        """Yield the folders of an environment, of whichever lock, whole or not."""
        for path in sorted(self.root.glob(f"{name}-*")):
            if _HASHED.sub("", path.name) == name:
                yield path

    @contextmanager
    def _locked(self, folder: Path, on_progress: Callable[[str], None], tools: tool.Tools) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_progress("waiting for another harness, which is at work on it")
            while not lock.is_locked:
                tools.require_going()
                with suppress(Timeout):
                    lock.acquire(timeout=_LOOK_AGAIN_SECONDS)
        try:
            yield
        finally:
            lock.release()


def environments(catalogue: Catalogue, cache: Path) -> Environments:
    """Return the environments of a catalogue, kept in the cache folder.

    Raises
    ------
    UserError : ``HARNESS_INSTALLER`` names no installer.
    """
    installer.choose()
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


#: What follows an environment's name in that of its folder.
_HASHED = re.compile(r"-[0-9a-f]{12}$")


def _found(folder: Path) -> tuple[manifest.Marker | None, str | None]:
    """Return the marker of what is built in a folder, and what is wrong with it; None each for none and nothing."""
    marker = manifest.read(folder)
    return marker, None if marker is None else manifest.damage(folder, marker)
