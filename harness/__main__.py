"""The command line's way in: ``harness ...`` and ``python -m harness ...``."""

from __future__ import annotations

import logging
import os
import sys

from harness.errors import StageError, UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status, one of :data:`harness.advice.EXIT_STATUSES`."""
    from harness import cli
    from harness.outlet import outlast_readers
    from harness.printable import tolerate_any_encoding
    from harness.terminal import Told, tell

    outlast_readers()
    tolerate_any_encoding()
    told = Told()
    logging.getLogger("harness").addHandler(told)
    try:
        status = cli.run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return status
    except UserError as error:
        tell(f"harness: {error}")
        return 2
    except StageError as error:
        tell(f"harness: {error.kind}: {error.message}")
        return 2
    except KeyboardInterrupt:
        tell("harness: interrupted; the same command goes on where this one stopped")
        return 130
    except BrokenPipeError:
        # Only of output that stands in the place of the process's own, which outlasts its readers. The records are on
        # disk; Python's flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    finally:
        logging.getLogger("harness").removeHandler(told)


if __name__ == "__main__":
    sys.exit(main())
