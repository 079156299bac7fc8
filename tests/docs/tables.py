"""Writes the measured tables of the documents, from the committed tables and from what the backends say.

A page holds a table between ``<!-- table RUN: all -->`` (the run's committed table as it is) or
``<!-- table RUN: small -->`` (the columns that a first look needs, of the rows that were measured) and
``<!-- end -->``; ``<!-- compatibility -->`` is the table of approaches and backends.

Run from the repository's root: ``python -m tests.docs.tables``.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.host.describe import describe, with_all_instructions
from harness.plan.catalogue import catalogue
from harness.plan.matrix import Plan, make_plan
from harness.publish.plan import compatibility
from tests.docs.pages import END, REPOSITORY, documents

TABLES = REPOSITORY / "results" / "tables"

#: The columns of a small table; "[...]" of a heading is left out.
_SMALL = (
    *("approach", "backend", "status", "accuracy %", "difference", "criterion"),
    *("speed-up", "p50 ms", "executed ops"),
)

#: Words of a status of rows that were not measured.
_NOT_RUN = ("excluded", "unsupported")

_MARK = re.compile(
    rf"<!-- (?:table (?P<run>[\w-]+): (?P<form>all|small)|compatibility) -->\n(?P<shown>.*?){END}", re.DOTALL
)


def compatibility_plan() -> Plan:
    """Return the plan of which the support matrix speaks: all architectures, on a host with all instructions."""
    overrides = [
        "suite=feature_matrix",
        "model=minilm,minilm_distilbert,minilm_roberta,minilm_electra,vit_tiny",
        "task=sentiment,fashion_mnist",
    ]
    return make_plan(catalogue(), overrides, with_all_instructions(describe()))


def marked(text: str) -> list[re.Match[str]]:
    """Return the marked tables of a page: their run, form and what the page shows."""
    return list(_MARK.finditer(text))


def wanted(mark: re.Match[str]) -> str:
    """Return what a marked place should show."""
    if mark["run"] is None:
        return compatibility.markdown(compatibility_plan())
    committed = (TABLES / f"{mark['run']}.md").read_text(encoding="utf-8")
    return committed if mark["form"] == "all" else small(committed)


def small(committed: str) -> str:
    """Return the first columns that a reader needs of each measured row, and what the table says in words of them."""
    lines = committed.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| approach"))
    table = [_cells(line) for line in lines[start:] if line.startswith("|")]
    names = [re.sub(r" \\?\[.*", "", name) for name in table[0]]
    places = [names.index(name) for name in _SMALL]
    rows = [[row[place] for place in places] for row in table[2:]]
    # The numbers of notes mean nothing without the notes.
    measured = [
        [re.sub(r" \\\[\d+\]$", "", row[2]) if place == 2 else cell for place, cell in enumerate(row)]
        for row in rows
        if not row[2].startswith(_NOT_RUN)
    ]
    said = [line for line in lines if line.startswith("Fastest within")]
    head = [list(_SMALL), [":--"] * len(_SMALL)]
    return "\n".join([*(f"| {' | '.join(row)} |" for row in (*head, *measured)), "", *said, ""])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def write(page: Path) -> None:
    """Bring the marked tables of a page up to date."""
    text = page.read_text(encoding="utf-8")
    for mark in reversed(marked(text)):
        text = text[: mark.start("shown")] + wanted(mark) + text[mark.end("shown") :]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for document in documents():
        write(document)
