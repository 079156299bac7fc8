"""A cell's keys differ exactly where what is made differs."""

from __future__ import annotations

from harness.execute.artefacts.keys import maker, stage_keys
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

LOCKS = {"torch": "lock"}


def _keys(tuner: str, *fields: str):
    (cell,) = make_plan(
        catalogue(), ["suite=tuning", "approach=ptq_dynamic", "backend=eager", f"tuner={tuner}", *fields]
    ).cells
    return maker(cell), stage_keys(cell, locks=LOCKS, host="h", cores=2, contents=(None, None))


def test_a_criterion_is_part_of_what_a_tuner_makes_and_of_nothing_else():
    for tuner, stage, same in (("none", "quantize", True), ("sensitivity", "tune", False), ("basic", "tune", False)):
        made, keys = _keys(tuner)
        _, others = _keys(tuner, "protocol.criterion=0.25")
        assert made == stage
        assert keys.finetune == others.finetune
        assert (keys.artefact == others.artefact) is same, tuner


def test_each_tuner_and_each_of_its_limits_makes_another_artefact():
    keys = [_keys("none"), _keys("sensitivity"), _keys("basic"), _keys("basic", "tuner.max_trials=7")]
    assert len({found.artefact for _, found in keys}) == len(keys)
    assert len({found.evaluate for _, found in keys}) == len(keys)
