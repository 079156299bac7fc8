"""A source is fetched by its pin, believed by its hash, unpacked in part and kept; pip and apt are the real ones."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from harness.config.schema import SourceConfig
from harness.errors import StageError, UserError
from harness.execute.artefacts import store
from harness.execute.artefacts.sources import Sources, require_any
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan
from tests.backend_env import program_text
from tests.execute.environments.wheels import sha256, write_source_distribution, write_wheel

_BACKEND = program_text(__file__, "sources_backend")
FILES = {"tiny_rows/data/a.tab": "a", "tiny_rows/data/b.tab": "bb", "tiny_rows/more/c.tab": "ccc"}


@pytest.fixture
def packages(tmp_path, monkeypatch) -> Path:
    """Have pip know one folder of packages and nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "packages"))
    monkeypatch.setenv("RAN", str(tmp_path))
    return tmp_path / "packages"


def _path(tmp_path: Path, source: SourceConfig, notes: list[str] | None = None) -> Path:
    told = [] if notes is None else notes
    return Sources(tmp_path / "cache").path(source, where="task.source of rows", on_progress=told.append)


def _wheel(packages: Path, inside: str = "tiny_rows/data") -> SourceConfig:
    wheel = write_wheel(packages, "tiny_rows", "1.0", FILES)
    return SourceConfig(package="tiny-rows==1.0", sha256=sha256(wheel), inside=inside)


def test_a_wheels_part_is_fetched_once_and_kept(tmp_path, packages):
    source = _wheel(packages)
    notes: list[str] = []
    path = _path(tmp_path, source, notes)
    assert {item.name: item.read_text() for item in path.iterdir()} == {"a.tab": "a", "b.tab": "bb"}
    assert notes == ["fetching tiny-rows==1.0"]
    next(packages.iterdir()).unlink()
    assert _path(tmp_path, source, notes) == path
    assert len(notes) == 1
    assert not list((tmp_path / "cache").rglob("*.whl"))


def test_two_parts_of_one_archive_live_side_by_side(tmp_path, packages):
    data, more = _path(tmp_path, _wheel(packages)), _path(tmp_path, _wheel(packages, "tiny_rows/more"))
    assert (data / "a.tab").read_text() == "a"
    assert (more / "c.tab").read_text() == "ccc"


def test_what_was_kept_and_has_changed_is_fetched_again(tmp_path, packages):
    source = _wheel(packages)
    (_path(tmp_path, source) / "a.tab").write_text("z")
    assert (_path(tmp_path, source) / "a.tab").read_text() == "a"


def test_a_source_distribution_is_a_source_too(tmp_path, packages):
    archive = write_source_distribution(packages, "tiny_rows", "1.0", _BACKEND, {"data/a.tab": "from source"})
    write_wheel(packages, "tiny_rows", "1.0", FILES)
    inside = "tiny_rows-1.0/data/a.tab"
    source = SourceConfig(package="tiny-rows==1.0", source_distribution=True, sha256=sha256(archive), inside=inside)
    assert _path(tmp_path, source).read_text() == "from source"


@pytest.mark.parametrize("kind", ["wheel", "source distribution"])
def test_an_archive_with_another_hash_is_refused_before_any_of_its_code_runs(tmp_path, packages, kind):
    if kind == "wheel":
        archive, wanted = write_wheel(packages, "tiny_rows", "1.0", FILES), "tiny_rows/data"
    else:
        archive, wanted = write_source_distribution(packages, "tiny_rows", "1.0", _BACKEND, {}), "tiny_rows-1.0"
    pinned = "0" * 64
    source = SourceConfig(package="tiny-rows==1.0", source_distribution=kind != "wheel", sha256=pinned, inside=wanted)
    with pytest.raises(StageError) as error:
        _path(tmp_path, source)
    assert error.value.kind == "damaged"
    assert error.value.message.startswith("task.source of rows: tiny-rows==1.0")
    assert pinned in error.value.message
    assert sha256(archive) in error.value.message
    assert not (tmp_path / "ran").exists()
    assert not [path for path in (tmp_path / "cache" / "sources").iterdir() if path.is_dir()]


def test_a_part_that_is_not_there_and_a_package_that_is_not_there(tmp_path, packages):
    source = _wheel(packages, "tiny_rows/dato/a.tab")
    with pytest.raises(StageError, match=r"did you mean 'tiny_rows/data/a\.tab'") as error:
        _path(tmp_path, source)
    assert error.value.kind == "missing_file"
    with pytest.raises(StageError, match=r"tiny-rows==2\.0: ERROR: No matching distribution") as error:
        _path(tmp_path, dataclasses.replace(source, package="tiny-rows==2.0"))
    assert error.value.kind == "no_package"


def test_no_network(tmp_path, packages, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(StageError, match="cannot be reached") as error:
        _path(tmp_path, SourceConfig(package="tiny-absent==1.0", sha256="0" * 64, inside="x"))
    assert error.value.kind == "no_network"


def test_a_full_disk(tmp_path, packages, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write", full)
    with pytest.raises(StageError, match="No space left") as error:
        _path(tmp_path, _wheel(packages))
    assert error.value.kind == "disk_full"


def test_a_local_path_is_itself_and_a_missing_one_is_named_with_the_nearest(tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\n")
    assert _path(tmp_path, SourceConfig(path=str(tmp_path / "rows.csv"))) == tmp_path / "rows.csv"
    with pytest.raises(StageError, match=r"task\.source of rows: .*row\.csv: no such .*'rows\.csv'") as error:
        _path(tmp_path, SourceConfig(path=str(tmp_path / "row.csv")))
    assert error.value.kind == "missing_file"
    with pytest.raises(StageError) as error:
        _path(tmp_path, SourceConfig(path=str(tmp_path / "none" / "row.csv")))
    assert error.value.kind == "missing_file"


def test_a_debian_package_from_apts_own_configuration(tmp_path, monkeypatch):
    root = tmp_path / "root" / "usr" / "share" / "rows"
    root.mkdir(parents=True)
    (root / "a.tab").write_text("a")
    (tmp_path / "root" / "DEBIAN").mkdir()
    control = "Package: tiny-rows\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@x.invalid>\nDescription: x\n"
    (tmp_path / "root" / "DEBIAN" / "control").write_text(control)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    archive = shelf / "tiny-rows_1.0_all.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", tmp_path / "root", archive], check=True, capture_output=True
    )
    hashes = f"Filename: ./{archive.name}\nSize: {archive.stat().st_size}\nSHA256: {sha256(archive)}\n"
    (shelf / "Packages").write_text(control + hashes)
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{shelf} ./\n")
    (tmp_path / "state" / "lists" / "partial").mkdir(parents=True)
    (tmp_path / "cached" / "archives" / "partial").mkdir(parents=True)
    settings = {
        "Dir::State": tmp_path / "state",
        "Dir::Cache": tmp_path / "cached",
        "Dir::Etc::SourceList": tmp_path / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Sandbox::User": "",
    }
    (tmp_path / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    subprocess.run(["apt-get", "update"], check=True, capture_output=True)

    source = SourceConfig(
        package="tiny-rows==1.0", registry="debian", sha256=sha256(archive), inside="usr/share/rows/a.tab"
    )
    assert _path(tmp_path, source).read_text() == "a"
    with pytest.raises(StageError, match=sha256(archive)) as error:
        _path(tmp_path, dataclasses.replace(source, sha256="0" * 64))
    assert error.value.kind == "damaged"
    with pytest.raises(StageError, match=r"tiny-rows==2\.0: E: Version") as error:
        _path(tmp_path, dataclasses.replace(source, package="tiny-rows==2.0", sha256="1" * 64))
    assert error.value.kind == "no_package"


def test_a_path_that_is_like_nothing_in_a_full_folder_is_a_short_message(tmp_path):
    for number in range(500):
        (tmp_path / f"{number}.csv").touch()
    with pytest.raises(StageError, match=r"no such file or folder; valid: 0\.csv, .* and 480 more$") as caught:
        _path(tmp_path, SourceConfig(path=str(tmp_path / "weights")))
    assert len(caught.value.message) < 400 + len(str(tmp_path))


def test_a_run_of_which_no_cell_has_its_files_is_a_mistake_and_one_of_some_is_not(tmp_path):
    (tmp_path / "encoder").mkdir()
    here, typo = tmp_path / "encoder", tmp_path / "encodr"
    wanted = ["model=custom", "task=sentiment", "backend=eager", "approach=fp32"]
    require_any(make_plan(catalogue(), [*wanted, f'model.source.path="{typo}","{here}"']).cells)
    with pytest.raises(UserError, match=r"model\.source\.path of custom: .*encodr: no such file.*'encoder'"):
        require_any(make_plan(catalogue(), [*wanted, f"model.source.path={typo}"]).cells)
    require_any(make_plan(catalogue(), ["suite=quickstart"]).cells)
