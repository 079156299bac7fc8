"""A run's rows for people: a table on the terminal, and the same as CSV, Markdown and Parquet.

The same records give the same bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from rich import box
from rich.table import Table

from harness.config.isa_cap import CEILING, EMULATED
from harness.errors import UnwritableError
from harness.metrics import is_percent
from harness.publish.columns import (
    constant,
    costs,
    coverage,
    disturbances,
    fastest,
    placements,
    scenarios,
    speeds,
    tunings,
)
from harness.publish.common import texts
from harness.publish.common.heading import Heading
from harness.publish.common.numbers import decimals, ends, number
from harness.publish.table.columns import WIDE, fields, fit, lay_out
from harness.publish.table.rows import COLUMNS, OPTIONAL_COLUMNS
from harness.results import files
from harness.results.cells import GROUP
from harness.stats.decisions.verdict import has_failed
from harness.text import terminal
from harness.text.printable import plain
from harness.text.terminal import Console, Joined, Text

#: A blank at which no line may end, until the line is printed.
_TOGETHER = "\N{NO-BREAK SPACE}"

_COLOURS = {"ok": "green", "met": "green", "excluded": "dim", "unsupported": "dim", "pending": "yellow"}


@dataclass(frozen=True)
class Part:
    """A comparison group: its title, its rows, and the sentences below them."""

    title: str
    rows: pd.DataFrame
    sentences: list[str]


def show(frame: pd.DataFrame, heading: Heading, console: Console, beneath: Sequence[str] = ()) -> None:
    """Print the table of a run, one comparison group after the other, in the console's width.

    Parameters
    ----------
    frame, heading : of :func:`harness.publish.table.rows.rows` and :func:`harness.publish.common.heading.heading`.
    beneath : sentences on all groups together.
    """
    # Text is never read as markup: a label may hold square brackets.
    above = (f"{heading.suite}, run {heading.run}", f"{heading.host}; {heading.blocks}", heading.conditions)
    for line in filter(None, above):
        _print(console, line)
    footnotes = _footnotes(frame)
    for part in parts(frame, heading):
        console.print()
        _print(console, part.title, "bold")
        block = fit(part.rows, footnotes, console.width)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), width=block.width)
        for column, lines in zip(block.columns, block.headings, strict=True):
            side: Literal["left", "right"] = "left" if column.is_text else "right"
            title = terminal.lines(list(map(Text, lines)))
            table.add_column(title, justify=side, no_wrap=True, vertical="top")
        for cells in block.cells:
            table.add_row(*(_styled(lines) for lines in cells))
        console.print(table, no_wrap=True, overflow="ignore", crop=False)
        for sentence in part.sentences:
            _print(console, sentence)
    for sentence in beneath:
        console.print()
        _print(console, sentence)
    if footnotes:
        console.print()
    for reason, index in footnotes.items():
        _print(console, f"[{index}] {reason}")
    console.print()
    for line in (*legend(frame), *heading.sources):
        _print(console, line, "dim")


def write(frame: pd.DataFrame, folder: Path, heading: Heading, beneath: Sequence[str] = ()) -> list[Path]:
    """Write ``RUN.csv``, ``RUN.md`` and ``RUN.parquet`` into a folder, made if need be, and return their paths.

    CSV and Parquet hold every column of :data:`~harness.publish.table.rows.COLUMNS`; Markdown what a person reads.

    Raises
    ------
    UnwritableError : the folder cannot be written.
    """
    typed = as_written(frame)
    paths = write_csv_and_markdown(typed, markdown(frame, heading, beneath), folder, heading.run, "the tables")
    paths.append(folder / f"{heading.run}.parquet")
    try:
        with files.replaced(paths[-1]) as new:
            typed.to_parquet(new, engine="pyarrow", index=False)
    except OSError as error:
        raise UnwritableError(f"{folder}: the tables cannot be written: {error.strerror or error}") from error
    return paths


def as_written(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with each column in the type that it is written as."""
    kinds = {**COLUMNS, **OPTIONAL_COLUMNS}
    return frame.astype({name: kinds[str(name)] for name in frame})


def write_csv_and_markdown(frame: pd.DataFrame, text: str, folder: Path, name: str, what: str) -> list[Path]:
    """Write ``NAME.csv`` of `frame` and ``NAME.md`` of `text` into a folder, made if need be, and return their paths.

    Raises
    ------
    UnwritableError : the folder cannot be written, `what` was to be.
    """
    paths = [folder / f"{name}.{suffix}" for suffix in ("csv", "md")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.replaced(paths[0]) as new:
            texts.for_spreadsheets(frame).to_csv(new, index=False, lineterminator="\n")
        with files.replaced(paths[1]) as new:
            new.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnwritableError(f"{folder}: {what} cannot be written: {error.strerror or error}") from error
    return paths


def markdown(frame: pd.DataFrame, heading: Heading, beneath: Sequence[str] = ()) -> str:
    """Return the table of a run as Markdown, with the sentences `beneath` below its groups."""
    footnotes = _footnotes(frame)
    above = (f"{heading.suite}, run {heading.run}", heading.host, heading.blocks, heading.conditions)
    lines = [escaped("; ".join(filter(None, above))), ""]
    for part in parts(frame, heading):
        block = lay_out(WIDE, fields(part.rows, footnotes), part.rows)
        headings = [escaped(" ".join(heading)) for heading in block.headings]
        cells = [[escaped("".join(lines)) for lines in row] for row in block.cells]
        body = pd.DataFrame(cells, columns=headings, dtype=object)
        sides = ["left" if column.is_text else "right" for column in block.columns]
        text = body.to_markdown(index=False, disable_numparse=True, colalign=sides)
        lines += [f"### {escaped(part.title)}", "", text, ""]
        lines += [line for sentence in part.sentences for line in (escaped(sentence), "")]
    lines += [line for sentence in beneath for line in (escaped(sentence), "")]
    lines += [f"{index}. {escaped(reason)}" for reason, index in footnotes.items()]
    lines += [""] * bool(footnotes) + [f"- {escaped(line)}" for line in (*legend(frame), *heading.sources)]
    return "\n".join(lines) + "\n"


def parts(frame: pd.DataFrame, heading: Heading) -> Iterator[Part]:
    """Yield the comparison groups in the order of their first cells. An axis with one option is left out of titles."""
    several = [axis for axis in GROUP if axis in ("model", "task") or frame[axis].nunique() > 1]
    # Never left out: the timings below a ceiling are not those of a host that has no more.
    if "host" not in several and frame["host"].str.contains(f"{CEILING}|[(]{EMULATED} ").any():
        several.append("host")
    for _, group in frame.groupby(list(GROUP), sort=False, dropna=False):
        first = group.iloc[0]
        title = " / ".join(str(first[axis]) for axis in several)
        known = group["rows"].dropna()
        if len(known):
            title += f": {known.iloc[0]:.0f} evaluation rows"
        latency = group.dropna(subset=["latency_batch"])
        if len(latency):
            one = latency.iloc[0]
            title += f", latency at batch {one['latency_batch']:.0f}"
            title += f" of {one['sequence_length']:.0f} tokens" if pd.notna(one["sequence_length"]) else ""
        title += placements.title(group) + constant.title(group)
        yield Part(title, group, [*_sentences(group, heading), *placements.sentences(group)])


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of the intervals and words of this table."""
    confidence = " or ".join(f"{100 * value:g}%" for value in sorted(frame["confidence"].dropna().unique()))
    metrics = set(frame["metric"].dropna())
    others = ["Bayesian bootstrap with one extreme row more"] * bool(metrics - {"accuracy"})
    methods, paired = (["Wilson"] * ("accuracy" in metrics) + others, ["Tango"] * ("accuracy" in metrics) + others)
    if metrics:
        yield (
            f"[low, high]: {confidence} intervals. Metric: over evaluation rows ({', '.join(methods)}). Difference: to "
            f"the baseline, paired on the same rows ({', '.join(paired)}). Speeds: over blocks (t on logarithms). "
            "No interval: too little was measured for one."
        )
    yield from speeds.legend(frame)
    yield from fastest.legend(frame)
    if frame["criterion"].notna().any():
        yield (
            "criterion: met or failed when the whole interval of the difference is within or beyond the allowed loss, "
            "else undecided. -broken +fixed: rows that only the baseline, or only this cell, got right (p: McNemar, "
            "exact)."
        )
    if frame["int8_ops"].notna().any():
        sources = " and ".join(dict.fromkeys(frame["ops_source"].dropna()))
        yield f"executed ops: counted while one batch ran, by {sources}. MB: 10^6 bytes."
    if frame["host"].str.contains(CEILING).any():
        yield (
            "A ceiling keeps this host's kernels below an instruction set: it shows the kernels and the accuracy of "
            "hosts that have no more, not their speed. Its rows are compared with the baseline below the same ceiling."
        )
    if frame["host"].str.contains(f"[(]{EMULATED} ").any():
        yield (
            "Emulated: QEMU showed that CPU to the processes that quantized and evaluated, so every kernel keeps to "
            "its instruction sets; nothing was timed. Its rows are compared with the baseline on the same emulated CPU."
        )
    yield from scenarios.legend(frame)
    yield from tunings.legend(frame)
    yield from coverage.legend(frame)
    yield from placements.legend(frame)
    yield from disturbances.legend(frame)
    yield from costs.legend(frame)


def _sentences(group: pd.DataFrame, heading: Heading) -> Iterator[str]:
    """Yield what the rows of a group say in words: the fastest cell that may be used, and what is not known yet."""
    if group["baseline"].isna().all():
        named = heading.baseline or "the suite names none"
        yield f"No one cell of this group is the baseline ({named}): no differences, no criterion, no speed-ups."
        return
    if (beaten := constant.sentence(group)) is not None:
        yield beaten
        return
    ranked = group[group["speedup"].notna()].sort_values("speedup", ascending=False, kind="stable")
    allowed = group["criterion_allowed"].dropna()
    if ranked.empty or allowed.empty:
        return
    percent = is_percent(group["metric"].dropna().iloc[0])
    loss = f"the allowed loss of {allowed.iloc[0] * (100 if percent else 1):.2g}{' points' if percent else ''}"
    is_baseline = ranked["baseline"] == ranked["cell_key"]
    usable = ranked["status"] == "ok"
    met = ranked[is_baseline | (usable & (ranked["criterion"] == "met"))]
    faster = ranked["speedup"] > 1
    undecided = ranked[usable & faster & (ranked["criterion"] == "undecided")]
    unstable = ranked[faster & (ranked["status"] == "unstable")]
    disturbed = ranked[~is_baseline & (ranked["status"] == "disturbed")]
    if (is_baseline & (ranked["status"] == "disturbed")).any():
        yield "No cell is called the fastest: the baseline was measured on a host that was busy with something else."
    elif len(met):
        yield from _fastest(met, loss)
    if len(undecided):
        rows = group["rows"].dropna().iloc[0]
        yield f"Undecided on {rows:.0f} rows, so not counted, fastest first: {_with_speeds(undecided)}."
    if len(disturbed):
        yield f"Measured on a busy host, so not counted, fastest first: {_with_speeds(disturbed)}."
    if len(unstable):
        yield f"Timed without a steady state, so not counted, fastest first: {_with_speeds(unstable)}."


def _fastest(ranked: pd.DataFrame, loss: str) -> Iterator[str]:
    for _, best in ranked[ranked["ranking"] == fastest.FASTEST].iterrows():
        if best["baseline"] == best["cell_key"]:
            yield f"No cell is shown to be within {loss} and faster than {name_of(best)}."
            return
        text = f"Fastest within {loss}: {name_of(best)}, {_speed(best, 'ranking_speedup')}"
        close = ranked[ranked["ranking"] == fastest.CLOSE]
        if len(close):
            text += "; not distinguishable from " + ", ".join(name_of(row) for _, row in close.iterrows())
        yield text + "."


def _with_speeds(ranked: pd.DataFrame) -> str:
    return ", ".join(f"{name_of(row)} {_speed(row)}" for _, row in ranked.iterrows())


def _speed(row: pd.Series, name: str = "speedup") -> str:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    places = decimals(value, low, high)
    interval = ends(low, high, places)
    return f"{number(value, places, 'x')} {interval or '(no interval)'}".replace(" ", _TOGETHER)


def name_of(row: pd.Series) -> str:
    """Return what a row is called within its group: approach, backend, and the tuner if there is one."""
    names = [row["approach"], row["backend"]] + ([row["tuner"]] if row["tuner"] != "none" else [])
    return "/".join(map(str, names))


def _footnotes(frame: pd.DataFrame) -> dict[str, int]:
    """Return reason -> its number; cells with the same reason share one."""
    return {reason: index for index, reason in enumerate(dict.fromkeys(frame["reason"].dropna()), start=1)}


def _print(console: Console, text: str, style: str = "") -> None:
    """Print prose in the console's width, without breaking numbers, names or intervals."""
    for line in textwrap.wrap(text, console.width, break_long_words=False, break_on_hyphens=False):
        plain = line.replace(_TOGETHER, " ")
        console.print(Text(plain, style=style), no_wrap=True, overflow="ignore", crop=False)


def _styled(lines: Sequence[str]) -> Joined:
    text = terminal.lines([Text(line, style=_colour(line)) for line in lines])
    text.no_wrap = True
    return text


def _colour(line: str) -> str:
    word = line.split(" [")[0]
    red = word in ("inaccurate", "partial", "disturbed", "unstable") or has_failed(word)
    return "red" if red else _COLOURS.get(word, "")


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is: no pipe ends a cell, no angle bracket opens a tag, no line ends it."""
    text = plain(" ".join(text.split()))
    for mark in ("\\", "|", "<", "*", "_", "`", "["):
        text = text.replace(mark, "\\" + mark)
    return text
