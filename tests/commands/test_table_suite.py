"""``harness table --suite``: a stored run is judged by a corrected suite, and nothing is measured or written."""

from __future__ import annotations

import pytest
import yaml

from harness.__main__ import main
from harness.results import store
from tests.publish.sample_run import RUN, quickstart

AXES = {"approach": ["fp32", "bf16", "ptq_dynamic", "ptq_static", "qat"], "backend": ["eager", "fx"]}


@pytest.fixture
def results(tmp_path):
    lines = quickstart().records()
    writer = store.RunWriter.create(tmp_path / "results", lines[0])
    for line in lines[1:]:
        writer.append(line)
    return tmp_path / "results"


def judged(results, require, match=None, **suite):
    gates = [{"name": "asked", "require": require, "match": match or {}}]
    values = {"axes": AXES, "baseline": {"approach": "fp32", "backend": "eager"}, "gates": gates, **suite}
    path = results.parent / "corrected.yaml"
    path.write_text(yaml.safe_dump(values))
    before = sorted(results.rglob("*"))
    status = main(["table", RUN, "--results", str(results), "--suite", str(path)])
    assert sorted(results.rglob("*")) == before
    return status


@pytest.mark.parametrize(
    ("require", "match", "status", "words"),
    [
        ({"speedup": ">= 1.8"}, {"approach": "ptq_dynamic"}, 0, "gate met: asked"),
        ({"criterion": "!= failed"}, {"approach": "qat"}, 1, "gate failed: asked"),
        ({"criterion": "!= failed"}, {"approach": ["ptq_dynamic", "bf16"]}, 4, "gate undecided: asked"),
    ],
)
def test_the_corrected_gates_decide_the_exit_status(results, capsys, require, match, status, words):
    assert judged(results, require, match) == status
    assert words in capsys.readouterr().out


def test_the_corrected_baseline_is_what_the_rows_are_compared_with(results, capsys):
    assert judged(results, {"speedup": ">= 1.05"}, {"approach": "fp32"}, baseline={"approach": "bf16"}) == 0
    assert judged(results, {"speedup": ">= 1.05"}, {"approach": "bf16"}) == 1


def test_a_gate_that_fits_no_row_or_a_suite_without_gates_is_one_line(results, capsys):
    more = {**AXES, "approach": [*AXES["approach"], "weight_only"]}
    assert judged(results, {"value": ">= 0.5"}, {"approach": "weight_only"}, axes=more) == 2
    assert f"it fits no row of run {RUN}" in capsys.readouterr().err
    assert judged(results, {}, gates=[]) == 2
    assert "no gates to judge by" in capsys.readouterr().err
