"""Whatever befalls a run while its cells are timed interleaved: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import secrets
import signal
from collections import Counter

import pytest

from harness.results import store
from tests.backend_env import environment_python
from tests.whole import misbehaving
from tests.whole.faulty_runs import Place, require_whole, strike, wait_for_children

pytestmark = pytest.mark.backend("torch")

CELLS = 3

PARENT_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)


@pytest.fixture(scope="module")
def place(project, cache, tmp_path_factory):
    """Return the tiny project with a cache whose children misbehave when asked to, and one run that nothing befell."""
    own = tmp_path_factory.mktemp("faults")
    misbehaving.misbehaving(own, environment_python("torch"))
    # What other tests have prepared is the same here.
    (cache / "artefacts").mkdir(exist_ok=True)
    (own / "artefacts").symlink_to(cache / "artefacts")
    found = Place(project, own)
    status, said = found.finish()
    assert status == 0, said
    return found


@pytest.fixture(scope="module")
def untouched(place):
    """Return the table of the run that nothing befell."""
    run = place.runs()[0]
    assert store.is_complete(require_whole(run))
    return place.table(run)


def test_children_that_misbehave_cost_their_own_invocation_at_most(place, untouched):
    queue = place.cache / "faults"
    # A group that loses its second cell is measured cell by cell. In the next, the first fails, and again by itself.
    faults = ("none", "rubbish", "none", "none", "none", "floods", "memory")
    misbehaving.ask_for(queue, faults)
    status, said = place.finish("--new")
    run = place.runs()[-1]
    assert misbehaving.taken(queue) == sorted(faults)
    assert status == 3 and "Traceback" not in said, said
    lines = require_whole(run)
    assert store.is_complete(lines)
    assert [(line["kind"], line["block"]) for line in lines if line["type"] == "failure"] == [("oom", 1)]
    invocations = [line for line in lines if line["type"] == "invocation"]
    assert Counter(line["block"] for line in invocations) == {0: CELLS, 1: CELLS - 1}
    assert not any("ring" in line for line in invocations)
    # How many blocks count is left out of tables here: that, the host's other work decides.
    assert place.table(run) == untouched


def test_a_run_goes_on_after_a_full_disk_and_after_any_signal_while_cells_are_timed_in_turns(place, untouched):
    whole = place.runs()[0].read_bytes()
    before, full = len(place.runs()), whole.index(b'{"type":"invocation"') + 500
    status, said = place.finish("--new", file_bytes=full)
    run = place.runs()[-1]
    assert status == 2 and "free some space" in said and "Traceback" not in said, said
    assert {line["type"] for line in require_whole(run)} == {"header", "dataset", "prepared", "accuracy", "peak"}
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        parent = place.start()
        there = wait_for_children(parent, CELLS)
        assert len(there) == CELLS, parent.communicate()[0]
        strike(parent, number, there)
        require_whole(run)
    status, said = place.finish(jumping=True)
    assert status == 0, said
    assert len(place.runs()) == before + 1
    assert store.is_complete(require_whole(run))
    assert place.table(run) == untouched


@pytest.mark.hours
def test_two_hundred_faults(place, untouched):
    """``HARNESS_FUZZ_SEED`` repeats one series of them."""
    seed = int(os.environ.get("HARNESS_FUZZ_SEED") or secrets.randbits(32))
    print(f"HARNESS_FUZZ_SEED={seed}")
    generator, queue, befallen = random.Random(seed), place.cache / "faults", 0
    of_children = [name for name in misbehaving.FAULTS if name != "none"]
    while befallen < 200:
        words = ("--new",)
        for _ in range(generator.randint(1, 6)):
            kind = generator.choice(("parent", "parent", "child", "child", "disk", "clock"))
            faults = [generator.choice(of_children) for _ in range(generator.randint(1, 4))]
            misbehaving.ask_for(queue, faults if kind == "child" else ())
            if kind == "disk":
                place.finish(*words, file_bytes=generator.randint(20_000, place.runs()[0].stat().st_size))
            elif kind == "parent":
                parent = place.start(*words)
                there = wait_for_children(parent, generator.randint(1, CELLS))
                if there:
                    strike(parent, generator.choice(PARENT_SIGNALS), there)
                else:
                    parent.communicate(timeout=900)
            else:
                place.finish(*words, jumping=kind == "clock")
            struck = misbehaving.taken(queue) if kind == "child" else [kind]
            befallen += len(struck)
            print(f"{befallen:4} {', '.join(struck)}", flush=True)
            require_whole(place.runs()[-1])
            words = ()
            if store.is_complete(store.read_run(place.runs()[-1])):
                break
        misbehaving.ask_for(queue, ())
        if not store.is_complete(store.read_run(place.runs()[-1])):
            place.finish()
        lines = require_whole(place.runs()[-1])
        assert store.is_complete(lines)
        failed = {line["cell_digest"] for line in lines if line["type"] == "failure"}
        for row, wanted in zip(place.table(place.runs()[-1]), untouched, strict=True):
            assert row == wanted or row["cell_digest"] in failed, (row, wanted)
