"""Pages that follow from the code or from results are what their tools write now, and the README stays short."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import schema
from tests.docs import cli_page, config_page, tables
from tests.docs.pages import DOCS, REPOSITORY, documents

MARKED = [page for page in documents() if tables.marked(page.read_text(encoding="utf-8"))]


def test_the_page_on_the_command_line_is_what_argparse_says() -> None:
    assert cli_page.PAGE.read_text(encoding="utf-8") == cli_page.page()


def test_the_page_on_the_configuration_is_what_the_schema_says() -> None:
    assert config_page.PAGE.read_text(encoding="utf-8") == config_page.page()


def test_each_option_and_each_field_has_its_bounds_and_its_comment() -> None:
    assert "| `--pairs N` | pairs of invocations; default" in cli_page.page()
    row = next(line for line in config_page.page().splitlines() if line.startswith("| `percentile` |"))
    assert row == "| `percentile` | float | `99.99` | 50.0 to 100.0 | of \\|x\\|, for observer=percentile |"
    # A comment above a field belongs to it, however many lines it has.
    said = config_page.fields_of(schema.HostConfig)
    assert said["threads"] == "So many of the cores, the lowest-numbered; None: a thread on each of them."


@pytest.mark.parametrize("page", MARKED, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_each_marked_table_is_the_committed_one(page: Path) -> None:
    for mark in tables.marked(page.read_text(encoding="utf-8")):
        assert mark["shown"] == tables.wanted(mark), mark["run"] or "compatibility"


def test_the_pages_that_must_show_measured_tables_do() -> None:
    assert {page.relative_to(REPOSITORY) for page in MARKED} >= {
        *(Path("README.md"), Path("docs/reports/quickstart.md"), Path("docs/reports/feature_matrix.md")),
        Path("docs/reports/support_matrix.md"),
    }


def test_a_small_table_has_the_rows_that_were_measured() -> None:
    committed = "\n".join(
        [
            "### title",
            "",
            "| approach | backend | status | accuracy % \\[interval] | difference \\[interval] | criterion |"
            " speed-up \\[interval] | p50 ms \\[interval] | p90 ms | executed ops |",
            "|:--|:--|:--|--:|--:|:--|--:|--:|--:|--:|",
            "| fp32 | eager | ok \\[1] | 87.1 | - | baseline | 1.00x | 49.5 | - | 0 int8 44 fp32 |",
            "| bf16 | eager | excluded \\[2] | - | - | - | - | - | - | - |",
            "",
            "Fastest within the allowed loss of 0.87 points: fp32/eager.",
        ]
    )
    assert tables.small(committed).splitlines()[2:] == [
        "| fp32 | eager | ok | 87.1 | - | baseline | 1.00x | 49.5 | 0 int8 44 fp32 |",
        "",
        "Fastest within the allowed loss of 0.87 points: fp32/eager.",
    ]


def test_the_readme_is_short_and_what_is_built_is_no_page() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 250
    assert not [page for page in documents() if (DOCS / "_build") in page.parents]
