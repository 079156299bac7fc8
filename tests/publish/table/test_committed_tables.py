"""Every committed table is what its records give, byte for byte; tests/docs holds the pages to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.publish.table import run_table
from harness.results import store

REPOSITORY = Path(__file__).resolve().parents[3]
RESULTS = REPOSITORY / "results"
RUNS = store.runs(RESULTS)


def test_there_is_a_committed_run() -> None:
    assert RUNS


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_a_table_made_again_is_the_committed_one(path: Path, tmp_path: Path) -> None:
    # Parquet's bytes are those of one version of its writer.
    for again in (one for one in run_table.read(RESULTS, path).write(tmp_path) if one.suffix != ".parquet"):
        assert again.read_bytes() == (RESULTS / "tables" / again.name).read_bytes(), again.name


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_a_run_comes_with_its_host_and_its_locks(path: Path) -> None:
    header = store.read_run(path)[0]
    assert (RESULTS / "hosts" / f"{header['host']}.json").is_file()
    for name, lock in header["environments"].items():
        assert (RESULTS / "environments" / f"{name}-{lock}.txt").is_file()
