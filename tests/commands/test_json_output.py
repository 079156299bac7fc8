"""What ``--json`` prints has the form that docs/reference/json.md says, and its figures are those of the CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from harness.__main__ import main
from harness.commands.shared.json_forms import FORMS
from tests.commands import json_page
from tests.commands.test_compare_command import A, B, store_run
from tests.commands.test_table_suite import AXES
from tests.publish.sample_run import RUN, quickstart
from tests.results.store_sample import store_sample


def printed(form: str, arguments: list[str], capsys: pytest.CaptureFixture[str], status: int = 0) -> dict:
    """Return the object that a command has printed, alone on standard output and of its form."""
    assert main([*arguments, "--json"]) == status
    shown = capsys.readouterr().out
    content = json.loads(shown)
    Draft202012Validator(FORMS[form]).validate(content)
    assert content["command"] == form and shown.isascii()
    return content


def test_the_page_is_written_from_the_forms() -> None:
    assert json_page.PAGE.read_text(encoding="utf-8") == json_page.page()


def test_a_form_refuses_a_field_too_many_and_one_too_few() -> None:
    gate = {"gate": "g", "state": "met", "because": "1 row"}
    form = Draft202012Validator(FORMS["table"]["properties"]["gates"])
    assert form.is_valid([gate])
    assert not form.is_valid([{**gate, "more": 1}]) and not form.is_valid([{"gate": "g", "state": "met"}])
    assert not form.is_valid([{**gate, "state": "perhaps"}])


def test_a_plan_names_its_cells_and_the_excluded_ones(capsys) -> None:
    content = printed("plan", ["plan", "suite=quickstart", "backend=eager"], capsys)
    assert {cell["key"].split("/")[3] for cell in content["cells"]} == {"eager"}
    assert content["suite"]["name"] == "quickstart" and content["excluded"]


def test_a_plan_of_data_that_cannot_be_run_says_so(tmp_path, capsys) -> None:
    arguments = ["plan", "suite=quickstart", "task=custom", f"task.source.path={tmp_path / 'none.csv'}"]
    content = printed("plan", arguments, capsys, status=2)
    assert "no such file" in content["inputs"][0]["problem"]


def test_this_host_and_the_environments(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert printed("doctor", ["doctor"], capsys)["host"]["isa"]
    states = {one["name"]: one["state"] for one in printed("env list", ["env", "list"], capsys)["environments"]}
    assert states["torch"] == "not built"
    assert main(["env", "build", "torch", "--json"]) == 2
    assert "--json is of 'harness env list' alone" in capsys.readouterr().err


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return store_sample(tmp_path / "results", quickstart().records())


def test_the_status_of_a_run(results, capsys) -> None:
    content = printed("status", ["status", "--results", str(results)], capsys, status=3)
    assert content["run"] == RUN and content["counts"] == {"done": 5, "failed": 1, "left": 0}
    assert [one["kind"] for one in content["failures"]] == ["oom"]


def test_the_rows_of_a_table_are_those_of_its_csv(results, capsys) -> None:
    content = printed("table", ["table", RUN, "--results", str(results)], capsys)
    (path,) = [one for one in content["written"] if one.endswith(".csv")]
    with Path(path).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [list(row) for row in content["rows"]] == [list(row) for row in rows]
    for ours, theirs in zip(content["rows"], rows, strict=True):
        for name, value in ours.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert value == float(theirs[name])
            else:
                assert ("" if value is None else str(value)) == theirs[name]


def test_gates_are_told_with_the_rows_that_decide_them(results, tmp_path, capsys) -> None:
    gate = {"name": "asked", "match": {"approach": "qat"}, "require": {"criterion": "!= failed"}}
    suite = tmp_path / "corrected.yaml"
    values = {"axes": AXES, "baseline": {"approach": "fp32", "backend": "eager"}, "gates": [gate]}
    suite.write_text(json.dumps(values))
    arguments = ["table", RUN, "--results", str(results), "--suite", str(suite)]
    (judged,) = printed("table", arguments, capsys, status=1)["gates"]
    assert (judged["gate"], judged["state"]) == ("asked", "failed") and "qat/fx" in judged["because"]
    assert not (results / "tables").exists()


def test_a_comparison_tells_its_verdicts_and_why_its_exit_status_is_what_it_is(tmp_path, capsys) -> None:
    store_run(tmp_path, A, other=B)
    store_run(tmp_path, B, other=A, int8=1.5)
    content = printed("compare", ["compare", A, B, "--stored", "--results", str(tmp_path)], capsys, status=1)
    assert content["runs"] == [A, B] and content["mode"] == "interleaved"
    verdicts = {row["approach"]: row["latency_verdict"] for row in content["rows"]}
    assert verdicts["ptq_static"] == "slower"
    assert (content["regression"], content["failed"], content["open"]) == (True, False, False)
