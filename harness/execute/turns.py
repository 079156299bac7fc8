"""Runs both sides of a pair together, timed in turns, and watches both: one that dies must not hold the other.

See :mod:`harness.worker.turns` for what the children do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from harness.execute.instances import Call, pass_over
from harness.execute.launch import Outcome, Running, close
from harness.execute.messages import Heard

#: Where the package of a revision has what its children need for turns.
_WORKER = Path("worker") / "turns.py"


def knows_turns(package: Path) -> bool:
    """Say whether children that run this code can be timed in turns."""
    return (package / _WORKER).is_file()


@contextlib.contextmanager
def pipes() -> Iterator[list[dict[str, Any]]]:
    """Give what each side's spec has as its option `turns`, the first side's first.

    The pipes are there as long as the body runs.
    """
    with tempfile.TemporaryDirectory(prefix="harness-turns-") as folder:
        first, second = (str(Path(folder) / name) for name in ("first", "second"))
        for path in (first, second):
            os.mkfifo(path)
        yield [
            {"own": first, "other": second, "is_first": True},
            {"own": second, "other": first, "is_first": False},
        ]


def launch_in_turns(calls: Sequence[Call], *, time_limit_seconds: float) -> dict[int, Outcome]:
    """Start a child for each call and return place -> outcome; where one fails, its outcome is the only one.

    The next is started when the one before has said ``ready``: what it does before is timed too, and is not disturbed.
    No child is left when this returns or raises.

    Raises
    ------
    KeyboardInterrupt : passed on after all children have been ended.
    """
    running: list[Running] = []
    heard: dict[int, Heard] = {}
    outcomes: dict[int, Outcome] = {}
    with ThreadPoolExecutor(len(calls)) as threads:
        try:
            for place, call in enumerate(calls):
                begun = call.begin(time_limit_seconds)
                if isinstance(begun, Outcome):
                    return {place: begun}
                running.append(begun)
                said = begun.listen(pass_over, ("ready", "result", "failure"))
                if said.last.get("event") != "ready":
                    heard[place] = said
                    break
            else:
                # Each listener blocks on its child, and ends with it.
                heard = _heard({threads.submit(one.listen, pass_over): place for place, one in enumerate(running)})
        finally:
            for place, one in enumerate(running):
                if place not in heard:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(one.process.pid, signal.SIGKILL)
            threads.shutdown()
            for place, one in enumerate(running):
                outcomes[place] = close(one, heard.get(place, Heard("ended")))
    failed = [(place, outcomes[place]) for place in heard if outcomes[place].status != "ok"]
    return dict(failed[:1]) or outcomes


def _heard(listening: Mapping[Future[Heard], int]) -> dict[int, Heard]:
    """Return the last words of both, or of the one that failed first: the other would wait for it."""
    found: dict[int, Heard] = {}
    left = set(listening)
    while left:
        done, left = wait(left, return_when=FIRST_COMPLETED)
        for one in done:
            found[listening[one]] = one.result()
        if any(said.last.get("event") != "result" for said in found.values()):
            break
    return found
