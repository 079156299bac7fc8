"""One build of an environment: its steps, its log, what is told of it, and the check of what it has brought."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.config.schema import EnvironmentConfig
from harness.errors import StageError
from harness.execute.environments import installer, manifest, pins, tool

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
class Build:
    """The steps of one build; all that they print goes to one log, at `path`.

    `on_progress` is told how far it is, `on_note` what a person should not miss.
    """

    name: str
    path: Path
    log: IO[str]
    choice: installer.Choice
    tools: tool.Tools
    on_progress: Callable[[str], None]
    on_note: Callable[[str], None]

    def forget(self, packages: list[str], cache: Path) -> None:
        """Remove packages from uv's cache, whose files there are not what they were, whoever installs now."""
        if packages and self.choice.uv is not None:
            self.step(self.choice.uv, "cache", "clean", "--cache-dir", cache, *packages)

    def install(self, target: installer.Target) -> None:
        """Install with uv or, where there is none or it cannot, with pip."""
        uv, named = self.choice.uv, self.choice.named
        if uv is None:
            because = "uv is not installed beside this harness"
        elif named != "pip":
            self.on_progress("installing with uv")
            try:
                installer.with_uv(uv, target, self.step, self.tools)
                return
            except StageError as error:
                if error.kind == "disk_full" or named == "uv":
                    raise
                because = f"uv could not install it ({error.message.removeprefix(f'{self.name}: ')})"
                clear(target.folder)
        if named is None:
            self.on_note(f"environment {self.name}: {because}; with pip now, which takes minutes")
        self.on_progress("installing with pip")
        installer.with_pip(target, self.step)

    def step(
        self, *command: str | Path, variables: Mapping[str, str] | None = None, may_fail: bool = False
    ) -> tool.Finished:
        """Run one tool and return how it ended; raise StageError when it fails and may not."""
        self._write(f"+ {' '.join(map(str, command))}\n")
        # Away from the folder of whoever calls: a configuration of uv that lies there is of another project.
        finished = tool.run(command, on_line=self._take, variables=variables, cwd=self.path.parent, tools=self.tools)
        if finished.code != 0 and not may_fail:
            raise self._failed(*tool.why(finished))
        return finished

    def check(self, python: Path, wanted: list[pins.Pin], config: EnvironmentConfig) -> None:
        """Raise unless the pins are what is installed and the promised modules import."""
        self.on_progress("checking versions and imports")
        command: list[str | Path] = [python, "-c", _CHECK, *config.imports]
        marked: list[str] = []

        def take(line: str) -> None:
            self._write(line)
            if line.startswith(_MARK):
                marked.append(line.removeprefix(_MARK).strip())

        finished = tool.run(command, on_line=take, variables=config.variables, tools=self.tools)
        if not marked:
            raise self._failed("environment", f"its python does not run: {tool.why(finished)[1]}")
        if difference := pins.difference(wanted, dict(json.loads(marked[0]))):
            raise self._failed("environment", difference)
        if finished.code != 0:
            raise self._failed("import_error", f"{marked[-1]} does not import: {_last(finished)}")

    def _take(self, line: str) -> None:
        self._write(line)
        if line.strip().startswith(_STEPS):
            # Of the paths that pip names, a person wants the last part.
            self.on_progress(re.sub(r"\S+/", "", line.strip())[:80])

    def _write(self, line: str) -> None:
        # A log is passed on more readily than a configuration: no password of an index stays in it.
        self.log.write(re.sub(r"://[^/\s@]+@", "://****@", line))
        self.log.flush()

    def _failed(self, kind: str, line: str) -> StageError:
        return StageError(kind, f"{self.name}: {line} (see {self.path})")


def clear(folder: Path) -> None:
    """Remove what is there of an environment."""
    # The marker first: a removal that is interrupted must not leave what looks complete.
    (folder / manifest.MARKER).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _last(finished: tool.Finished) -> str:
    if finished.code < 0:
        return f"died by signal {-finished.code}"
    return next((line.strip() for line in reversed(finished.lines) if line.strip()), "no message")
