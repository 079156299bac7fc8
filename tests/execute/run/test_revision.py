"""A checkout is dirty by whatever of its code, configs or suites the revision does not hold, tracked or not."""

from __future__ import annotations

import subprocess

import pytest

from harness.execute.run.revision import revision


@pytest.fixture
def checkout(tmp_path):
    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    for folder in ("harness", "conf/approach", "suites", "results"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "kept.yaml").write_text("a: 1\n")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    return tmp_path


def test_a_checkout_as_it_was_committed_is_clean_whatever_its_results_and_caches(checkout):
    (checkout / "results" / "run.jsonl").write_text("{}\n")
    (checkout / "harness" / "__pycache__").mkdir()
    (checkout / "harness" / "__pycache__" / "a.pyc").write_bytes(b"x")
    found = revision(checkout)
    assert found["dirty"] is False and len(found["revision"]) == 40


@pytest.mark.parametrize("file", ["harness/new.py", "conf/approach/mine.yaml", "suites/mine.yaml"])
def test_an_untracked_file_that_a_run_could_use_makes_it_dirty(checkout, file):
    (checkout / file).write_text("a: 1\n")
    assert revision(checkout)["dirty"] is True


def test_a_changed_file_makes_it_dirty_and_a_folder_without_git_has_neither(checkout, tmp_path_factory):
    (checkout / "suites" / "kept.yaml").write_text("a: 2\n")
    assert revision(checkout)["dirty"] is True
    assert revision(tmp_path_factory.mktemp("plain")) == {"revision": None, "dirty": None}


def test_a_checkout_that_belongs_to_somebody_else_is_read_and_starts_nothing(checkout, monkeypatch):
    # As git's own tests have it; without leave it answers nothing then.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    refused = subprocess.run(["git", "-C", str(checkout), "status"], capture_output=True, text=True)
    assert "dubious ownership" in refused.stderr
    ran = checkout / "ran"
    script = checkout / "results" / "script"
    script.write_text(f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    config = checkout / ".git" / "config"
    config.write_text(f"{config.read_text()}[core]\n\tfsmonitor = {script}\n")
    index = (checkout / ".git" / "index").read_bytes()
    (checkout / "suites" / "kept.yaml").touch()
    found = revision(checkout)
    assert found["dirty"] is False and len(found["revision"]) == 40
    (checkout / "suites" / "kept.yaml").write_text("a: 2\n")
    assert revision(checkout) == {**found, "dirty": True}
    assert not ran.exists() and (checkout / ".git" / "index").read_bytes() == index


@pytest.mark.parametrize("name", ["with space", "umlaut-\u00e4", "comma,[x]='y'", "line\nbreak"])
def test_wherever_a_checkout_lies(checkout, tmp_path_factory, monkeypatch, name):
    monkeypatch.setenv("LC_ALL", "C")
    moved = checkout.rename(tmp_path_factory.mktemp("elsewhere") / name)
    assert revision(moved)["dirty"] is False
    link = moved.with_name("link")
    link.symlink_to(moved)
    assert revision(link) == revision(moved)


def test_the_repository_of_a_hook_that_a_command_is_given_in_is_not_asked(checkout, tmp_path_factory, monkeypatch):
    found = revision(checkout)
    other = tmp_path_factory.mktemp("other")
    subprocess.run(["git", "init", str(other)], check=True, capture_output=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert revision(checkout) == found


def test_no_git_and_an_installed_package_have_neither(checkout, monkeypatch):
    unknown = {"revision": None, "dirty": None}
    # A package that is installed into an environment within a project's checkout is not of that project's revision.
    installed = checkout / ".venv" / "lib" / "site-packages"
    (installed / "harness").mkdir(parents=True)
    assert revision(installed) == unknown
    assert revision(checkout / "nowhere") == unknown
    empty = checkout / "results" / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    assert revision(checkout) == unknown
    (empty / "git").write_text("no program")
    (empty / "git").chmod(0o755)
    assert revision(checkout) == unknown


def test_a_repository_without_a_commit_and_a_damaged_one_have_neither(checkout, tmp_path):
    subprocess.run(["git", "-C", str(checkout), "checkout", "--orphan", "new"], check=True, capture_output=True)
    assert revision(checkout) == {"revision": None, "dirty": None}


def test_an_index_that_cannot_be_read_leaves_dirtiness_unknown(checkout):
    head = revision(checkout)["revision"]
    (checkout / ".git" / "index").write_bytes(b"no index")
    assert revision(checkout) == {"revision": head, "dirty": None}
