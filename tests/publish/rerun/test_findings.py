"""What a rerun says of a recorded figure: known changes of its records, and whether the figure then holds."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from harness.publish.rerun import findings
from harness.publish.rerun.findings import Finding
from tests.publish.sample_run import SampleRun

Lines = list[dict[str, Any]]


def _records(factor: float = 1.0, host_factor: float = 1.0, wrong: tuple[int, ...] = (1, 2)) -> tuple[Lines, str, str]:
    run = SampleRun()
    fp32, static = run.cell("fp32"), run.cell("ptq_static", "fx")
    run.measured(fp32, set(), [host_factor * level for level in (30.0, 31.0, 29.0, 32.0)])
    run.measured(static, set(wrong), [host_factor * factor * level for level in (15.0, 15.6, 14.6, 16.0)])
    return run.records(), static["digest"], fp32["digest"]


def _found(now: Lines, **changed: Any) -> dict[str, Finding]:
    then, digest, baseline = _records()
    now = copy.deepcopy(now)
    for line in now:
        for name, value in changed.items():
            kind, _, field = name.partition("__")
            if line["type"] == kind:
                line[field] = value
    sides = [findings.figures(lines, digest, baseline) for lines in (then, now)]
    found = findings.findings(*sides, 0.95)
    return {one.topic: one for one in found} | {"verdict": Finding("", *findings.verdict(found))}


def test_the_same_records_hold():
    found = _found(_records()[0])
    assert {topic: one.holds for topic, one in found.items()} == {
        **{"data": True, "artefact": None, "accuracy": True, "latency": True, "speed-up": None, "verdict": True}
    }
    assert "bit-equal" in found["accuracy"].sentence and "all logits" in found["accuracy"].sentence
    assert found["verdict"].sentence == "The old figure holds: data, accuracy, latency."


@pytest.mark.parametrize(
    ("changed", "topic", "words"),
    [
        ({"dataset__fingerprints": {"train": "x", "evaluation": "y"}}, "data", "fingerprints differ"),
        ({"dataset__labels": ["x"]}, "data", "labels differ"),
        ({"accuracy__logits_sha256": "1" * 64}, "accuracy", "not bit by bit in logits, though the host is the same"),
        ({"accuracy__rows": 100}, "accuracy", "over 100 rows instead of 400"),
    ],
)
def test_what_is_not_equal_does_not_hold(changed, topic, words):
    found = _found(_records()[0], **changed)
    assert found[topic].holds is False and words in found[topic].sentence
    assert found["verdict"].holds is False and topic in found["verdict"].sentence


def test_other_predictions_are_counted():
    found = _found(_records(wrong=(1, 2, 7))[0])
    assert found["accuracy"].holds is False
    assert "1 of 400 predictions differ, accuracy 0.9925 instead of 0.995" in found["accuracy"].sentence


@pytest.mark.parametrize(("factor", "holds"), [(1.02, True), (0.98, True), (1.3, False), (0.7, False)])
def test_a_latency_holds_where_a_repetition_may_fall(factor, holds):
    latency = _found(_records(factor)[0])["latency"]
    assert latency.holds is holds
    assert ("inside [" if holds else "outside [") in latency.sentence
    told = re.search(r"([\d.]+) ms in 4 blocks, recorded is 15\.29 \[", latency.sentence)
    assert told and float(told[1]) == pytest.approx(15.29 * factor, abs=0.011)


def test_another_host_compares_by_its_speed_up_only():
    """Half as fast in all, which is no change of the ratio; then in the cell alone."""
    alike = _found(_records(host_factor=2.0)[0], header__host="other", accuracy__logits_sha256="1" * 64)
    assert "latency" not in alike and alike["speed-up"].holds and alike["verdict"].holds
    assert "which another host does not owe" in alike["accuracy"].sentence and alike["accuracy"].holds
    slower = _found(_records(factor=1.5, host_factor=2.0)[0], header__host="other")
    assert slower["speed-up"].holds is False and not slower["verdict"].holds


def test_another_key_names_the_first_stage_that_differs():
    stages = [{"stage": stage, "artefact": stage, "seconds": 1, "reused": True} for stage in ("tokenise", "finetune")]
    then, digest, baseline = _records()
    now = copy.deepcopy(then)
    for lines, last in ((then, "finetune"), (now, "other")):
        for line in lines:
            if line["type"] == "prepared":
                line |= {"stages": [stages[0], {**stages[1], "artefact": last}], "artefact": last}
    found = findings.findings(*(findings.figures(lines, digest, baseline) for lines in (then, now)), 0.95)
    assert "the stage finetune have changed" in next(one.sentence for one in found if one.topic == "artefact")


def test_one_block_decides_nothing():
    then, digest, baseline = _records()
    one = [line for line in then if line["type"] != "invocation" or line["block"] == 0]
    found = {
        found.topic: found.holds
        for found in findings.findings(
            findings.figures(one, digest, baseline), findings.figures(then, digest, baseline), 0.95
        )
    }
    assert found["latency"] is None and found["speed-up"] is None and found["accuracy"] is True


def test_hosts_harness_and_locks_are_compared_field_by_field():
    then, digest, baseline = _records()
    now = copy.deepcopy(then)
    now[0]["harness"] = {"version": "0.1.0", "revision": "f" * 40, "dirty": True}
    sides = [findings.figures(lines, digest, baseline) for lines in (then, now)]
    old = {"kernel": "6.1", "caches": [{"level": 1, "size_bytes": 32}], "isa": ["avx2"], "numa": []}
    new = {"kernel": "6.2", "caches": [{"level": 1, "size_bytes": 48}], "isa": ["avx2"], "numa": []}
    pins = findings.pin_differences(
        {"torch": "2.12.0", "numpy": "2.0", "six": "1.0"}, {"torch": "2.13.0", "numpy": "2.0"}
    )
    told = [one.sentence for one in findings.around(*sides, (old, new), {"torch": pins, "ipex": []})]
    assert len(told) == 3
    assert "kernel: 6.1, now 6.2; caches[0].size_bytes: 32, now 48" in told[0] and "isa" not in told[0]
    assert "revision ffffffffffff with uncommitted changes" in told[1]
    assert told[2].endswith("differs: six: 1.0, now absent; torch: 2.12.0, now 2.13.0.")
    assert "no field differs" in findings.around(*sides, (old, old), {})[0].sentence
    assert "is not described" in findings.around(*sides, (None, old), {})[0].sentence
