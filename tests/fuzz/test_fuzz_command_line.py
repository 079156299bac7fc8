"""Command lines of any shape end in an answer or in one message."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from tests.fuzz import command_lines
from tests.fuzz.driver import call
from tests.fuzz.explore import explore, require_none


@pytest.mark.parametrize(("form", "count"), [((), 400), (("--json",), 60), (("--compatibility",), 40)])
def test_overrides(sandbox, tries, form, count):
    def case(overrides):
        finished = call(sandbox, "plan", *sandbox.places(), *form, "suite=small", *overrides)
        return finished.faults, " ".join(repr(text)[:200] for text in overrides)

    examples = st.lists(command_lines.overrides, min_size=1, max_size=2)
    require_none(explore(examples, case, count * tries["factor"], tries["random"]), count)


def test_a_number_that_no_config_can_mean_is_refused(sandbox, tries):
    def case(override):
        finished = call(sandbox, "plan", *sandbox.places(), "suite=small", override)
        path = override.partition("=")[0]
        accepted = (f"accepted: {path}",) if finished.status == 0 else ()
        return (*finished.faults, *accepted), override

    findings = explore(command_lines.impossible, case, 250, tries["random"])
    require_none(findings, 220)


@pytest.mark.parametrize(
    "override",
    [
        *("backend.variables.PATH=x", "backend.variables.LD_PRELOAD=x", "+backend.variables.LD_LIBRARY_PATH=x"),
        *("backend.variables={PYTHONPATH:x}", "backend.variables.PYTHONSTARTUP=x", "backend.variables.A=B=x"),
        *("backend.name=../eager", "backend=../backend/eager", "model=/etc/passwd", "suite=../conf/model/minilm"),
        *("model.environment=nope", "task.metric=/tmp", "task.metric=../x", "task.labels=[a,a]", "task.labels=[]"),
        *("host.cores=[9999]", "host.cores=[0,0]", "host.cores=[]", "host.cores=[-1]", "host.threads=99999"),
        *(
            "protocol.blocks=10000000",
            "protocol.blocks=range(0,1e9)",
            "protocol.blocks=1e14",
            "task.split.limit_train=-5",
        ),
        *("model.name=glob(*)", "protocol.blocks=interval(0,1)", "task.name=${oc.env:UNSET}", "task.name=${.name}"),
        *("task.max_length=" + "9" * 5000, "task.max_length=${oc.env:HOME}", "task.reader=../table", "task.name="),
    ],
)
def test_what_cannot_be_meant_is_refused(sandbox, override):
    finished = call(sandbox, "plan", *sandbox.places(), "suite=small", override)
    assert (finished.status, finished.faults) == (2, ()), finished.stdout[-500:]


def test_words_of_the_reading_commands(sandbox, tries):
    def case(words):
        options = sandbox.places() if words and not words[0].startswith("-") else ()
        finished = call(sandbox, *words[:1], *options, *words[1:])
        return finished.faults, " ".join(repr(text)[:200] for text in words)

    require_none(explore(command_lines.reading_commands(), case, 200 * tries["factor"], tries["random"]), 200)
