"""What tutorials and guides show works: their files are taken as they are, and in hours all their commands are run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness import registry
from harness.cli import run
from harness.config.schema import TaskConfig
from harness.errors import StageError
from harness.tasks.score import score
from tests.docs.pages import DOCS, REPOSITORY, blocks
from tests.docs.walk import commands, follow, write_files

GUIDES = sorted(
    page for folder in ("tutorials", "how_to") for page in (DOCS / folder).glob("*.md") if page.stem != "index"
)

#: A whole page's command may build environments and train.
_COMMAND_SECONDS = 4 * 3600


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty folder in which a reader follows a page; no project is known afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(registry.VARIABLE, raising=False)
    yield tmp_path
    registry.use_project(None)


@pytest.mark.parametrize(
    ("guide", "overrides", "cell"),
    [
        ("add_metric", ["task=rating_near"], "minilm/rating_near/fp32/eager"),
        ("add_task", ["task=reviews"], "minilm/reviews/fp32/eager"),
        ("add_model", ["model=minilm_any"], "minilm_any/sentiment/fp32/eager"),
        ("add_backend", ["+backend=frozen", "approach=fp32"], "minilm/sentiment/fp32/frozen"),
    ],
)
def test_the_files_of_a_guide_give_cells_that_run(
    guide: str, overrides: list[str], cell: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = DOCS / "how_to" / f"{guide}.md"
    written = write_files(page, folder)
    # Two files an option: the plugin and the YAML. What a guide checks with may stand beside them.
    assert len([name for name in written if name.startswith("mine/")]) == 2
    assert run(["plan", "--project", "mine", "--json", "suite=quickstart", *overrides]) == 0
    assert [one["key"] for one in json.loads(capsys.readouterr().out)["cells"] if one["key"].startswith(cell)]


def test_the_metric_of_the_guide_gives_the_value_that_it_says(folder: Path) -> None:
    write_files(DOCS / "how_to" / "add_metric.md", folder)
    registry.use_project(Path("mine"))
    task = TaskConfig(name="rating_near", kind="regression", metric="within_half")
    assert score("within_half", [1.0, 2.0, 3.0, 4.0], [1.2, 2.0, 9.0, 9.0], task)["value"] == 0.5
    registry.use_project(None)
    with pytest.raises(StageError):
        score("within_half", [1.0], [1.0], task)


def test_the_reader_of_the_guide_says_what_is_wrong_with_a_line(folder: Path) -> None:
    pytest.importorskip("datasets", reason="a reader makes data sets, which the parent does not")
    write_files(DOCS / "how_to" / "add_task.md", folder)
    registry.use_project(Path("mine"))
    (folder / "bad.txt").write_text("good: a film\nno label\n")
    with pytest.raises(StageError, match="line 2"):
        registry.READERS.module("colon_lines").read(folder / "bad.txt", TaskConfig(name="reviews"))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_what_a_page_shows_can_be_parsed(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "python":
            compile(block.text, f"{page.name}", "exec")
        elif block.language == "yaml":
            assert yaml.safe_load(block.text), page.name
        elif block.language == "bash":
            assert all(command.split()[0] in ("harness", "python") for command in commands(block.text)), page.name


def test_files_and_reasons_stand_in_comments_above_blocks() -> None:
    text = "<!-- file: a/b.py -->\n```python\nx = 1\n```\n\n<!-- not run: slow -->\n```bash\nharness a \\\n  b\n```\n"
    file, command = blocks(text)
    assert (file.file, file.text, file.why_not) == ("a/b.py", "x = 1\n", None)
    assert (command.why_not, commands(command.text)) == ("slow", ["harness a    b"])


def test_following_a_page_stops_at_the_first_command_that_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    written = "<!-- file: a.py -->\n```python\nprint(1)\n```\n"
    page.write_text(f"{written}```bash\npython a.py > one\n```\n```bash\nfalse\n```\n")
    with pytest.raises(AssertionError, match="false: exit status 1"):
        follow(page, tmp_path, 60)
    assert (tmp_path / "one").read_text() == "1\n"


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_plan_of_a_page_is_one(page: Path, tmp_path: Path) -> None:
    planned = ("harness doctor", "harness plan", "python ")
    found = [block for block in blocks(page.read_text(encoding="utf-8")) if block.language == "bash"]
    wanted = sum(command.startswith(planned) for block in found for command in commands(block.text))
    assert follow(page, tmp_path, 120, only=planned) == wanted


@pytest.mark.hours
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    assert Path(sys.executable).with_name("harness").exists(), "install the package: a page says `harness`"
    assert follow(page, tmp_path, _COMMAND_SECONDS) > 0, REPOSITORY
