"""Which approach runs on which backend, and why not where it does not: made from a plan, so from `supports()`."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.plan.matrix import Plan


def markdown(plan: Plan) -> str:
    """Return a Markdown table of approaches x backends for each model, with the reasons as numbered notes below.

    An approach runs on a backend when any of its cells does. A cell that only the suite has excluded says nothing
    about the backend, so it stays empty unless the backend says no to another cell of the pair.
    """
    notes: list[str] = []
    parts = []
    for model in dict.fromkeys(cell.labels[0] for cell in _all(plan)):
        parts += [f"**{model}**", "", _table(plan, model, notes), ""]
    return "\n".join([*parts, *(f"{number}. {note}" for number, note in enumerate(notes, start=1))]) + "\n"


def _all(plan: Plan) -> Sequence:
    return [*plan.cells, *(item.cell for item in plan.excluded)]


def _table(plan: Plan, model: str, notes: list[str]) -> str:
    marks: dict[str, dict[str, str]] = {}
    for cell in _all(plan):
        if cell.labels[0] == model:
            marks.setdefault(cell.labels[2], {}).setdefault(cell.labels[3], "")
    for item in plan.excluded:
        _, _, approach, backend = item.cell.labels[:4]
        if item.cell.labels[0] == model and item.reason.kind == "unsupported":
            if item.reason.because not in notes:
                notes.append(item.reason.because)
            marks[approach][backend] = f"no [{notes.index(item.reason.because) + 1}]"
    for cell in plan.cells:
        if cell.labels[0] == model:
            marks[cell.labels[2]][cell.labels[3]] = "yes"
    frame = pd.DataFrame.from_dict(marks, orient="index")
    frame.index.name = "approach"
    return frame.fillna("").to_markdown()
