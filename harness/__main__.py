"""The command line's way in: ``harness ...`` and ``python -m harness ...``."""

from __future__ import annotations

import logging
import os
import sys

from harness import faults
from harness.errors import StageError, UserError
from harness.text.outlet import outlast_readers
from harness.text.printable import tolerate_any_encoding


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status, one of :data:`harness.advice.EXIT_STATUSES`."""
    faults.prepare()
    outlast_readers()
    tolerate_any_encoding()
    told = faults.Told()
    logging.getLogger("harness").addHandler(told)
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(arguments)
    finally:
        logging.getLogger("harness").removeHandler(told)
        faults.silence()


def _run(arguments: list[str]) -> int:
    try:
        from harness import cli

        status = cli.run(arguments)
        sys.stdout.flush()
        return status
    except UserError as error:
        faults.complain(str(error))
        return 2
    except StageError as error:
        faults.complain(f"{error.kind}: {error.message}")
        return 2
    except KeyboardInterrupt:
        faults.complain("interrupted; the same command goes on where this one stopped")
        return 130
    except BrokenPipeError:
        # Only of output that stands in the place of the process's own, which outlasts its readers. The records are on
        # disk; Python's flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        told = faults.of_a_place(error)
        faults.complain(told or faults.unforeseen(error, arguments))
        return 2 if told else faults.UNFORESEEN
    except Exception as error:
        # Also MemoryError and RecursionError. That this is reached at all is a defect of the harness.
        faults.complain(faults.unforeseen(error, arguments))
        return faults.UNFORESEEN


if __name__ == "__main__":
    sys.exit(main())
