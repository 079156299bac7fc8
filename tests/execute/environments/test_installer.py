"""Environments share files, are whole again after damage, take torch's CPU build, and fall back to pip; no network."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from harness.__main__ import main
from harness.errors import StageError, UserError
from harness.execute.environments import installer, manifest, pinned, pip_settings, tool
from harness.execute.environments.pinned import Environments
from harness.execute.run import assemble
from harness.plan.catalogue import Catalogue
from harness.publish.live import PlainView
from tests.backend_env import REPOSITORY
from tests.execute.environments.wheels import only_wheels_of, sha256, write_source_distribution, write_wheel
from tests.execute.process.stand_ins import is_gone

CODE = "lib/python3.11/site-packages/tiny_two.py"


@pytest.fixture(autouse=True)
def wheels(tmp_path, monkeypatch) -> Path:
    """Have pip and uv know one folder of wheels."""
    folder = only_wheels_of(tmp_path / "wheels", monkeypatch)
    write_wheel(folder, "tiny_one", "1.0", {"tiny_one.py": "import tiny_two\n"}, requires=("tiny_two",))
    write_wheel(folder, "tiny_two", "2.0", {"tiny_two.py": "shared = True\n"})
    return folder


@pytest.fixture
def known(tmp_path) -> Environments:
    """Return two environments that share a package: `a` has both, `b` the second one."""
    folder = tmp_path / "conf" / "environment"
    folder.mkdir(parents=True)
    for name, lock in (("a", "tiny_one==1.0\ntiny_two==2.0\n"), ("b", "tiny_two==2.0\n")):
        (folder / f"{name}.yaml").write_text(f"name: {name}\nlock: {name}.txt\nimports: [tiny_two]\n")
        (folder / f"{name}.txt").write_text(lock)
    return Environments(Catalogue((tmp_path / "conf",), ()), tmp_path / "cache" / "environments")


def _build(known: Environments, *names: str) -> tuple[dict, list[str]]:
    notes: list[str] = []
    built = known.build_all(names, lambda name, how_far: None, notes.append)
    assert not [error for error in built.values() if isinstance(error, Exception)]
    return {name: python.parents[1] for name, python in built.items()}, notes


def _inode(path: Path) -> int:
    assert path.stat().st_nlink > 1
    return path.stat().st_ino


def _states(known: Environments) -> list[str]:
    return [state.state.partition(":")[0] for state in known.list()]


def test_environments_share_files_and_the_last_one_takes_them_with_it(known):
    folders, notes = _build(known, "a", "b")
    assert _inode(folders["a"] / CODE) == _inode(folders["b"] / CODE)
    assert notes == []
    known.remove("a")
    assert (known.root / pinned.UV_CACHE).exists()
    assert (folders["b"] / CODE).read_text() == "shared = True\n"
    known.remove("b")
    assert not (known.root / pinned.UV_CACHE).exists()
    assert _states(known) == ["not built", "not built"]


def test_a_deleted_package_is_seen_and_comes_back_from_the_cache(known, wheels):
    folders, _ = _build(known, "a", "b")
    shared = _inode(folders["b"] / CODE)
    (folders["a"] / CODE).unlink()
    assert _states(known) == ["damaged", "built"]
    _, notes = _build(known, "a")
    assert notes == [f"environment a: {CODE} is gone or has another size; it is built again"]
    assert _inode(folders["a"] / CODE) == shared
    assert _states(known) == ["built", "built"]


def test_a_file_that_is_changed_in_all_environments_and_the_cache_is_right_again(known):
    folders, _ = _build(known, "a", "b")
    (folders["a"] / CODE).write_text("")  # a hard link: every copy is cut off
    assert (folders["b"] / CODE).read_text() == ""
    assert _states(known) == ["damaged", "damaged"]
    _build(known, "a")
    assert (folders["a"] / CODE).read_text() == "shared = True\n"
    assert _states(known) == ["built", "damaged"]
    _build(known, "b")
    assert (folders["b"] / CODE).read_text() == "shared = True\n"


def test_a_rebuild_that_was_killed_does_not_leave_wrong_bytes_in_the_cache(known, wheels, monkeypatch):
    monkeypatch.setenv(installer.VARIABLE, "uv")
    folders, _ = _build(known, "a")
    (folders["a"] / CODE).write_text("wrong bytes\n")
    (wheel,) = wheels.glob("tiny_one-*")
    away = wheel.rename(wheel.with_suffix(".away"))
    with pytest.raises(StageError):
        known.build("a", print)
    away.rename(wheel)
    assert _states(known) == ["not built", "not built"]
    _build(known, "a")
    assert (folders["a"] / CODE).read_text() == "shared = True\n"


def test_an_environment_without_a_list_of_files_is_built_once_more(known):
    folders, _ = _build(known, "b")
    (folders["b"] / manifest.FILES).unlink()
    assert _states(known) == ["not built", "damaged"]
    _, notes = _build(known, "b")
    assert len(notes) == 1 and "was never written (by an older harness); it is built again" in notes[0]
    assert _build(known, "b")[1] == []


def test_a_marker_of_something_else_is_no_crash(known):
    folders, _ = _build(known, "b")
    (folders["b"] / manifest.MARKER).write_text("{}")
    (folders["b"].with_name("b-0123456789ab")).mkdir()
    (folders["b"].with_name("b-0123456789ab") / manifest.MARKER).write_text("[1]")
    assert _states(known) == ["not built", "not built"]
    _build(known, "b")
    assert _states(known) == ["not built", "built"]
    known.remove("b")
    assert [path.suffix for path in known.root.iterdir()] == [".lock"] * len([*known.root.iterdir()])


@pytest.mark.slow
def test_hashes_in_a_lock_are_required_by_both(known, wheels, monkeypatch, tmp_path):
    (wheel,) = wheels.glob("tiny_two-*")
    lock = tmp_path / "conf" / "environment" / "b.txt"
    for name in installer.INSTALLERS:
        monkeypatch.setenv(installer.VARIABLE, name)
        lock.write_text(f"tiny_two==2.0 \\\n    --hash=sha256:{sha256(wheel)}\n")
        _build(known, "b")
        known.remove("b")
        lock.write_text(f"tiny_two==2.0 --hash=sha256:{'0' * 64}\n")
        with pytest.raises(StageError) as error:
            known.build("b", print)
        assert error.value.kind == "damaged", (name, error.value.message)


@pytest.mark.slow
def test_where_uv_cannot_pip_does_and_says_so(known, monkeypatch):
    monkeypatch.setenv("UV_CONSTRAINT", "/nowhere/constraints.txt")
    folders, notes = _build(known, "b")
    assert notes == [
        "environment b: uv could not install it (error: File not found: /nowhere/constraints.txt "
        f"(see {folders['b']}.log)); with pip now, which takes minutes"
    ]
    assert (folders["b"] / CODE).stat().st_nlink == 1
    known.remove("b")
    monkeypatch.setenv(installer.VARIABLE, "uv")
    with pytest.raises(StageError, match=r"b: error: File not found: /nowhere/constraints\.txt \(see"):
        known.build("b", print)


@pytest.mark.slow
def test_where_neither_can_pips_line_remains(known, wheels, capsys):
    (wheel,) = wheels.glob("tiny_two-*")
    wheel.unlink()
    notes = []
    with pytest.raises(
        StageError, match=r"^b: ERROR: No matching distribution found for tiny_two==2\.0 \(see"
    ) as error:
        known.build("b", lambda how_far: None, notes.append)
    assert error.value.kind == "no_package"
    assert len(notes) == 1 and "Because tiny-two was not found" in notes[0]


@pytest.mark.slow
def test_without_uv_pip_does_and_says_so(known, monkeypatch):
    monkeypatch.setitem(sys.modules, "uv", None)
    _, notes = _build(known, "b")
    assert notes == ["environment b: uv is not installed beside this harness; with pip now, which takes minutes"]
    monkeypatch.setenv(installer.VARIABLE, "uv")
    with pytest.raises(UserError, match=r"^HARNESS_INSTALLER=uv: uv is not installed"):
        pinned.environments(known.catalogue, known.root)


@pytest.mark.slow
def test_a_harness_that_uv_has_installed_has_no_pip_and_builds_with_either(known, tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    for name in installer.INSTALLERS:
        monkeypatch.setenv(installer.VARIABLE, name)
        folders, _ = _build(known, "b")
        assert (folders["b"] / CODE).read_text() == "shared = True\n"
        known.remove("b")


def test_a_log_keeps_no_password(known, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://user:s3cret@127.0.0.1:9/page {os.environ['PIP_FIND_LINKS']}")
    monkeypatch.setenv(installer.VARIABLE, "uv")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(StageError) as error:
        known.build("b", print)
    assert error.value.kind == "no_network"
    log = Path(error.value.message.rpartition("(see ")[2].rstrip(")")).read_text()
    assert "@127.0.0.1:9/page" in log and "s3cret" not in log + error.value.message


def test_an_unknown_installer_is_one_line_and_nothing_is_built(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(installer.VARIABLE, "pipx")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    results = tmp_path / "results"
    for command in (["env", "build", "loadgen"], ["run", "suite=quickstart", "--results", str(results)]):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error == "harness: HARNESS_INSTALLER=pipx: want uv or pip; did you mean 'pip'?\n"
    assert not (tmp_path / "cache" / "environments").exists()
    assert not (results / "runs").exists()


PLAIN, CPU = ("Would install 1 package", " + torch==2.8.0"), ("Would install 1 package", " + torch==2.8.0+cpu")
REFUSED = ("error: Failed to fetch: https://download.pytorch.org/whl/cpu/torch/",)


@pytest.mark.parametrize(
    ("lock", "plain", "of_index", "wanted", "questions"),
    [
        ("torch==2.8.0\n", CPU, None, (), 1),
        ("torch==2.8.0\n", PLAIN, CPU, ("--torch-backend=cpu",), 2),
        ("torch==2.8.0\n", PLAIN, REFUSED, (), 2),
        # On another architecture no build has +cpu in its name, wherever it is from.
        ("torch==2.8.0\n", PLAIN, PLAIN, ("--torch-backend=cpu",), 2),
        # Only torch's own index has this one at all.
        ("torch==2.8.0+cpu\n", REFUSED, CPU, ("--torch-backend=cpu",), 2),
        (f"torch==2.8.0 --hash=sha256:{'0' * 64}\n", None, None, (), 0),
        ("numpy==2.0\n", None, None, (), 0),
    ],
)
def test_torchs_own_index_is_asked_where_pips_places_have_no_cpu_build(
    tmp_path, lock, plain, of_index, wanted, questions
):
    (tmp_path / "lock.txt").write_text(lock)
    asked = []

    def install(*arguments, variables=None, may_fail=False):
        assert may_fail and "--dry-run" in arguments
        asked.append(variables or {})
        lines = of_index if "--torch-backend=cpu" in arguments else plain
        return tool.Finished(int(lines is REFUSED), lines)

    assert installer._torch_backend(tmp_path / "lock.txt", pip_settings.Settings(), install) == wanted
    assert len(asked) == questions
    # Where nobody answers, the question must not take minutes; what is then installed is tried as often as ever.
    assert [one.get("UV_HTTP_RETRIES") for one in asked] == [None, "1"][:questions]


def test_torchs_own_index_is_not_asked_where_a_person_has_decided(tmp_path, monkeypatch):
    (tmp_path / "lock.txt").write_text("torch==2.8.0\n")
    assert installer._torch_backend(tmp_path / "lock.txt", pip_settings.Settings(no_index=True), None) == ()
    monkeypatch.setenv("UV_TORCH_BACKEND", "cu128")
    assert installer._torch_backend(tmp_path / "lock.txt", pip_settings.Settings(), None) == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", installer.INSTALLERS)
def test_a_torch_with_cuda_libraries_is_said_wherever_a_person_looks(known, wheels, monkeypatch, tmp_path, name):
    monkeypatch.setenv(installer.VARIABLE, name)
    write_wheel(wheels, "torch", "2.8.0", {"torch.py": ""}, requires=("nvidia_tiny_cu12",))
    write_wheel(wheels, "nvidia_tiny_cu12", "1.0", {})
    (tmp_path / "conf" / "environment" / "b.txt").write_text("torch==2.8.0\ntiny_two==2.0\n")
    _build(known, "a", "b")
    assert known.note("a") is None
    assert known.note("b") == installer.CUDA_NOTE
    assert [state.note for state in known.list()] == [None, installer.CUDA_NOTE]
    console = Console(file=io.StringIO(), width=200)
    pythons, broken = assemble._build(known, ["a", "b"], PlainView(console))  # at the start of each run
    assert (list(pythons), broken) == (["a", "b"], {})
    assert console.file.getvalue() == f"  environment b: {installer.CUDA_NOTE}\n"


def test_what_cannot_be_built_keeps_nothing_else_from_being_built(tmp_path, known, monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(installer.VARIABLE, "uv")
    (tmp_path / "conf" / "environment" / "a.txt").write_text("tiny_one==7.0\n")
    assert main(["env", "build", "a", "b", "--project", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == f"{known.python('b')}\n"
    assert shown.err.splitlines()[-1].startswith("harness: no_package: a: Because there is no version of tiny-one==7.0")
    pythons, broken = assemble._build(known, ["a", "b"], PlainView(Console(file=io.StringIO())))
    assert (list(pythons), [error.kind for error in broken.values()]) == (["b"], ["no_package"])


_SLOW = "import os, pathlib, time\npathlib.Path(os.environ['BEGUN']).touch()\ntime.sleep(600)\n"


@pytest.mark.slow
def test_an_interrupt_of_several_builds_ends_all_at_once(tmp_path, known, wheels):
    folder = tmp_path / "conf" / "environment"
    for name in ("a", "b"):
        slow = _SLOW.replace("BEGUN", f"BEGUN_{name}")
        write_source_distribution(wheels, f"slow_{name}", "1.0", slow, {})
        (folder / f"{name}.txt").write_text(f"slow_{name}==1.0\n")
    begun = [tmp_path / "begun_a", tmp_path / "begun_b"]
    variables = {"BEGUN_a": str(begun[0]), "BEGUN_b": str(begun[1]), "HARNESS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "harness", "env", "build", "a", "b", "--project", str(tmp_path)]
    # The suite may run where interrupts are ignored, and children inherit that.
    set_up = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    harness = subprocess.Popen(
        command, cwd=REPOSITORY, env=os.environ | variables, stderr=subprocess.PIPE, text=True, preexec_fn=set_up
    )
    cores = len(os.sched_getaffinity(0))
    while sum(path.exists() for path in begun) < min(2, cores):
        assert harness.poll() is None
    tools = psutil.Process(harness.pid).children(recursive=True)
    assert len(tools) >= min(2, cores)
    harness.send_signal(signal.SIGINT)
    _, error = harness.communicate(timeout=60)
    assert harness.returncode == 130
    assert error.splitlines()[-1].startswith("harness: interrupted")
    assert "pip now" not in error
    assert all(is_gone(one.pid) for one in tools)
