"""Builds the pinned environments of the backends: once for each lock, atomically, with pip's own configuration."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from harness.errors import StageError
from harness.plan.catalogue import Catalogue
from harness.plan.compose import environment as read_environment
from harness.plan.config import EnvironmentConfig

MARKER = "complete.json"

_NETWORK = ("ConnectionError", "NewConnectionError", "Temporary failure in name", "Network is unreachable", "timed out")


@dataclass(frozen=True)
class State:
    """What ``harness env list`` shows of an environment."""

    name: str
    lock_hash: str
    state: str  # built, or not built
    size_bytes: int | None
    path: Path


@dataclass(frozen=True)
class Environments:
    """The environments that a catalogue names, built below `root`."""

    catalogue: Catalogue
    root: Path

    def lock_text(self, name: str) -> str:
        """Return the lock as it is committed."""
        return self._read(name)[1].read_text()

    def lock_hash(self, name: str) -> str:
        """Return the identity of the environment: its pins, its Python, and how they are installed."""
        config, lock = self._read(name)
        content = [sorted(pins(lock.read_text())), config.python, sorted(config.no_deps)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def variables(self, name: str) -> dict[str, str]:
        """Return the environment variables that every child of it gets."""
        return dict(self._read(name)[0].variables)

    def list(self) -> list[State]:
        """Return the state of every environment there is a config of."""
        states = []
        for name in self.catalogue.names("environment"):
            folder = self._folder(name)
            built = (folder / MARKER).is_file()
            size = json.loads((folder / MARKER).read_text())["size_bytes"] if built else None
            states.append(State(name, self.lock_hash(name), "built" if built else "not built", size, folder))
        return states

    def remove(self, name: str) -> None:
        """Remove what is built of an environment."""
        with self._lock(name):
            shutil.rmtree(self._folder(name), ignore_errors=True)

    def build(self, name: str, on_progress: Callable[[str], None]) -> Path:
        """Return the environment's python, after building it where it is not at hand.

        Raises
        ------
        StageError : ``environment``, ``no_network``, ``no_package`` or ``disk_full``; the message names pip's log.
        """
        config, lock = self._read(name)
        folder = self._folder(name)
        python = folder / "bin" / "python"
        with self._lock(name):
            # The marker is written last: a folder without it is what a killed build has left.
            if (folder / MARKER).is_file():
                return python
            shutil.rmtree(folder, ignore_errors=True)
            log = self.root / f"{folder.name}.log"
            with log.open("w") as stream:
                _run([str(interpreter(config)), "-m", "venv", str(folder)], stream, log, on_progress)
                install = [str(python), "-m", "pip", "install", "--progress-bar=off"]
                _run([*install, "-r", str(lock)], stream, log, on_progress)
                for pin in config.no_deps:
                    _run([*install, "--no-deps", pin], stream, log, on_progress)
            _verify(python, config, lock)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            marker = folder / f"{MARKER}.new"
            marker.write_text(json.dumps({"name": name, "lock": self.lock_hash(name), "size_bytes": size}))
            marker.rename(folder / MARKER)
        return python

    def _read(self, name: str) -> tuple[EnvironmentConfig, Path]:
        return read_environment(self.catalogue, name)

    def _folder(self, name: str) -> Path:
        return self.root / f"{name}-{self.lock_hash(name)[:12]}"

    def _lock(self, name: str) -> FileLock:
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self._folder(name)}.lock")


def environments(catalogue: Catalogue, cache: Path) -> Environments:
    """Return the environments of a catalogue, kept in the cache folder."""
    return Environments(catalogue, cache / "environments")


def pins(text: str) -> list[str]:
    """Return the pins of a lock, without comments."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def interpreter(config: EnvironmentConfig) -> Path:
    """Return a Python of the wanted version: this one, else one on the path; ``environment`` when there is none."""
    if config.python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    found = shutil.which(f"python{config.python}")
    if found is None:
        message = f"environment {config.name} needs Python {config.python}; install python{config.python} on the PATH"
        raise StageError("environment", message)
    return Path(found)


def _run(command: list[str], stream, log: Path, on_progress: Callable[[str], None]) -> None:
    # PYTHONPATH would let the parent's packages into the environment; pip's own variables and files are respected.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables)
    tail: list[str] = []
    try:
        for line in process.stdout:
            stream.write(line)
            tail = [*tail[-30:], line.strip()]
            if line.startswith(("Collecting", "Downloading", "Installing", "  Downloading")):
                on_progress(line.strip()[:80])
    finally:
        if process.poll() is None and sys.exc_info()[0] is not None:
            process.kill()
        code = process.wait()
    if code != 0:
        raise _failure(tail, log)


def _failure(tail: list[str], log: Path) -> StageError:
    errors = [line for line in tail if "ERROR" in line] or [line for line in tail if line] or ["no output"]
    text = "\n".join(tail)
    kind = "environment"
    if any(word in text for word in _NETWORK):
        kind = "no_network"
    elif "No matching distribution" in text:
        kind = "no_package"
    elif "No space left" in text:
        kind = "disk_full"
    return StageError(kind, f"{errors[-1]} (see {log})")


def _verify(python: Path, config: EnvironmentConfig, lock: Path) -> None:
    """Raise unless the pins are what is installed and the promised modules import."""
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    installed = {_normal(item["name"]): item["version"].split("+")[0] for item in json.loads(listed.stdout)}
    for pin in pins(lock.read_text()):
        name, _, version = pin.partition("==")
        if installed.get(_normal(name.split("[")[0])) != version:
            found = installed.get(_normal(name.split("[")[0]))
            raise StageError("environment", f"{config.name}: {lock.name} pins {pin}, installed is {found}")
    for module in config.imports:
        finished = subprocess.run([str(python), "-c", f"import {module}"], capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
            raise StageError("import_error", f"{config.name}: {module} does not import: {last}")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
