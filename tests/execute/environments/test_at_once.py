"""Several items are worked on at once, told of in the caller's thread, and ended by an exception there."""

from __future__ import annotations

import threading

import pytest

from harness.errors import StageError, UserError
from harness.execute.environments.at_once import at_once
from harness.execute.environments.tool import Stopped, Tools, run
from tests.execute.process.stand_ins import is_gone


def test_as_many_at_once_as_there_are_workers_and_in_the_order_of_the_items():
    both = threading.Barrier(2, timeout=60)  # broken unless two are at work
    told = []

    def work(item, tell):
        both.wait()
        tell(lambda word: told.append((word, threading.current_thread())), item)
        if item == "c":
            raise StageError("environment", "c is broken")
        return item.upper()

    found = at_once(work, ["a", "c", "b", "d", "a"], 2, Tools())
    assert list(found) == ["a", "c", "b", "d"]
    assert [found[item] for item in "abd"] == ["A", "B", "D"]
    assert found["c"].message == "c is broken"
    assert {thread for _, thread in told} == {threading.main_thread()}
    assert sorted(word for word, _ in told) == ["a", "b", "c", "d"]
    assert at_once(work, [], 2, Tools()) == {}


def test_a_mistake_of_the_persons_ends_all():
    def work(item, tell):
        if item == "bad":
            raise UserError("no such thing")
        run(["sleep", "600"], tools=tools)

    tools = Tools()
    with pytest.raises(UserError, match="no such thing"):
        at_once(work, ["long", "bad"], 2, tools)


def test_an_interrupt_ends_the_tools_of_all_and_begins_no_more():
    pids, begun, tools = [], [], Tools()

    def take(line: str) -> None:
        pids.append(int(line))
        if len(pids) == 2:
            raise KeyboardInterrupt

    def work(item, tell):
        begun.append(item)
        run(["sh", "-c", "echo $$; exec sleep 600"], on_line=lambda line: tell(take, line), tools=tools)

    with pytest.raises(KeyboardInterrupt):
        at_once(work, ["a", "b", "c"], 2, tools)
    assert all(is_gone(pid) for pid in pids)
    assert sorted(begun) == ["a", "b"]
    with pytest.raises(Stopped):
        tools.require_going()
