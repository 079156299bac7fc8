"""The compatibility table says of each approach and backend what `supports` says; tests/docs holds the page to it."""

from __future__ import annotations

import re

from harness.backends.base import backend_class
from harness.plan.matrix import misfit
from harness.publish.plan.compatibility import markdown
from tests.docs.tables import compatibility_plan

PLAN = compatibility_plan()


def test_each_pair_says_what_the_backend_says() -> None:
    text = markdown(PLAN)
    notes = dict(re.findall(r"^(\d+)\. (.+)$", text, re.MULTILINE))
    shown: dict[tuple[str, str, str], str] = {}
    for title, table in re.findall(r"^\*\*(.+)\*\*\n\n((?:\|.+\n)+)", text, re.MULTILINE):
        head, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
        for model in re.findall(r"\((\w+)\)", title):
            for approach, *marks in body:
                shown |= {(model, approach, name): mark for name, mark in zip(head[1:], marks, strict=True)}
    cells = [cell for cell in (*PLAN.cells, *(item.cell for item in PLAN.excluded)) if misfit(cell) is None]
    assert {cell.model.name for cell in cells} == {model for model, _, _ in shown}
    for cell in cells:
        said = backend_class(cell.backend.name).supports(cell)
        mark = shown[cell.model.name, cell.labels[2], cell.labels[3]]
        assert not mark or (mark == "yes") == (said is None), cell.key
        if mark.startswith("no"):
            assert notes[re.findall(r"\d+", mark)[0]] == said, cell.key
    assert {mark[:3] for mark in shown.values()} == {"yes", "no ", ""}
