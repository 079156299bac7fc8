"""A comparison for people: a table on the terminal, and the same as CSV and Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from rich import box
from rich.table import Table

from harness.config.schema import AXES
from harness.publish.common.narrow import print_table
from harness.publish.common.numbers import ends, is_known, number
from harness.publish.compare import sentences as words
from harness.publish.compare.columns import ROLES, SPEEDUP
from harness.publish.compare.comparison import COLUMNS, Comparison
from harness.publish.table.render import escaped, write_csv_and_markdown
from harness.results.cells import GROUP
from harness.results.records import identifiers
from harness.text.terminal import Console, Text

_COLOURS = {
    "slower": "red",
    "worse": "red",
    "faster": "green",
    "better": "green",
    "inconclusive": "yellow",
    "not measured": "yellow",
    "failed": "red",
}

#: A ratio needs this many decimals to show a change of one in a thousand.
_PLACES = 3

#: Columns of a terminal that has room for the interval of each variant.
_WIDE = 120


@dataclass(frozen=True)
class Line:
    """One measure of one cell, as text."""

    cell: str
    measure: str
    a: str
    b: str
    change: str
    verdict: str


HEADINGS = ("cell", "measure", "A", "B", "B to A", "verdict")


def show(compared: Comparison, root: Path, console: Console) -> None:
    """Print what is compared, a line for each measure of each cell, and a sentence a change."""
    for line in words.heading(compared, root):
        console.print(Text(line), soft_wrap=True)
    for title, lines in _groups(compared):
        console.print()
        console.print(Text(title, style="bold"), soft_wrap=True)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for heading, alignment in zip(HEADINGS, _ALIGNMENTS, strict=True):
            table.add_column(Text(heading), overflow="fold", justify=alignment, no_wrap=heading == "verdict")
        for spread in _spread(lines):
            *texts, verdict = dataclasses.astuple(_fitting(spread, console.width))
            table.add_row(*map(Text, texts), Text(verdict, style=_COLOURS.get(verdict, "")))
        print_table(table, console)
    for sentence in words.sentences(compared):
        console.print(Text(sentence), soft_wrap=True)


def write(compared: Comparison, root: Path, folder: Path) -> list[Path]:
    """Write the comparison as CSV (all of :data:`harness.publish.compare.comparison.COLUMNS`) and as Markdown.

    Raises
    ------
    UnwritableError : the folder cannot be written.
    """
    typed, text = compared.rows.astype(COLUMNS), markdown(compared, root)
    return write_csv_and_markdown(typed, text, folder, name_of(compared), "the comparison")


def name_of(compared: Comparison) -> str:
    """Return what the files of a comparison are called: its runs, joined."""
    return identifiers.file_name("compare-" + "-with-".join(run.name for run in reversed(compared.runs)))


def markdown(compared: Comparison, root: Path) -> str:
    """Return the comparison as Markdown."""
    text = [f"- {escaped(line)}" for line in words.heading(compared, root)]
    for title, lines in _groups(compared):
        cells = [[escaped(text) for text in dataclasses.astuple(line)] for line in lines]
        body = pd.DataFrame(cells, columns=list(HEADINGS), dtype=object)
        table = body.to_markdown(index=False, disable_numparse=True, colalign=_ALIGNMENTS)
        text += ["", f"### {escaped(title)}", "", table]
    return "\n".join([*text, "", *(f"- {escaped(line)}" for line in words.sentences(compared))]) + "\n"


_ALIGNMENTS: tuple[Literal["left", "right"], ...] = ("left", "left", "right", "right", "right", "left")


def _groups(compared: Comparison) -> Iterator[tuple[str, list[Line]]]:
    """Yield each comparison group's title and lines, in the order of their first cells."""
    rows = compared.rows
    titled = [axis for axis in GROUP if axis in ("model", "task") or rows[axis].nunique() > 1]
    named = [axis for axis in AXES if axis not in GROUP and (axis == "approach" or rows[axis].nunique() > 1)]
    for _, group in rows.groupby(list(GROUP), sort=False, dropna=False):
        lines: list[Line] = []
        for _, row in group.iterrows():
            name = "/".join(str(row[axis]) for axis in named)
            for line in _lines(row, compared.mode):
                lines.append(dataclasses.replace(line, cell=name))
                name = ""  # only the first line of a cell has its name
        yield " / ".join(str(group.iloc[0][axis]) for axis in titled), lines


def _spread(lines: list[Line]) -> Iterator[Line]:
    """Yield the lines with a cell's name over as many of them as it has parts: a terminal is narrow."""
    rest: list[str] = []
    for place, line in enumerate(lines):
        if line.cell:
            rest = line.cell.split("/")
        is_last = place + 1 == len(lines) or bool(lines[place + 1].cell)
        taken, rest = (rest, []) if is_last else (rest[:1], rest[1:])
        yield dataclasses.replace(line, cell="/".join(taken) + "/" * bool(rest))


def _fitting(line: Line, width: int) -> Line:
    """Return a line for a terminal, which breaks at spaces: a narrow one has the interval of the change alone."""
    variants = {"a": line.a, "b": line.b}
    if width < _WIDE:
        variants = {name: text.partition(" [")[0] for name, text in variants.items()}
    return dataclasses.replace(line, **variants, change=line.change.replace(", ", ","))


def _level(row: pd.Series, name: str) -> str:
    return f"{number(row[name], 2)} {ends(row[f'{name}_low'], row[f'{name}_high'], 2)}".strip()


def _lines(row: pd.Series, mode: str) -> Iterator[Line]:
    for role in ROLES:
        if is_known(row[f"{role}_verdict"]):
            interval = ends(row[f"{role}_ratio_low"], row[f"{role}_ratio_high"], _PLACES)
            change = f"{number(row[f'{role}_ratio'], _PLACES, 'x')} {interval}".strip()
            speedups = [row[f"{variant}_{SPEEDUP[role]}"] for variant in "ab"]
            if mode == "hosts" or (mode == "stored" and all(map(is_known, speedups))):
                measure, variants = f"speed-up, {role}", [number(one, 2, "x") for one in speedups]
            else:
                measure = f"ms, batch {number(row[f'{role}_batch'])}"
                variants = [_level(row, f"{variant}_{role}_ms") for variant in "ab"]
            yield Line("", measure, variants[0], variants[1], change, row[f"{role}_verdict"])
    if is_known(row["accuracy_verdict"]):
        interval = ends(row["difference_low"], row["difference_high"], _PLACES, signed=True)
        change = f"{number(row['difference'], _PLACES, signed=True)} {interval}".strip()
        variants = [number(row[f"{variant}_value"], _PLACES) for variant in "ab"]
        yield Line("", row["metric"], variants[0], variants[1], change, row["accuracy_verdict"])
    for variant in "ab":
        if is_known(row[f"{variant}_failed"]):
            yield Line("", f"variant {variant.upper()}", "", "", "", "failed")
        if is_known(row[f"{variant}_missing"]):
            yield Line("", f"variant {variant.upper()}", "", "", "", "not measured")
