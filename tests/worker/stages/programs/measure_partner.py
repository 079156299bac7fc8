"""The other process of a pair, which has nothing to time and takes seven turns only."""

import sys

from harness.worker.timing.interleave import Turns

turns = Turns(sys.argv[1], sys.argv[2], sys.argv[3] == "first")
turns.begin()
for _ in range(2):
    with turns.turn():
        pass
    for _ in range(turns.agree(7)):
        with turns.turn():
            pass
turns.end()
