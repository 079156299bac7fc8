"""Each stage's key covers all code that the stage imports: what its own text names, and a change anywhere in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from harness.execute.artefacts import keys
from harness.execute.artefacts.keys import stage_keys
from harness.execute.process.code_layout import layout_of
from harness.execute.process.import_closure import PACKAGE
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

#: Stage -> the key that it is part of, and a module that it needs, by way of another one or from another room.
STAGES = {
    "tokenise": ("tokenise", "models/base.py"),
    "windows": ("tokenise", "models/base.py"),
    "finetune": ("finetune", "tasks/readers/__init__.py"),
    "quantize": ("artefact", "registry.py"),
    "tune": ("artefact", "registry.py"),
    "evaluate": ("evaluate", "backends/base.py"),
    "score": ("score", "tasks/score.py"),
}
SUITE = {"windows": ["suite=language", "tuner=none"], "tune": ["suite=tuning", "tuner=sensitivity"]}

#: What a line that imports from the harness names: a module, and perhaps modules of a folder.
IMPORT = re.compile(r"^\s*(?:from harness(?:\.([\w.]+))? import (.+)|import harness\.([\w.]+))", re.MULTILINE)


def _cell(stage):
    overrides = SUITE.get(stage, ["suite=quickstart", "task=sentiment"])
    return make_plan(catalogue(), [*overrides, "approach=ptq_dynamic", "backend=eager"]).cells[0]


def _keys(cell, package):
    return stage_keys(
        cell, locks=dict.fromkeys(("torch", "language"), "l"), host="h", cores=2, contents=(None, None), package=package
    )


@pytest.fixture
def fresh_code():
    keys.code_digest.cache_clear()
    yield
    keys.code_digest.cache_clear()


@pytest.mark.parametrize("stage", STAGES)
def test_a_changed_module_that_a_stage_imports_changes_its_key(stage, tmp_path, fresh_code):
    cell, (name, module) = _cell(stage), STAGES[stage]
    package = tmp_path / "harness"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = _keys(cell, package)
    (package / "errors.py").write_text((package / "errors.py").read_text() + "# words\n")
    keys.code_digest.cache_clear()
    assert _keys(cell, package) == before
    with (package / module).open("a") as text:
        text.write("# changed\n")
    keys.code_digest.cache_clear()
    assert getattr(_keys(cell, package), name) != getattr(before, name)


@pytest.mark.parametrize("stage", STAGES)
def test_every_import_that_stands_in_a_covered_file_is_covered(stage):
    cell = _cell(stage)
    names = {"backend": cell.backend.name, "reader": cell.task.reader, "architecture": cell.model.architecture}
    names |= {"metric": cell.task.metric, "strategy": cell.tuner.strategy or ""}
    layout = layout_of(PACKAGE)
    covered = {str(path.relative_to(PACKAGE)) for path in keys.covered(stage, names)}
    roots = {root.format(**names) for root in layout.stages[stage] if "*" not in root}
    assert roots <= covered
    left_out = {"errors.py", "text/words.py", "config/schema.py"}
    assert set(layout.not_covered) == left_out
    for file in covered:
        text = re.sub(r"(?m)^if TYPE_CHECKING:\n(?:(?: .*)?\n)+", "", (PACKAGE / file).read_text())
        for of, names_there, plain in IMPORT.findall(text.replace("(\n", "(")):
            folder = (of or plain).replace(".", "/")
            for one in {folder, *(f"{folder}/{word}".lstrip("/") for word in re.findall(r"\w+", names_there))}:
                path = f"{one}.py"
                is_tuner = any(map(Path(path).match, layout.tuners)) and stage != "tune"
                if one and (PACKAGE / path).is_file() and path not in left_out and not is_tuner:
                    assert path in covered, f"{file} imports {path}, which {stage} does not cover"
