"""A stored run is data: what it names is brought back only where that is no code, or somebody has said ``--trust``."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.commands import trend_confirm
from harness.errors import StageError, UserError
from harness.execute.compare import foreign_code, variant
from harness.execute.compare.rerun import open_rerun
from harness.execute.environments.pinned import Environments
from harness.execute.run import code
from harness.execute.run.assemble import Place, make_header
from harness.plan import compose
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan
from harness.results import store
from tests.backend_env import REPOSITORY

OVERRIDES = ["suite=quickstart", "task=sentiment", "approach=fp32,ptq_dynamic", "backend=eager"]

#: Axis -> fields of its config in a record, and what is said that would run.
CODE = {
    "model": ({"trust_remote_code": True}, r"the code of model \S+ \(model\.trust_remote_code\)"),
    "task": ({"metric": "/tmp/folder", "trust_remote_code": True}, r"the metric /tmp/folder \(task\.metric\)"),
    "source": (
        {"package": "theirs==1.0", "source_distribution": True},
        r"the build of the source distribution theirs==1\.0 \(task\.source\)",
    ),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(REPOSITORY)
    return Place(tmp_path / "results", tmp_path / "cache")


@pytest.fixture
def known(place: Place) -> Environments:
    return Environments(catalogue(), place.cache / "environments")


@pytest.fixture(scope="module")
def plan():
    return make_plan(catalogue(), OVERRIDES)


def _stored(place: Place, known: Environments, plan: Any, axis: str = "", **fields: Any) -> list[dict[str, Any]]:
    """Store a run whose configs of an axis (``source``: the task's) have other fields, and return its records."""
    header = make_header(plan, known, place, code.own())
    for option in header["options"]:
        if option["axis"] == ("task" if axis == "source" else axis):
            config = option["config"]
            (config["source"] if axis == "source" else config).update(fields)
    store.RunWriter.create(place.results, header).close()
    return store.read_run(store.find_run(place.results, header["run"]))


def _line(capsys: pytest.CaptureFixture[str]) -> str:
    printed = capsys.readouterr()
    (line,) = [one for one in (printed.out + printed.err).splitlines() if one.strip()]
    return line


def test_what_is_shipped_runs_no_code_of_others(place, known, plan):
    records = _stored(place, known, plan)
    again = open_rerun(records, "fp32", known, place.results)
    assert any(cell.task.source.source_distribution for cell in again.plan.cells), "nothing is built from source here"
    assert foreign_code.of_cells(again.plan.cells, catalogue()) == []
    assert foreign_code.of_locks(again.plan.environments, again.environments, known) == []
    assert again.plan.cells[0].to_dict() == plan.cells[0].to_dict()
    foreign_code.require_trust([], "run x", trusted=False)


@pytest.mark.parametrize("axis", CODE)
def test_code_that_a_record_names_is_named_and_not_run(place, known, plan, capsys, axis):
    fields, words = CODE[axis]
    records = _stored(place, known, plan, axis, **fields)
    again = open_rerun(records, "fp32", known, place.results)
    (found,) = foreign_code.of_cells(again.plan.cells, catalogue())
    with pytest.raises(UserError, match=rf"^run x would run {words}: look at it, then --trust runs it$"):
        foreign_code.require_trust([found], "run x", trusted=False)
    run, results = records[0]["run"], ("--results", str(place.results))
    before = sorted(place.results.rglob("*"))
    # A rerun of a record without figures would end before it ran anything; trust is asked for first.
    assert main(["rerun", *results, f"{run}:fp32"]) == 2
    assert f"run {run} would run {found}" in _line(capsys)
    assert sorted(place.results.rglob("*")) == before and not (place.cache / "logs").exists()
    assert main(["rerun", *results, f"{run}:fp32", "--trust"]) == 2
    told, line = capsys.readouterr().err.splitlines()
    assert told == f"run {run} runs {found}, as --trust says."
    assert f"run {run} has no figure of it that could hold" in line


@pytest.mark.parametrize("axis", CODE)
def test_who_trusts_it_gets_it(place, known, plan, axis):
    run = _stored(place, known, plan, axis, **CODE[axis][0])[0]["run"]
    with pytest.raises(UserError, match=f"run {run} would run "):
        variant.resolve(variant.parse(run), plan, known, place)
    resolved = variant.resolve(variant.parse(run), plan, known, place, trusted=True)
    assert len(resolved.foreign) == 1


@pytest.mark.parametrize(
    "override",
    # The torch backends take no model with code of its own.
    ["model.trust_remote_code=true backend=onnxruntime", "task.metric=/tmp/folder task.trust_remote_code=true"],
)
def test_the_overrides_of_a_record_are_no_command_line(place, known, plan, capsys, override):
    more = override.split()
    theirs = [text for text in OVERRIDES if text.split("=")[0] not in [one.split("=")[0] for one in more]] + more
    for texts, words in ((theirs, "would run the "), (OVERRIDES, None)):
        header = make_header(dataclasses.replace(plan, overrides=tuple(texts)), known, place, code.own())
        store.RunWriter.create(place.results, header).close()
        arguments = ["compare", "--results", str(place.results), header["run"], "code:/nowhere"]
        # Without such an override it is the next mistake that is told.
        assert main(arguments) == 2
        assert (words or "no package 'harness' in it") in _line(capsys)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        *(("variables", name) for name in ("PYTHONPATH", "LD_PRELOAD", "PATH", "OMP_TOOL_LIBRARIES", "MY_OWN", "A=B")),
        *(("isa_variables", name) for name in ("PYTHONPATH", "MY_OWN")),
    ],
)
def test_a_variable_of_a_record_is_none_of_a_process(place, known, plan, field, name):
    values = {name: "/tmp/x"} if field == "variables" else {"avx2": {name: "/tmp/x"}}
    records = _stored(place, known, plan, "backend", **{field: values})
    with pytest.raises(StageError, match=rf"cell .*: backend\.{field}.*{name}.*made the record") as error:
        open_rerun(records, "fp32", known, place.results)
    assert error.value.kind == "bad_config"


def test_no_trust_brings_a_variable_of_a_record_back(place, known, plan, capsys):
    run = _stored(place, known, plan, "backend", variables={"PYTHONPATH": "/tmp/x"})[0]["run"]
    results = ("--results", str(place.results), "--trust")
    assert main(["rerun", *results, f"{run}:fp32"]) == 3
    assert _line(capsys).startswith("It could not be run: cell ")
    assert main(["compare", *results, run, "now", *OVERRIDES]) == 2
    assert f"run {run}: its backend eager cannot be brought back: backend.variables" in _line(capsys)


def test_packages_that_no_lock_here_names_are_named_and_not_installed(place, known, plan, capsys):
    lock = place.results.parent / "theirs.txt"
    lock.write_text(f"{known.lock('torch').text}theirs-one==1.0\ntheirs-two==2.0\n")
    run = _stored(place, known.with_locks({"torch": lock}), plan)[0]["run"]
    words = "would run packages that no lock here names: theirs-one==1.0, theirs-two==2.0: look at it"
    with pytest.raises(UserError, match=words):
        variant.resolve(variant.parse(run), plan, known, place)
    assert main(["rerun", "--results", str(place.results), f"{run}:fp32"]) == 2
    assert words in _line(capsys)
    resolved = variant.resolve(variant.parse(run), plan, known, place, trusted=True)
    assert resolved.environments.lock_hash("torch") != known.lock_hash("torch")


def test_a_lock_of_a_record_that_is_no_lock_runs_nothing(place, known, plan, capsys):
    header = _stored(place, known, plan)[0]
    own = place.results.parent / "own"
    own.mkdir()
    ran = own / "ran"
    (own / "setup.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    path = store.environment_file(place.results, "torch", header["environments"]["torch"])
    text = path.read_text()
    for more in (f"# why \\\n-e {own}\n", f"-e {own}\n", f"--edit {own}\n", f"{own}\n", f"own @ file://{own}\n"):
        path.write_text(text + more)
        assert main(["rerun", "--results", str(place.results), f"{header['run']}:fp32"]) == 3
        line = _line(capsys)
        assert line.startswith(f"It could not be run: {path.name}") and "NAME==VERSION" in line
    assert not ran.exists() and not (place.cache / "environments").exists()


def test_an_environment_of_a_record_is_one_by_name_and_its_lock_by_hash(place, known, plan):
    records = _stored(place, known, plan, "backend", environment="../environment/torch")
    records[0]["environments"]["../environment/torch"] = "0" * 16
    with pytest.raises(StageError, match=r"no environment '\.\./environment/torch'; valid: .*torch"):
        open_rerun(records, "fp32", known, place.results)


@pytest.mark.parametrize("named", [{}, {"torch": "../../x"}, {"torch": ""}])
def test_a_lock_of_a_record_is_named_by_its_hash(place, known, plan, named):
    records = _stored(place, known, plan)
    records[0]["environments"] = named
    with pytest.raises(StageError, match="environment torch: the record names no hash of its lock"):
        open_rerun(records, "fp32", known, place.results)


@pytest.mark.parametrize(
    ("run", "revision"),
    [
        ("a", "1" * 40 + "+code:/tmp/x"),
        ("a", "--upload-pack=x"),
        ("a", None),
        ("a+code:/tmp/x", "1" * 40),
        ("../a", "1" * 40),
    ],
)
def test_a_record_names_no_other_part_of_a_side(run, revision):
    point = types.SimpleNamespace(run=run, harness={"revision": revision})
    with pytest.raises(UserError, match="want the name of a run, and a commit"):
        trend_confirm._variant(point, True)
    good = types.SimpleNamespace(run="20261124T1-x.y_z", harness={"revision": "1" * 40})
    assert trend_confirm._variant(good, True) == f"20261124T1-x.y_z+rev:{'1' * 40}"
    assert trend_confirm._variant(good, False) == "20261124T1-x.y_z"


@pytest.mark.slow
def test_every_stored_run_here_can_be_brought_back(known):
    results, seen = REPOSITORY / "results", set()
    for path in store.runs(results):
        records = store.read_run(path)
        header = records[0]
        for option in header["options"]:
            if option["digest"] not in seen:
                seen.add(option["digest"])
                compose.stored(option["axis"], option["config"], option["label"])
        again = open_rerun(records, header["cells"][0]["key"], known, results)
        assert foreign_code.of_cells(again.plan.cells, catalogue()) == [], path.name
        assert foreign_code.of_locks(again.plan.environments, again.environments, known) == [], path.name
    assert len(seen) > 20
