"""Where bytes come from and what scores them: pins that no client takes for an option, and trusted code only."""

from __future__ import annotations

import dataclasses

import pytest

from harness import metrics
from harness.config.schema import SourceConfig, SplitConfig, TaskConfig
from harness.errors import UserError
from harness.plan.catalogue import catalogue
from harness.plan.compose import options
from harness.plan.domains import check_domains
from harness.plan.matrix import make_plan

GOOD = SourceConfig(package="a-b.c==1.0", sha256="0" * 64, inside="x/y.csv")


def _named(axis: str) -> list[str]:
    """Return the options that are whole: one that is called custom waits for its source."""
    return [name for name in catalogue().names(axis) if name != "custom"]


def _task(source: SourceConfig = GOOD, **fields) -> TaskConfig:
    return TaskConfig(name="t", source=source, split=SplitConfig(held_out=20), **fields)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"package": "a==1 --index-url https://x.invalid"}, r"source\.package=.*want NAME==VERSION of registry pypi"),
        ({"package": "-e /tmp/x"}, "want NAME==VERSION"),
        ({"package": "--editable=/tmp/x==1"}, "want NAME==VERSION"),
        ({"package": "a @ https://x.invalid/a.whl"}, "want NAME==VERSION"),
        ({"package": "a"}, "want NAME==VERSION"),
        ({"package": "-oDir::Bin::Methods=/tmp==1", "registry": "debian"}, "want NAME==VERSION of registry debian"),
        ({"package": "../a==1", "registry": "debian"}, "want NAME==VERSION"),
        ({"sha256": "0"}, r"source\.sha256='0': want the 64 hex digits"),
        ({"sha256": "0" * 64 + " --global-option=x"}, "want the 64 hex digits"),
        ({"inside": "../x"}, r"source\.inside='\.\./x': want a file or a folder within the archive"),
        ({"inside": "/etc/passwd"}, "within the archive"),
        ({"inside": "x/../../y"}, "within the archive"),
        ({"inside": "."}, "within the archive"),
    ],
)
def test_a_package_is_a_pin_and_a_place_within_it(changes, words):
    check_domains(_task(), "task")
    with pytest.raises(UserError, match=words):
        check_domains(_task(dataclasses.replace(GOOD, **changes)), "task")


@pytest.mark.parametrize("hub_id", ["/tmp/x", "../x", "~/x", "a/b/c", "./x", "a/..", "-x", ""])
def test_a_hub_id_is_no_path(hub_id):
    source = SourceConfig(hub_id="someone/some-set", revision="0123abc")
    check_domains(_task(source), "task")
    with pytest.raises(UserError, match=r"task\.source\.hub_id=.*: want NAME or OWNER/NAME"):
        check_domains(_task(dataclasses.replace(source, hub_id=hub_id)), "task")


@pytest.mark.parametrize("axis", ["model", "task"])
def test_every_shipped_source_and_metric_is_taken(axis):
    for name in _named(axis):
        check_domains(options(catalogue(), axis, name, {})[0].config, axis)


@pytest.mark.parametrize("metric", ["/tmp/folder", "./folder", "someone/metric", "glue", "acuracy", "../accuracy"])
def test_a_metric_that_brings_its_code_is_asked_for(metric):
    with pytest.raises(UserError, match=r"task\.metric=.*brings its own code, which task\.trust_remote_code=true runs"):
        check_domains(_task(metric=metric), "task")
    check_domains(_task(metric=metric, trust_remote_code=True), "task")


def test_a_misspelled_metric_is_told_before_anything_runs():
    with pytest.raises(UserError, match=r"task\.metric=acuracy: not ours; did you mean 'accuracy'\?"):
        make_plan(catalogue(), ["suite=quickstart", "task=sentiment", "backend=eager", "task.metric=acuracy"])
    for kind in ("classification", "regression"):
        for metric in metrics.shipped(kind):
            check_domains(_task(metric=metric, kind=kind), "task")
