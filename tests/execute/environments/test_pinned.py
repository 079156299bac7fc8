"""Environments are built by the real uv and pip from wheels in a folder that pip's configuration names; no network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.config.schema import EnvironmentConfig
from harness.errors import StageError
from harness.execute.environments import installer, manifest, tool
from harness.execute.environments.pinned import Environments, interpreter
from harness.plan.catalogue import Catalogue
from tests.backend_env import REPOSITORY, program_text
from tests.execute.environments.wheels import only_wheels_of, write_source_distribution, write_wheel


@pytest.fixture(autouse=True)
def wheels(tmp_path, monkeypatch) -> Path:
    """Have pip know one folder of wheels and nothing else; some settings would harm if they were obeyed."""
    folder = only_wheels_of(tmp_path / "wheels", monkeypatch)
    elsewhere = str(tmp_path / "elsewhere")
    for name in ("PIP_TARGET", "UV_TARGET", "UV_PREFIX", "UV_PYTHON", "UV_WORKING_DIR", "PYTHONPATH"):
        monkeypatch.setenv(name, elsewhere)
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("UV_SYSTEM_PYTHON", "1")
    write_wheel(folder, "tiny_one", "1.0", {"tiny_one.py": "import tiny_two\n"}, requires=("tiny_two",))
    write_wheel(folder, "tiny_two", "2.0+cpu", {"tiny_two.py": "import os\nASKED = os.environ.get('TINY')\n"})
    write_wheel(folder, "tiny_picky", "1.0", {"tiny_picky.py": ""}, requires=("tiny_two==9",))
    return folder


@pytest.fixture(params=installer.INSTALLERS)
def by(request, monkeypatch) -> str:
    """Which installer builds."""
    monkeypatch.setenv(installer.VARIABLE, request.param)
    return request.param


def _environments(tmp_path: Path, lock: str, more: str = "", name: str = "tiny") -> Environments:
    folder = tmp_path / "conf" / "environment"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(f"name: {name}\nlock: {name}.txt\n{more}")
    (folder / f"{name}.txt").write_text(lock)
    return Environments(Catalogue((tmp_path / "conf",), ()), tmp_path / "cache")


def _ignore(note: str) -> None:
    pass


def _printed(python: Path, source: str) -> str:
    return subprocess.run([python, "-c", source], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_built_once_from_pips_own_configuration_and_removed(tmp_path, monkeypatch, by):
    more = "no_deps: [tiny_picky==1.0]\nimports: [tiny_one, tiny_picky]\nvariables: {TINY: x}\n"
    known = _environments(tmp_path, "# why\ntiny_one==1.0\ntiny-two==2.0\n", more)
    assert [(state.state, state.size_bytes) for state in known.list()] == [("not built", None)]
    notes = []
    python = known.build("tiny", notes.append)
    assert python == known.python("tiny")
    assert python.is_relative_to(tmp_path / "cache" / f"tiny-{known.lock_hash('tiny')[:12]}")
    where = Path(_printed(python, "import tiny_one, tiny_picky; print(tiny_one.__file__)"))
    assert where.is_relative_to(python.parents[1])
    steps = {
        "uv": ("Prepared 2 packages", "Installed 2 packages"),
        "pip": (
            f"Processing tiny_one-1.0-py3-none-any.whl (from -r {python.parents[1].name}.txt",
            "Installing collected packages",
        ),
    }
    assert all(any(note.startswith(step) for note in notes) for step in steps[by])
    (state,) = known.list()
    assert state.state == "built"
    assert state.note is None
    own = [folder / name for folder in [python.parents[1]] for name in (manifest.MARKER, manifest.FILES)]
    files = [path for path in python.parents[1].rglob("*") if path not in own]
    assert state.size_bytes == sum(path.lstat().st_size for path in files)

    monkeypatch.setattr(tool, "run", None)  # nothing is run for one that is there
    assert known.build("tiny", _ignore) == python
    monkeypatch.undo()
    python.rename(python.with_name("python-away"))
    assert known.list()[0].state == "damaged: its python is gone; built again when it is next used"
    python.with_name("python-away").rename(python)
    assert known.list()[0].state == "built"

    other = _environments(tmp_path, "tiny_one==1.0\n", more)
    assert [state.state for state in other.list()] == ["not built", "outdated"]
    other.remove("tiny")
    assert [state.state for state in other.list()] == ["not built"]
    assert not python.exists()


def test_the_identity_is_that_of_pins_python_and_how_they_are_installed(tmp_path):
    first = _environments(tmp_path, "b==2\na==1\n").lock_hash("tiny")
    assert _environments(tmp_path, "# why\na==1   # so\n\nb==2\n").lock_hash("tiny") == first
    assert _environments(tmp_path, "a==1\nb==2\n", "imports: [a]\nvariables: {X: y}\n").lock_hash("tiny") == first
    others = [
        _environments(tmp_path, "a==1\nb==2.1\n").lock_hash("tiny"),
        _environments(tmp_path, "a==1\n").lock_hash("tiny"),
        _environments(tmp_path, "a==1\nb==2\n", "no_deps: [c==3]\n").lock_hash("tiny"),
        _environments(tmp_path, "a==1\nb==2\n", 'python: "3.12"\n').lock_hash("tiny"),
    ]
    assert len({first, *others}) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lock", "more", "kind", "words"),
    [
        (
            "tiny_bad==1.0\n",
            "imports: [json, tiny_bad]\n",
            "import_error",
            "tiny_bad does not import: died by signal 6",
        ),
        ("tiny_two==2.0\n", "no_deps: [tiny_two==2.1]\n", "environment", "pinned is tiny-two==2.0, installed is 2.1"),
    ],
)
def test_what_cannot_be_built_says_why_and_is_not_taken_for_built(tmp_path, wheels, by, lock, more, kind, words):
    write_wheel(wheels, "tiny_bad", "1.0", {"tiny_bad.py": "import os\nos.abort()\n"})
    write_wheel(wheels, "tiny_two", "2.1", {"tiny_two.py": ""})
    known = _environments(tmp_path, lock, more)
    with pytest.raises(StageError) as error:
        known.build("tiny", _ignore)
    assert error.value.kind == kind, error.value
    assert error.value.message.startswith("tiny: ")
    assert words in error.value.message
    log = Path(error.value.message.rpartition("(see ")[2].rstrip(")"))
    assert "pip install" in log.read_text()
    assert known.list()[0].state == "not built"


def test_a_lock_that_holds_more_than_pins_runs_nothing_with_either_installer(tmp_path, by):
    own, ran = tmp_path / "own", tmp_path / "ran"
    own.mkdir()
    (own / "setup.py").write_text(f"open({str(ran)!r}, 'w').close()\nimport setuptools\nsetuptools.setup(name='own')\n")
    lines = ("tiny_one", f"# why \\\n-e {own}", f"-e {own}", f"--edit {own}", str(own), f"own @ file://{own}")
    for line in (*lines, f"-f {own}", "--index-url https://x.invalid"):
        with pytest.raises(StageError, match=r"^tiny\.txt[:,] ") as error:
            _environments(tmp_path, f"tiny_two==2.0\n{line}\n").build("tiny", _ignore)
        assert error.value.kind == "environment"
    for line in (f"-e {own}", str(own), "tiny_two"):
        with pytest.raises(StageError, match=r"^tiny\.no_deps: "):
            _environments(tmp_path, "tiny_two==2.0\n", f"no_deps: ['{line}']\n").build("tiny", _ignore)
    assert not ran.exists() and not list((tmp_path / "cache").glob("*/*"))


@pytest.mark.slow
def test_what_is_installed_is_what_was_read_and_not_the_file(tmp_path, by):
    known = _environments(tmp_path, "# tiny_one==1.0\ntiny_two==2.0  # why\n")
    known.build("tiny", _ignore)
    installed = known.python("tiny").parents[1].with_suffix(".txt")
    assert installed.read_text() == "tiny_two==2.0\n"
    assert str(tmp_path / "conf") not in installed.with_suffix(".log").read_text()


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StageError, match=r"tiny: .*cache"):
        _environments(tmp_path, "tiny_one==1.0\n").build("tiny", _ignore)


def test_a_python_that_is_not_here_is_asked_for():
    with pytest.raises(StageError, match=r"old needs Python 2\.6: install python2\.6") as error:
        interpreter(EnvironmentConfig(name="old", python="2.6", lock="x"))
    assert error.value.kind == "environment"


def test_a_python_on_the_path_counts_only_if_it_runs(tmp_path, monkeypatch):
    # As the shims of version managers: there under each name, but they run only versions that are installed.
    shims, real = tmp_path / "shims", tmp_path / "real"
    for folder, script in ((shims, "echo 'not installed' >&2; exit 127"), (real, "echo 3.99")):
        folder.mkdir()
        (folder / "python3.99").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "python3.99").chmod(0o755)
    wanted = EnvironmentConfig(name="new", python="3.99", lock="x")
    monkeypatch.setenv("PATH", f"{shims}:{os.environ['PATH']}")
    with pytest.raises(StageError, match=r"install python3\.99"):
        interpreter(wanted)
    monkeypatch.setenv("PATH", f"{shims}:{real}:{os.environ['PATH']}")
    assert interpreter(wanted) == real / "python3.99"


def _builder(tmp_path: Path) -> subprocess.Popen:
    source = f"""
from pathlib import Path
from harness.execute.environments.pinned import Environments
from harness.plan.catalogue import Catalogue
folder = Path({str(tmp_path)!r})
known = Environments(Catalogue((folder / "conf",), ()), folder / "cache")
print(known.build("tiny", lambda note: print(note, flush=True)), flush=True)
"""
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, env=variables)


_SLOW = program_text(__file__, "pinned_slow")


@pytest.mark.slow
def test_a_killed_build_is_built_again_and_its_installer_is_not_at_work_beside(tmp_path, wheels, monkeypatch, by):
    known = _environments(tmp_path, "tiny_one==1.0\ntiny_slow==1.0\ntiny_two==2.0\n", "imports: [tiny_one]\n")
    wait = tmp_path / "wait"
    wait.touch()
    monkeypatch.setenv("WAIT", str(wait))
    slow = write_source_distribution(wheels, "tiny_slow", "1.0", _SLOW, {})
    killed = _builder(tmp_path)
    while not (tmp_path / "wait.begun").exists():
        assert killed.poll() is None
        time.sleep(0.05)
    pips = [tool for tool in psutil.Process(killed.pid).children() if "pip" in tool.cmdline()]
    assert len(pips) == 1
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert psutil.wait_procs(pips, timeout=20)[1] == []
    wait.unlink()

    folder = known.python("tiny").parents[1]
    assert folder.exists()
    assert known.list()[0].state == "not built"
    (folder / "rest").write_text("of the killed build")
    slow.unlink()
    write_wheel(wheels, "tiny_slow", "1.0", {})
    python = known.build("tiny", _ignore)
    assert _printed(python, "import tiny_one; print('works')") == "works"
    assert not (folder / "rest").exists()


@pytest.mark.slow
def test_two_harnesses_at_once_build_it_once(tmp_path, by):
    known = _environments(tmp_path, "tiny_one==1.0\ntiny_two==2.0\n", "imports: [tiny_one]\n")
    outputs = [builder.communicate(timeout=120)[0] for builder in [_builder(tmp_path), _builder(tmp_path)]]
    assert [output.splitlines()[-1] for output in outputs] == [str(known.python("tiny"))] * 2
    installed = [len(re.findall("^(Installing collected packages|Installed 2 packages)", o, re.M)) for o in outputs]
    assert sorted(installed) == [0, 1]
    assert known.list()[0].state == "built"
