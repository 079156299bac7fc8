"""Options in the tree, in a project's folder plugins and in installed packages: found by name, run only when asked for.

Files outside the tree leave a mark where they run, so that a test can say that one did not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import metrics, registry
from harness.__main__ import main
from harness.data.token_rows import Rows
from harness.errors import StageError
from harness.execute.artefacts import keys
from harness.execute.process import import_closure
from harness.plan.catalogue import catalogue
from harness.registry import BACKENDS, KINDS, METRICS, MODELS, READERS, SEARCHES, VARIABLE, Kind, use_project
from tests.backend_env import REPOSITORY
from tests.execute.process import stand_ins
from tests.plugin_files import LEAST, METRIC, PLAN, configure, has_run, line_of, plugin


@pytest.fixture(autouse=True)
def _nothing_of_another_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(VARIABLE, raising=False)
    use_project(None)
    yield
    use_project(None)


def in_python(code: str, folder: Path, **variables: str) -> Any:
    """Run `code` in a fresh process whose path begins with `folder`, and return what it prints last, as JSON."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}", **variables}
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def installed(folder: Path, group: str, name: str, text: str) -> Path:
    """Write a distribution of one module, which declares it in `group`, to a folder of packages; return the module."""
    package = folder / "other_tools"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('a package above an option is not imported')\n")
    (package / "share.py").write_text(text)
    about = folder / "other_tools-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other-tools\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = other_tools.share\n")
    return package / "share.py"


# In the tree


def test_the_folders_of_the_tree_are_options_and_what_they_share_is_none():
    assert BACKENDS.names() == sorted(catalogue().names("backend"))
    assert METRICS.names() == ["accuracy", "f1_macro", "matthews", "pearson", "perplexity"]
    assert SEARCHES.names() == ["basic", "sensitivity"]
    assert not {"base", "limits", "checkpoint", "common", "torch_common", "registry", "__init__"}.intersection(
        name for kind in KINDS for name in kind.names()
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_option_of_the_tree_offers_what_its_kind_does(kind: Kind):
    for name in kind.shipped():
        assert hasattr(kind.module(name), kind.offers), name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_name_is_looked_up_and_never_a_path(kind: Kind, tmp_path: Path):
    file = plugin(tmp_path, "share")
    use_project(tmp_path)
    here = kind.file(kind.shipped()[0])
    paths = (f"../{here.parent.name}/{here.stem}", f"./{here.stem}", str(here), str(file), "../plugins/share", "", "\0")
    for name in paths:
        with pytest.raises(StageError, match=rf"^{kind.field}: no {kind.name} '") as error:
            kind.module(name)
        assert error.value.kind == "bad_config" and "\n" not in error.value.message
    assert not has_run(file)


# In a project


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_file_of_a_project_is_what_it_defines(kind: Kind, tmp_path: Path):
    file = plugin(tmp_path, "my_own", LEAST[kind])
    use_project(tmp_path)
    assert [one for one in KINDS if "my_own" in one.names()] == [kind]
    assert kind.file("my_own") == file
    assert "my_own" not in kind.shipped()
    assert hasattr(kind.module("my_own"), kind.offers)
    with pytest.raises(StageError, match="did you mean 'my_own'"):
        kind.file("my_ovn")


def test_only_what_is_named_is_run(tmp_path: Path):
    named, other = plugin(tmp_path, "share"), plugin(tmp_path, "other")
    use_project(tmp_path)
    assert (has_run(named), has_run(other)) == (False, False)
    assert metrics.find("share").values(np.array([0, 0, 1, 2]), np.zeros(4)) == 0.5
    assert metrics.is_percent("share")
    assert "share" not in metrics.shipped("classification")
    assert (has_run(named), has_run(other)) == (True, False)


def test_options_of_a_project_end_with_it(tmp_path: Path):
    plugin(tmp_path / "one", "share")
    plugin(tmp_path / "two", "other")
    use_project(tmp_path / "one")
    assert metrics.find("share") is not None
    use_project(tmp_path / "two")
    assert metrics.find("share") is None and "other" in METRICS.names()
    use_project(None)
    assert VARIABLE not in os.environ and registry.passed_on() == {}
    assert METRICS.names() == METRICS.shipped()


def test_two_projects_may_have_files_of_one_name(tmp_path: Path):
    for name, least in (("a-b", 0.25), ("a_b", 0.75)):
        text = METRIC.replace("(predictions == 0).mean(axis=-1)", f"predictions.mean(axis=-1) * 0 + {least}")
        plugin(tmp_path / name, "share", text)
        use_project(tmp_path / name)
        assert metrics.find("share").values(np.zeros(3), np.zeros(3)) == least


def test_files_with_a_line_or_a_dot_before_their_name_are_no_options(tmp_path: Path):
    for name in ("_shared", ".#share", "__init__"):
        plugin(tmp_path, name, "nothing at all")
    (tmp_path / "plugins" / "notes.txt").write_text("nothing at all")
    use_project(tmp_path)
    assert registry.passed_on() == {}


def test_the_current_folder_is_no_project(tmp_path: Path, capsys, monkeypatch):
    file = plugin(tmp_path, "share")
    monkeypatch.chdir(tmp_path)
    line = line_of([*PLAN, "task.metric=share"], capsys)
    assert "task.metric=share: not ours" in line and not has_run(file)
    assert main([*PLAN, "task.metric=share", "--project", "."]) == 0
    assert has_run(file)


def test_a_config_of_the_project_names_its_backend(tmp_path: Path, capsys):
    plugin(tmp_path, "my_own", LEAST[BACKENDS])
    config = configure(tmp_path, "my_own")
    words = ["plan", "suite=quickstart", "task=sentiment", "approach=fp32", "backend=eager,my_own", "--json"]
    assert main([*words, "--project", str(tmp_path)]) == 0
    assert any("/fp32/my_own/" in cell["key"] for cell in json.loads(capsys.readouterr().out)["cells"])
    config.write_text("name: my_ovn\nenvironment: torch\n")
    line = line_of([*words, "--project", str(tmp_path)], capsys)
    assert line.endswith("backend.name: no backend 'my_ovn'; did you mean 'my_own'?")


@pytest.mark.parametrize("metric", ["shar", "../share", "./share"])
def test_a_name_that_is_none_has_the_nearest(tmp_path: Path, capsys, metric):
    file = plugin(tmp_path, "share")
    line = line_of([*PLAN, f"task.metric={metric}", "--project", str(tmp_path)], capsys)
    assert f"task.metric={metric}: not ours; did you mean 'share'?" in line and not has_run(file)


def test_a_record_s_plugin_is_run_only_with_its_project(tmp_path: Path, capsys, monkeypatch):
    """A record names a backend that the project has, and `rerun` says in one line that it could not be run (3)."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    file = plugin(tmp_path, "my_own", f"{METRIC.partition('def')[0]}\n{LEAST[BACKENDS]}")
    (tmp_path / "results" / "runs").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "results" / "environments", tmp_path / "results" / "environments")
    run = next((REPOSITORY / "results" / "runs").glob("*-quickstart-859e.jsonl"))
    header, *others = run.read_text().splitlines()
    told = json.loads(header)
    (option,) = (one for one in told["options"] if one["config"]["name"] == "onnxruntime")
    option["config"]["name"] = "my_own"
    (tmp_path / "results" / "runs" / run.name).write_text("\n".join([json.dumps(told), *others, ""]))
    monkeypatch.chdir(tmp_path)
    assert main(["rerun", f"{run.stem}:ptq_static/onnxruntime"]) == 3
    shown = capsys.readouterr()
    told = " ".join((shown.out + shown.err).split())
    assert "backend.name: no backend 'my_own'" in told and "wants --project" in told and "Traceback" not in told
    assert not has_run(file)


# In installed packages

_FOUND = """
import json
from harness import metrics, registry
registry.use_project(None)
found = [registry.METRICS.names(), str(registry.METRICS.file("share"))]
print(json.dumps([*found, metrics.find("share").percent, json.loads(registry.passed_on()[registry.VARIABLE])]))
"""


def test_an_installed_package_declares_an_option_by_an_entry_point(tmp_path: Path):
    file = installed(tmp_path, "lowp_harness.metrics", "share", METRIC)
    names, where, percent, told = in_python(_FOUND, tmp_path)
    assert "share" in names and where == str(file) and percent is True
    assert told == {"metric": {"share": str(file)}}


def test_an_entry_point_takes_no_name_of_the_tree_and_gives_way_to_a_project(tmp_path: Path):
    installed(tmp_path, "lowp_harness.metrics", "accuracy", METRIC)
    code = "import json\nfrom harness import registry\nprint(json.dumps(str(registry.METRICS.file('accuracy'))))"
    assert Path(in_python(code, tmp_path)).is_relative_to(REPOSITORY)
    (tmp_path / "other_tools-1.0.dist-info" / "entry_points.txt").write_text(
        "[lowp_harness.metrics]\nshare = other_tools.share\nlost = other_tools.not_there\n"
    )
    mine = plugin(tmp_path / "project", "share")
    code = f"""
import json
from pathlib import Path
from harness import registry
registry.use_project(Path({str(tmp_path / "project")!r}))
print(json.dumps([str(registry.METRICS.file("share")), "lost" in registry.METRICS.names()]))
"""
    assert in_python(code, tmp_path) == [str(mine), False]


# In children, and in keys


def test_a_child_scores_by_a_metric_of_the_project(tmp_path: Path):
    """A real stage, in a process of this Python, whose environment the parent makes."""
    file = plugin(tmp_path, "share")
    Rows(input_ids=np.arange(4), token_type_ids=np.zeros(4, np.int64), offsets=np.arange(5), labels=np.arange(4)).save(
        tmp_path / "evaluation.npz"
    )
    cell = stand_ins.cell().to_dict()
    cell["task"]["metric"] = "share"
    spec = {"stage": "score", "cell": cell, "inputs": {"tokenised": str(tmp_path)}}
    spec["options"] = {"predictions": [0, 0, 0, 1]}
    use_project(tmp_path)
    outcome = stand_ins.run(Path(sys.executable), tmp_path, **spec)
    assert (outcome.status, outcome.message) == ("ok", "")
    assert outcome.values["metric"] == {"name": "share", "value": 0.75, "greater_is_better": True}
    assert has_run(file)
    file.write_text("METRIC = 1 / 0\n")
    broken = stand_ins.run(Path(sys.executable), tmp_path, **spec)
    assert broken.status == "bad_config" and f"{file}:1: cannot be imported: ZeroDivisionError" in broken.message
    use_project(None)
    without = stand_ins.run(Path(sys.executable), tmp_path, **spec)
    assert without.status == "bad_config" and "brings its own code" in without.message


@pytest.mark.parametrize("with_project", [False, True])
def test_what_the_user_s_own_variable_names_is_not_run(tmp_path: Path, with_project: bool):
    file = plugin(tmp_path / "foreign", "share")
    own = plugin(tmp_path / "own", "mine")
    told = json.dumps({kind.name: {"share": str(file), "eager": str(file)} for kind in KINDS})
    words = [*PLAN, "task.metric=share", *(["--project", str(tmp_path / "own")] if with_project else [])]
    finished = subprocess.run(
        [sys.executable, "-m", "harness", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, VARIABLE: told, "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert finished.returncode == 2 and "task.metric=share: not ours" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert not has_run(file) and not has_run(own)


def test_a_variable_that_is_no_json_harms_nobody(monkeypatch):
    monkeypatch.setenv(VARIABLE, "{")
    assert main(list(PLAN)) == 0


@pytest.mark.parametrize(
    ("kind", "stage"), [(METRICS, "score"), (BACKENDS, "quantize"), (READERS, "tokenise"), (SEARCHES, "tune")]
)
def test_a_file_of_a_project_is_part_of_the_keys_of_what_it_makes(tmp_path: Path, kind: Kind, stage: str):
    file = plugin(tmp_path, "share", LEAST[kind])
    use_project(tmp_path)
    names = {BACKENDS: "eager", READERS: "table", MODELS: "bert", METRICS: "accuracy", SEARCHES: "basic"}

    def digest(changed: dict[Kind, str]) -> str:
        keys.code_digest.cache_clear()
        import_closure._imports.cache_clear()
        return keys.code_digest(stage, *{**names, **changed}.values())

    shipped = digest({})
    first = digest({kind: "share"})
    file.write_text(LEAST[kind] + "# another\n")
    assert len({shipped, first, digest({kind: "share"})}) == 3
    assert digest({}) == shipped
