"""How a command ends badly: with one line that fits a terminal, and a full report of what nobody foresaw."""

from __future__ import annotations

import errno
import logging
import os
import platform
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UserError, shortened
from harness.text.printable import plain

#: The exit status of a fault of the harness's own, as in BSD's sysexits.h (EX_SOFTWARE).
UNFORESEEN = 70

#: Characters of a message, whatever was put in.
LONGEST_MESSAGE = 400

#: Columns of a terminal that a table is made for, whatever COLUMNS says.
_NARROWEST, _WIDEST = 20, 1000

#: What a folder, a file or a disk may refuse to any program.
_OF_PLACES = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOENT),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE, errno.ENFILE),
    *(errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ENOTEMPTY, errno.EBUSY, errno.ETXTBSY),
)


def prepare() -> None:
    """Make up for what the caller lacks: open standard streams, a width with room for a table, a home folder."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The next file that is opened would get this number, and what a child prints would be written into it.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    # Where there is no home, matplotlib says that it keeps its list of fonts elsewhere, as if that were a fault.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # Pictures are written to files alone, and matplotlib ends at a value of these that it does not know.
    os.environ.pop("MPLBACKEND", None)
    if not os.environ.get("SOURCE_DATE_EPOCH", "0").isdecimal():
        del os.environ["SOURCE_DATE_EPOCH"]
    columns = os.environ.get("COLUMNS")
    if columns is not None:
        is_width = columns.isascii() and columns.isdigit() and len(columns) < 10 and int(columns) > 0
        if is_width:
            os.environ["COLUMNS"] = str(min(max(int(columns), _NARROWEST), _WIDEST))
        else:
            del os.environ["COLUMNS"]


def complain(message: str) -> None:
    """Print why a command ends, as :func:`tell` does."""
    tell(f"harness: {message}")


def tell(message: str) -> None:
    """Print one line of at most :data:`LONGEST_MESSAGE` characters on standard error, nothing else in it."""
    line = plain(" ".join(message.splitlines()))
    # Where nothing can be said, the exit status still says it.
    with suppress(OSError, ValueError):
        print(shortened(line, LONGEST_MESSAGE), file=sys.stderr, flush=True)


class Told(logging.Handler):
    """Prints what a lower room has to say, each line once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record's message, unless it was printed before."""
        line = record.getMessage()
        if line not in self._said:
            self._said.add(line)
            tell(line)


def of_a_place(error: OSError) -> str | None:
    """Return one line on what a folder, file or disk has refused, or None for any other error."""
    if not _flush():
        return f"standard output: {error.strerror or error}"
    if error.errno not in _OF_PLACES:
        return None
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    # Python drops what a stream could not write, so a second try does not show whose error it was.
    return f"{' -> '.join(names) or 'standard output, or a file'}: {error.strerror}"


def unforeseen(error: BaseException, arguments: list[str]) -> str:
    """Write the full report of an error that has no words of its own, and return the line that names it."""
    told = _told(error)
    try:
        path = _write(error, arguments)
    except Exception:  # memory, disk and whatever else may be at their end
        path = None
    where = f"the full report is in {path}" if path else f"no report could be written; it was at {_place(error)}"
    return f"{told}: this is a fault of the harness, not yours; {where}"


def silence() -> None:
    """Let nothing more be written to standard output or error that they cannot take, also by Python at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


def _flush() -> bool:
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _told(error: BaseException) -> str:
    try:
        text = shortened(str(error), 120)
    except Exception:  # an error whose text cannot be made either
        text = ""
    return f"{type(error).__name__}{f': {text}' if text else ''}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"


def _write(error: BaseException, arguments: list[str]) -> Path:
    now = datetime.now(UTC)
    lines = [
        f"{now.isoformat(timespec='seconds')}  Python {platform.python_version()}  {platform.platform()}",
        f"arguments: {arguments!r}",
        f"folder: {_current_folder()}",
        "",
        *traceback.format_exception(error, limit=200),
    ]
    content = "\n".join(lines).encode(errors="backslashreplace")
    name = f"fault-{now.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            # In the temporary folder somebody else's link may already lie under this name.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(content)
            return path
    raise OSError(errno.ENOENT, "no folder takes the report")


def _folders() -> list[Path]:
    from harness.cache import cache_folder

    folders = []
    with suppress(UserError):
        folders.append(cache_folder() / "logs")
    with suppress(OSError):
        folders.append(Path(tempfile.gettempdir()))
    return folders


def _current_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError as error:
        return str(error)
