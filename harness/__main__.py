"""The command line's way in: ``harness ...`` and ``python -m harness ...``."""

from __future__ import annotations

import os
import sys

from harness.errors import StageError, UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status.

    0 done, 1 gate failed, 2 wrong usage, 3 cell failed, 4 gate undecided, 130 interrupted.
    """
    from harness import cli

    try:
        status = cli.run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"harness: {error}", file=sys.stderr)
        return 2
    except StageError as error:
        print(f"harness: {error.kind}: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("harness: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) went away. The records are on disk; Python's flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
