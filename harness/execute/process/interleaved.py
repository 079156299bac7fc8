"""Runs several children that are timed interleaved, and watches all: one that dies must not hold the others.

See :mod:`harness.worker.timing.interleave` for what the children do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from harness.execute.process.code_layout import layout_of
from harness.execute.process.launch import Outcome, Running, close
from harness.execute.process.parallel import Call, pass_over
from harness.ipc.messages import Heard


def can_interleave(package: Path) -> bool:
    """Say whether children that run this code can be timed interleaved."""
    return (package / layout_of(package).interleave).is_file()


@contextlib.contextmanager
def pipes(count: int, *, seconds: float, least: int) -> Iterator[list[dict[str, Any]]]:
    """Give what the spec of each of `count` variants has as its option `turns`, the first variant's first.

    The pipes are there as long as the body runs.

    Parameters
    ----------
    seconds : that the turns of a series may take on the slowest variant, if its protocol does not say longer.
    least : fewest turns of a series, however long they take.
    """
    with tempfile.TemporaryDirectory(prefix="harness-turns-") as folder:
        paths = [str(Path(folder) / str(place)) for place in range(count)]
        for path in paths:
            os.mkfifo(path)
        yield [
            {"own": own, "next": next, "is_first": place == 0, "seconds": seconds, "least": least}
            for place, (own, next) in enumerate(zip(paths, [*paths[1:], paths[0]], strict=True))
        ]


def launch_interleaved(
    calls: Sequence[Call], *, time_limit_seconds: float, on_ready: Callable[[int], None] = lambda place: None
) -> dict[int, Outcome]:
    """Start a child for each call and return place -> outcome; where one fails, its outcome is the only one.

    The next is started when the one before has said ``ready``: what it does before is timed too, and is not disturbed.
    No child is left when this returns or raises. `on_ready` is called with the place of each that is.

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
                on_ready(place)
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
    """Return the last words of all, or of those until one failed: the others would wait for it."""
    found: dict[int, Heard] = {}
    left = set(listening)
    while left:
        done, left = wait(left, return_when=FIRST_COMPLETED)
        for one in done:
            found[listening[one]] = one.result()
        if any(said.last.get("event") != "result" for said in found.values()):
            break
    return found
