"""Which approach runs on which backend, and why not where it does not: made from a plan, so from `supports()`."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from harness.config.cell import Cell
from harness.plan.matrix import Plan, misfit


def markdown(plan: Plan) -> str:
    """Return Markdown tables of approaches x backends, one for all models that share it, with numbered reasons below.

    An approach runs on a backend when any of its cells does. A cell that only the suite has excluded, or whose model
    and task do not fit each other, says nothing about the backend, so its place may stay empty.
    """
    notes: list[str] = []
    titles: dict[str, list[str]] = {}
    for model in dict.fromkeys(cell.labels[0] for cell in _all(plan)):
        architecture = next(cell.model.architecture for cell in _all(plan) if cell.labels[0] == model)
        titles.setdefault(_table(plan, model, notes), []).append(f"{architecture} ({model})")
    parts = [line for table, models in titles.items() for line in (f"**{', '.join(models)}**", "", table, "")]
    return "\n".join([*parts, *(f"{number}. {note}" for number, note in enumerate(notes, start=1))]) + "\n"


def _all(plan: Plan) -> Iterable[Cell]:
    cells = [*plan.cells, *(item.cell for item in plan.excluded)]
    return [cell for cell in cells if misfit(cell) is None]


def _table(plan: Plan, model: str, notes: list[str]) -> str:
    there = [cell for cell in _all(plan) if cell.labels[0] == model]
    approaches, backends = (list(dict.fromkeys(cell.labels[place] for cell in there)) for place in (2, 3))
    marks = pd.DataFrame("", index=pd.Index(approaches, name="approach"), columns=backends)
    for item in plan.excluded:
        cell, because = item.cell, item.reason.because
        if cell.labels[0] == model and item.reason.kind == "unsupported" and misfit(cell) is None:
            if because not in notes:
                notes.append(because)
            marks.loc[cell.labels[2], cell.labels[3]] = f"no [{notes.index(because) + 1}]"
    for cell in plan.cells:
        if cell.labels[0] == model:
            marks.loc[cell.labels[2], cell.labels[3]] = "yes"
    return marks.to_markdown()
