"""Does the same work on several items at once, in threads that wait for tools, and tells the caller of it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from harness.errors import StageError
from harness.execute.environments.tool import Tools

Item = TypeVar("Item", bound=Hashable)
Outcome = TypeVar("Outcome")


def at_once(
    work: Callable[[Item, Callable[..., None]], Outcome],
    items: Iterable[Item],
    workers: int,
    tools: Tools,
) -> dict[Item, Outcome | StageError]:
    """Return what `work` returns for each item, or the StageError that it raises, in the order of the items.

    Parameters
    ----------
    work : is called with an item and a function ``tell``: ``tell(f, *arguments)`` has `f` called with them in the
        thread of the caller.
    workers : how many items are worked on at a time.
    tools : the tools that `work` runs; an interrupt, or any other exception, ends them all at once and is raised.
    """
    wanted = list(dict.fromkeys(items))
    left = deque(wanted)
    events: SimpleQueue[Callable[[], None]] = SimpleQueue()
    outcomes: dict[Item, Outcome | StageError] = {}

    def labour() -> None:
        with contextlib.suppress(IndexError):
            while True:
                _do(left.popleft())

    def _do(item: Item) -> None:
        def tell(function: Callable[..., None], *arguments: Any) -> None:
            events.put(lambda: function(*arguments))

        outcome: Outcome | BaseException
        try:
            outcome = work(item, tell)
        except BaseException as error:
            outcome = error
        events.put(lambda: _end(item, outcome))

    def _end(item: Item, outcome: Any) -> None:
        if isinstance(outcome, BaseException) and not isinstance(outcome, StageError):
            raise outcome
        outcomes[item] = outcome

    threads = [Thread(target=labour) for _ in range(min(workers, len(wanted)))]
    try:
        for thread in threads:
            thread.start()
        while len(outcomes) < len(wanted):
            events.get()()
    except BaseException:
        left.clear()
        tools.stop()
        raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return {item: outcomes[item] for item in wanted}
