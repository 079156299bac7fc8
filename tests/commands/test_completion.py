"""``harness completion``: what a shell completes, asked of the shell itself, and words that are no shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.cli import COMMANDS


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file with bash's code."""
    path = tmp_path_factory.mktemp("completion") / "harness.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as stream:
        patch.setattr("sys.stdout", stream)
        assert main(["completion", "bash"]) == 0
    return path


def completed(code: Path, *words: str) -> list[str]:
    """Return what bash offers for the last of `words`."""
    line = " ".join(f"'{word}'" for word in words)
    script = (
        f"source {code}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
        f"_shtab_harness harness '{words[-1]}' '{words[-2]}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    finished = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return finished.stdout.split()


def test_bash_completes_commands_and_their_options(code: Path) -> None:
    assert set(completed(code, "harness", "")) >= {command.name for command in COMMANDS}
    assert completed(code, "harness", "tr") == ["trend", "trials"]
    assert completed(code, "harness", "compare", "--sto") == ["--stored"]
    assert completed(code, "harness", "trials", "--fast") == ["--fastest-within"]
    assert "--stored" not in completed(code, "harness", "run", "--")


def test_bash_completes_choices_and_folders(code: Path, tmp_path: Path) -> None:
    assert set(completed(code, "harness", "env", "")) >= {"list", "build", "remove"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").touch()
    assert completed(code, "harness", "plan", "--results", f"{tmp_path}/") == [f"{tmp_path}/mine"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_the_code_is_the_shells_own(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["completion", shell]) == 0
    shown = capsys.readouterr().out
    assert all(command.name in shown for command in COMMANDS) and "fastest-within" in shown
    if shutil.which(shell):
        (tmp_path / "code").write_text(shown)
        checked = subprocess.run([shell, "-n", str(tmp_path / "code")], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_another_shell_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'fish'" in line and "'bash', 'zsh', 'tcsh'" in line
