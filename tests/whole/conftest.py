"""A tiny project for each module, and one cache of their own that shares the environments built before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.cache import cache_folder
from tests.backend_env import built
from tests.whole.tiny import make_project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow: each runs whole commands, with children of their own."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny project (see :mod:`tests.whole.tiny`) that nothing is run in."""
    return make_project(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def project(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with results of its own: a module that finds its runs must not find another's."""
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("project"), dirs_exist_ok=True))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty cache folder in which the environments of the real one can be used."""
    built("torch")
    folder = tmp_path_factory.mktemp("cache")
    (folder / "environments").symlink_to(cache_folder() / "environments")
    return folder
