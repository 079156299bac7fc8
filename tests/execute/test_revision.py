"""A checkout is dirty by whatever of its code, configs or suites the revision does not hold, tracked or not."""

from __future__ import annotations

import subprocess

import pytest

from harness.execute.revision import revision


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
