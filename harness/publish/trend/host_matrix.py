"""Hardware generations beside each other: cells x hosts, with each run's own speed-ups and accuracy differences.

Absolute times of two hosts say nothing about a cell; its speed-up over the same run's baseline does. A ceiling on the
instruction set is a column of its own, and is called one.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from harness.config.isa_cap import CEILING, EMULATED
from harness.config.schema import AXES
from harness.publish.common import numbers
from harness.publish.common.pictures import save
from harness.publish.table.render import escaped, write_csv_and_markdown
from harness.publish.table.rows import rows as rows_of
from harness.publish.trend.changes import recipe
from harness.results import store
from harness.results.history import History, Point
from harness.text.printable import plain

#: Columns of the CSV: one row a cell and column of the matrix. `bits` is a letter a different sum of logits,
#: `recipe` what the cell's newest run computed differently.
COLUMNS = (
    "cell", "host", "fingerprint", "ceiling", "run", "status", "speedup", "speedup_low", "speedup_high", "metric",
    "value", "difference", "difference_low", "difference_high", "artefact", "logits_sha256", "bits", "recipe",
)  # fmt: skip

#: What a cell of a table shows of one value.
Text = Callable[[Mapping[str, Any] | None], str]

#: Beyond this share of the strongest colour, black letters cannot be read.
_DEEP = 0.85

_HOST_AXIS = list(AXES).index("host")


@dataclass(frozen=True)
class Matrix:
    """`rows` are cells without their host axis, `columns` hosts with their ceiling, `values` what :data:`COLUMNS` say.

    `values` maps (row, column) to one row of the CSV; where a cell was never measured there is none.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Mapping[tuple[str, str], Mapping[str, Any]]


def matrix(root: Path, histories: Sequence[History]) -> Matrix:
    """Return the newest figures of each cell on each host, of the recipe of the cell's newest run where there are such.

    Parameters
    ----------
    root : the folder of results.
    histories : the cells to show, of all hosts.
    """
    measured: dict[str, dict[str, list[tuple[Point, History]]]] = defaultdict(lambda: defaultdict(list))
    for history in histories:
        points = [(point, history) for point in history.points if point.latency_ns or point.evaluation]
        if points:
            measured[_row_of(history.labels)][column_of(root, history)] += points
    chosen = {}
    for row, columns in measured.items():
        newest, _ = max(itertools.chain.from_iterable(columns.values()), key=_run_of)
        for column, points in columns.items():
            alike = [(point, history) for point, history in points if not recipe(point, newest)]
            point, history = max(alike or points, key=_run_of)
            chosen[row, column] = point, history, "; ".join(recipe(point, newest))
    tables = _tables(root, {point.run for point, *_ in chosen.values()})
    values = {}
    for place, (point, history, other) in chosen.items():
        found = tables[point.run].loc[tables[point.run]["cell_key"] == history.key]
        if len(found):
            values[place] = {**_value(place, found.iloc[0], history, point), "recipe": other}
    _mark_bits(values.values())
    rows = dict.fromkeys(row for row, _ in values)
    return Matrix(tuple(rows), tuple(dict.fromkeys(column for _, column in values)), values)


def column_of(root: Path, history: History) -> str:
    """Return a history's column: the host's generation, else its CPU; its ceiling or emulated CPU; its fingerprint."""
    host = store.read_host(root, history.hosts[-1]) or {}
    name = host.get("generation") or host.get("model_name") or "host"
    below, emulated = history.labels[_HOST_AXIS], _emulated(history)
    if emulated is not None:
        name += f", {EMULATED} {emulated}"
    elif below != "native":
        name += f", {CEILING} {below}"
    return f"{name} {history.hosts[-1]}"


def _emulated(history: History) -> str | None:
    return history.points[-1].configs.get("host", {}).get("emulated")


def frame(found: Matrix) -> pd.DataFrame:
    """Return one row a cell and column, with the columns of :data:`COLUMNS`."""
    return pd.DataFrame(list(found.values.values()), columns=list(COLUMNS))


def write(found: Matrix, folder: Path, name: str) -> list[Path]:
    """Write the matrix as ``NAME.csv``, Markdown, and a heat map in PNG and SVG; return their paths.

    Raises
    ------
    UnwritableError : the folder cannot be written.
    """
    paths = write_csv_and_markdown(frame(found), markdown(found), folder, name, "the matrix")
    pictures = [folder / f"{name}.{suffix}" for suffix in ("png", "svg")]
    save(_picture(found), pictures)
    return [*paths, *pictures]


def markdown(found: Matrix) -> str:
    """Return the matrix as two Markdown tables, speed-ups and accuracy differences, and what the bits say."""
    lines = []
    for title, cell in (
        ("Speed-up over the run's own baseline", _speedup),
        ("Accuracy minus the baseline's", _difference),
    ):
        body = [[escaped(row), *(escaped(cell(found.values.get((row, column)))) for column in found.columns)]
                for row in found.rows]  # fmt: skip
        table = pd.DataFrame(body, columns=["cell", *map(escaped, found.columns)], dtype=object)
        lines += [f"### {title}", "", table.to_markdown(index=False, disable_numparse=True), ""]
    lines += [escaped(sentence) for sentence in sentences(found)]
    return "\n".join(lines) + "\n"


def sentences(found: Matrix) -> list[str]:
    """Return whose recipe differs from that of a cell's newest run, and what the bits of the accuracies say."""
    others: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (row, column), value in found.values.items():
        if value["recipe"]:
            others[column, value["recipe"]].append(row)
    marked = [
        f"* On {column}, {', '.join(rows)}: another recipe than the cell's newest run, {changed}."
        for (column, changed), rows in others.items()
    ]
    together = [
        [found.values[row, column] for column in found.columns if found.values.get((row, column))] for row in found.rows
    ]
    several = [[value for value in row if value["bits"]] for row in together]
    several = [row for row in several if len(row) > 1]
    if not several:
        return marked
    lines = [*marked, "Letters behind a difference: the same letter in a row is the same logits, bit by bit."]
    same = [row for row in several if len({value["artefact"] for value in row}) < len(row)]
    differing = [row for row in same if _differs(row)]
    if same:
        lines.append(f"Of {len(same)} cells with one artefact on several hosts, {len(differing)} gave other bits.")
    return lines


def _differs(row: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether one artefact gave two sums."""
    sums: dict[str, set[str]] = {}
    for value in row:
        sums.setdefault(value["artefact"], set()).add(value["logits_sha256"])
    return any(len(different) > 1 for different in sums.values())


def _row_of(labels: Sequence[str]) -> str:
    return "/".join(label for place, label in enumerate(labels) if place != _HOST_AXIS)


def _tables(root: Path, runs: Iterable[str]) -> dict[str, pd.DataFrame]:
    return {run: rows_of(store.read_run(store.find_run(root, run))) for run in sorted(runs)}


def _run_of(measured: tuple[Point, History]) -> str:
    return measured[0].run


def _value(place: tuple[str, str], row: pd.Series, history: History, own: Point) -> dict[str, Any]:
    below, emulated = history.labels[_HOST_AXIS], _emulated(history)
    value = {
        "cell": place[0],
        "host": place[1],
        "fingerprint": own.host,
        "ceiling": f"{EMULATED} {emulated}" if emulated else "" if below == "native" else below,
        "run": own.run,
    }
    value |= {name: row[name] for name in COLUMNS if name in row.index and name not in value}
    if own.evaluation is not None:
        value |= {"artefact": own.evaluation.artefact, "logits_sha256": own.evaluation.logits_sha256}
    return {name: value.get(name) for name in COLUMNS}


def _mark_bits(values: Iterable[dict[str, Any]]) -> None:
    """Give each different sum of logits of one cell a letter, in the order of the columns."""
    letters: dict[str, dict[str, str]] = {}
    for value in values:
        if value["logits_sha256"] is not None:
            own = letters.setdefault(value["cell"], {})
            value["bits"] = own.setdefault(value["logits_sha256"], chr(ord("a") + len(own) % 26))


def _speedup(value: Mapping[str, Any] | None) -> str:
    if value is None or not numbers.is_known(value["speedup"]):
        return numbers.NOTHING
    places = numbers.decimals(value["speedup"], value["speedup_low"], value["speedup_high"])
    interval = numbers.ends(value["speedup_low"], value["speedup_high"], places)
    return f"{numbers.number(value['speedup'], places, 'x')} {interval}".strip() + _mark(value)


def _difference(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return numbers.NOTHING
    bits = f" {value['bits']}" if value["bits"] else ""
    if not numbers.is_known(value["difference"]):
        return f"{numbers.number(value['value'], 4)}{bits}{_mark(value)}"
    return f"{value['difference']:+.4f}{bits}{_mark(value)}"


def _mark(value: Mapping[str, Any]) -> str:
    return " *" if value["recipe"] else ""


def _picture(found: Matrix) -> Figure:
    longest = max(map(len, found.rows))
    width, height = 0.075 * longest + 3.6 * len(found.columns), 1.5 + 0.34 * len(found.rows)
    figure = Figure(figsize=(max(width, 8), max(height, 2.2)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    speedups = np.log2(_grid(found, "speedup"))
    _heat(left, speedups, found, _speedup, "speed-up over the run's own baseline", _reach(speedups, least=0.2))
    differences = _grid(found, "difference")
    _heat(right, differences, found, _difference, "accuracy minus the baseline's", _reach(differences, least=0.005))
    return figure


def _reach(values: np.ndarray, least: float) -> float:
    """Return the value that gets the strongest colour; what is no larger than `least` must not look like much."""
    known = values[np.isfinite(values)]
    return max(least, float(np.abs(known).max())) if known.size else least


def _grid(found: Matrix, name: str) -> np.ndarray:
    values = [[found.values.get((row, column), {}).get(name) for column in found.columns] for row in found.rows]
    return np.array([[math.nan if not numbers.is_known(one) else one for one in row] for row in values], float)


def _heat(axes: Axes, values: np.ndarray, found: Matrix, text: Text, title: str, reach: float) -> None:
    axes.imshow(np.ma.masked_invalid(values), aspect="auto", cmap="RdYlGn", norm=Normalize(-reach, reach), alpha=0.8)
    axes.set_xticks(range(len(found.columns)), ["\n".join(plain(column).rsplit(" ", 1)) for column in found.columns])
    axes.set_yticks(range(len(found.rows)), list(map(plain, found.rows)))
    axes.tick_params(labelsize=8, length=0)
    axes.xaxis.tick_top()
    axes.set_title(title, fontsize=10)
    for place, row in enumerate(found.rows):
        for at, column in enumerate(found.columns):
            is_deep = abs(values[place, at]) > _DEEP * reach
            shown = text(found.values.get((row, column)))
            colour = "white" if is_deep else "black"
            axes.text(at, place, shown, ha="center", va="center", fontsize=7.5, color=colour)
