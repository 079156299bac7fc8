"""The folder of results: runs as append-only files of records, hosts and environments stored once by fingerprint.

::

    ROOT/runs/RUN.jsonl  ROOT/hosts/FINGERPRINT.json  ROOT/environments/NAME-HASH.txt  ROOT/tables/
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UserError, nearest, shown
from harness.results import files, hosts, lines
from harness.results.records import consistency, host_limits, identifiers
from harness.results.records import record as records
from harness.results.records.record import Record

_LOG = logging.getLogger(__name__)

RUNS, HOSTS, ENVIRONMENTS, TABLES = "runs", "hosts", "environments", "tables"

#: What of a header must be equal for a run to be gone on with, beside the digest of the code that its children run; the
#: cells and the seed fix the order of its invocations.
PLAN_FIELDS = ("suite", "overrides", "host", "environments", "cells", "seed")

#: And what else, or its figures would be mixed of two: the code, and the cores that its cells run on.
CONDITIONS = ("placements",)


#: Bytes. Of 10,000 cells it takes a tenth.
_LONGEST_HEADER = 2**27


def new_run(suite: str) -> str:
    """Return a run id: UTC time, suite and four random digits, e.g. ``20261124T091500Z-quickstart-3f9a``."""
    readable = re.sub(r"[^A-Za-z0-9_.]+", "_", suite)[:40]
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{readable}-{secrets.token_hex(2)}"


class RunWriter:
    """Appends records to one run, and is the only one to do so while it is open.

    The lock is on the file itself and dies with the process, so nothing is left behind to be cleaned up.
    """

    def __init__(self, path: Path, descriptor: int):
        self.path = path
        self.run = path.stem
        self._descriptor = descriptor
        self._end = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, root: Path, header: Record) -> RunWriter:
        """Begin the run that ``header["run"]`` names; its file appears together with its header, or not at all.

        Raises
        ------
        StageError : ``disk_full``.
        UserError : there is such a run, or the folder cannot be written.
        """
        path = root / RUNS / f"{header['run']}.jsonl"
        with files.named_errors(path):
            descriptor = files.publish(path, records.encode(header))
        if descriptor is None:
            raise UserError(f"{path}: there is already such a run")
        return cls(path, descriptor)

    @classmethod
    def resume(cls, path: Path) -> RunWriter:
        """Go on with a run: a last line that a killed writer left unfinished is cut off.

        Raises
        ------
        UserError : another process writes it, or it is damaged, or it cannot be written.
        """
        with files.named_errors(path), contextlib.ExitStack() as undo:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            undo.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{path}: another harness is writing this run; wait for it, or end it") from None
            read_run(path)
            os.ftruncate(descriptor, len(lines.complete(path.read_bytes())))
            os.fsync(descriptor)
            undo.pop_all()
        return cls(path, descriptor)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record and return when it is on the disk. After an error the file is as it was before.

        Raises
        ------
        ValueError : the record does not fit its type, or holds NaN or infinity.
        StageError : ``disk_full``.
        UserError : the file cannot be written for another reason.
        """
        line = records.encode(dict(record))
        with files.named_errors(self.path):
            try:
                # Mends an earlier append that was interrupted, or that could not be undone.
                os.ftruncate(self._descriptor, self._end)
                files.write(self._descriptor, line)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self._end)
                raise
        self._end += len(line)

    def close(self) -> None:
        """Release the file. Closing twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_run(path: Path) -> list[Record]:
    """Return the records of a run, in the current version; a last line without its newline is not there yet.

    Raises
    ------
    UserError : no such file; a line that is no record, or contradicts one before it, with its number; a record of a
        newer harness.
    """
    found = [lines.decoded(line, path, number) for number, line in enumerate(lines.of(path), start=1)]
    if not found or found[0]["type"] != "header":
        raise UserError(f"{path}: begins with no header; want a run's file")
    try:
        consistency.check(found)
    except ValueError as error:
        raise UserError(f"{path}, {error}") from error
    return found


def runs(root: Path) -> list[Path]:
    """Return what is named as a run, the newest first; whether each is a file, and a run, shows when it is read."""
    there = [path for path in (root / RUNS).glob("*.jsonl") if not path.name.startswith(".")]
    return sorted(there, key=lambda path: path.name, reverse=True)


def find_run(root: Path, wanted: str | None = None) -> Path:
    """Return the file of a run that is named by its id, the beginning of its id, or a path; None names the newest.

    A file among the runs that begins with no header, or a damaged one, is passed over on the way to the newest.

    Raises
    ------
    UserError : none, or more than one, is meant; or the file that is meant is none of a run, or of another one.
    """
    if wanted is not None:
        path = _named(root, wanted)
        _header(path, lines.parsed)
        return path
    newest = next((path for path in runs(root) if _begins_with_header(path)), None)
    if newest is None:
        raise UserError(f"{root / RUNS}: no run is there yet; 'harness run' makes one")
    return newest


def _named(root: Path, wanted: str) -> Path:
    there = {path.stem: path for path in runs(root)}
    if wanted in there:
        return there[wanted]
    if files.is_file(Path(wanted)):
        return Path(wanted)
    meant = [name for name in there if name.startswith(wanted)]
    if len(meant) > 1:
        raise UserError(f"run {wanted}: {len(meant)} runs begin so, e.g. {meant[0]} and {meant[1]}; give more of it")
    if not meant:
        raise UserError(f"{root / RUNS}: no run '{wanted}'{nearest(wanted, there)}")
    return there[meant[0]]


def is_complete(found: list[Record]) -> bool:
    """Say whether a run came to its end."""
    return any(line["type"] == "end" and line["status"] == "complete" for line in found)


def unfinished(root: Path, header: Record, *, of_any: bool = False) -> Path | None:
    """Return the newest run that has the plan of `header` (see :data:`PLAN_FIELDS`) and is not complete.

    Files that cannot be read are passed over: they must not stand in the way of a new run.

    Parameters
    ----------
    of_any : also one that other code has begun, or on other cores, whose figures would be mixed with those of this.
    """
    plan = _plan(header)
    for path in runs(root):
        try:
            # Most runs are of another plan, which their first line tells without a look at the rest.
            first = _header(path, lines.parsed)
            same = of_any or _conditions(first) == _conditions(header)
            if same and _plan(first) == plan and not is_complete(read_run(path)):
                return path
        except UserError as error:
            passed_over(error)
        except (AttributeError, KeyError, TypeError):
            passed_over(UserError(f"{path}, line 1: damaged: it is no header that this harness knows"))
    return None


def passed_over(error: UserError) -> None:
    """Tell that a file which cannot be read is left out of what is done; each once, on standard error."""
    _LOG.warning("passed over: %s", error)


def _begins_with_header(path: Path) -> bool:
    try:
        _header(path, lines.decoded)
    except UserError as error:
        passed_over(error)
        return False
    return True


def _header(path: Path, read: Callable[[bytes, Path, int], Record]) -> Record:
    """Return the first record of a run, as `read` makes it of its line.

    Parameters
    ----------
    read : :func:`harness.results.lines.decoded`; or ``parsed``, where the rest does not matter.

    Raises
    ------
    UserError : it is no header.
    """
    with files.readable(path):
        files.require_regular(path)
        with path.open("rb") as stream:
            line = stream.readline(_LONGEST_HEADER)
    first = read(line, path, 1) if line.endswith(b"\n") else {}
    if first.get("type") != "header":
        raise UserError(f"{path}: begins with no header; want a run's file")
    if first.get("run") != path.stem:
        lines.decoded(line, path, 1)  # a name that none can have is damage
        # Its tables would be written in the place of another run's.
        named = shown(first.get("run"))
        raise UserError(f"{path}: holds run {named}, so its name should be {named}.jsonl")
    return first


def _plan(header: Record) -> list[Any]:
    """Return what must be equal; the same variant goes on with a comparison's run, the same rerun with a rerun."""
    compared = header.get("comparison") or {}
    names = (*PLAN_FIELDS, "rerun_of")
    return [*(header.get(name) for name in names), compared.get("id"), compared.get("side")]


def _conditions(header: Record) -> list[Any]:
    return [header["harness"].get("digest"), *(header.get(name) for name in CONDITIONS)]


def save_host(root: Path, fingerprint: str, host: Mapping[str, Any]) -> Path:
    """Store a host's description once, under its fingerprint, and return its file; an older one stays as it is."""
    content = {"fingerprint": fingerprint, "host": host}
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    return files.save(root / HOSTS / f"{identifiers.checked(fingerprint)}.json", text)


def read_host(root: Path, fingerprint: str) -> dict[str, Any] | None:
    """Return a stored host's description; None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        return hosts.described(files.content(root / HOSTS / f"{identifiers.checked(fingerprint)}.json"))
    return None


def host_line(root: Path, fingerprint: str, limits: Record | None = None) -> str:
    """Return one line on a stored host: CPU, generation, cores and fingerprint; only the last when none is stored.

    `limits` are those of a run's header: what of the cores it might use.
    """
    host = read_host(root, fingerprint) or {}
    try:
        names = [host["model_name"], host["generation"], host_limits.cores(host, limits)]
        return f"{', '.join(str(name) for name in names if name)} ({fingerprint})"
    except (KeyError, TypeError):
        return fingerprint


def environment_file(root: Path, name: str, lock_hash: str) -> Path:
    """Return the file in which an environment's lock is stored, or will be.

    Raises
    ------
    UserError : its name or hash would choose another folder.
    """
    try:
        stem = f"{identifiers.checked(name)}-{identifiers.checked(lock_hash)}"
    except ValueError as error:
        raise UserError(f"environment {name}: {error}") from error
    return root / ENVIRONMENTS / f"{identifiers.file_name(stem)}.txt"


def save_environment(root: Path, name: str, lock_hash: str, lock_text: str) -> Path:
    """Store an environment's lock once, under its name and hash, and return its file; an older one stays as it is."""
    return files.save(environment_file(root, name, lock_hash), lock_text)
