"""One tiny project a test session, and a cache of its own that shares the environments built before."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.execute.cache import cache_folder
from tests.backend_env import built
from tests.whole.tiny import make_project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny project (see :mod:`tests.whole.tiny`)."""
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty cache folder in which the environments of the real one can be used."""
    built("torch")
    folder = tmp_path_factory.mktemp("cache")
    (folder / "environments").symlink_to(cache_folder() / "environments")
    return folder
