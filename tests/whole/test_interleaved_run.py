"""The cells of a block are there together and timed interleaved; where one of them dies, each is measured by itself."""

from __future__ import annotations

import subprocess
import time

import psutil
import pytest

from harness.results import store
from tests.whole.tiny import command, variables

CELLS = 3


def _children(parent: subprocess.Popen) -> list[psutil.Process]:
    """Return the children that are loaded or on their way, those that have ended left out."""
    try:
        found = psutil.Process(parent.pid).children()
        return [one for one in found if "harness.worker" in one.cmdline()]
    except psutil.NoSuchProcess:
        return []


@pytest.mark.backend("torch")
def test_a_ring_that_loses_a_cell_loses_no_result(project, cache):
    parent = subprocess.Popen(
        command(project, "run", "suite=tiny", "protocol.seed=5"), stdout=subprocess.DEVNULL, env=variables(cache)
    )
    killed, most = None, 0
    while parent.poll() is None:
        children = _children(parent)
        most = max(most, len(children))
        if killed is None and len(children) == CELLS:
            killed = children[1]
            killed.kill()
        time.sleep(0.01)
    assert killed is not None and most == CELLS
    assert parent.returncode == 0
    (path,) = [path for path in store.runs(project / "results") if '"seed":5' in path.read_text().replace(" ", "")]
    lines = store.read_run(path)
    assert not [line for line in lines if line["type"] == "failure"]
    invocations = [line for line in lines if line["type"] == "invocation"]
    assert len(invocations) == 2 * CELLS
    rings = {block: {tuple(line.get("ring", ())) for line in invocations if line["block"] == block} for block in (0, 1)}
    assert rings == {0: {()}, 1: {(3, 4, 5)}}
    for line in invocations:
        assert all(("turns" in series) == ("ring" in line) for series in line["series"])
