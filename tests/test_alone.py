"""Tests that compare speeds run with no other test beside them, and are not kept waiting for ever."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.turns import turn

PATIENCE = 30


class Visitor(threading.Thread):
    """Takes a turn and stays until it is told to leave."""

    def __init__(self, alone: bool, folder: Path):
        super().__init__(daemon=True)
        self.alone, self.folder = alone, folder
        self.inside, self.leave = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with turn(self.alone, self.folder):
            self.inside.set()
            self.leave.wait(PATIENCE)

    def end(self) -> None:
        self.leave.set()
        self.join(PATIENCE)


def test_tests_run_beside_each_other(tmp_path: Path) -> None:
    both = [Visitor(False, tmp_path), Visitor(False, tmp_path)]
    assert all(one.inside.wait(PATIENCE) for one in both)
    for one in both:
        one.end()


def test_one_that_is_alone_waits_for_others_and_lets_none_in(tmp_path: Path) -> None:
    first = Visitor(False, tmp_path)
    assert first.inside.wait(PATIENCE)
    alone = Visitor(True, tmp_path)
    assert not alone.inside.wait(0.3)
    late = Visitor(False, tmp_path)
    # It came after one who waits to be alone, so it waits too, though the first has not left.
    assert not late.inside.wait(0.3)
    first.end()
    assert alone.inside.wait(PATIENCE)
    assert not late.inside.wait(0.3)
    alone.end()
    assert late.inside.wait(PATIENCE)
    late.end()
