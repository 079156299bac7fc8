"""Holds a finished table against its suite's gates: met, failed, undecided, or not asked of this host."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.config.isa_cap import CEILING, EMULATED
from harness.plan.gate import COLUMNS, Bound, Gate, bound
from harness.publish.common.numbers import is_known
from harness.stats.decisions.verdict import has_failed
from harness.text.terminal import Console, Text
from harness.text.words import counted

#: Exit statuses of a run whose gates are not all met. A gate that is undecided is neither met nor failed.
FAILED, UNDECIDED = 1, 4

_EMULATED = rf" [(]{EMULATED} \w+[)]$"
_COLOURS = {"met": "green", "failed": "red", "undecided": "yellow", "skipped": "dim"}

#: What may become of a gate.
STATES = tuple(_COLOURS)

#: Rows that are not run have no figures, and none are asked of them.
_LEFT_OUT = ("excluded", "unsupported")

#: Statuses of rows whose timings are not to be relied on, or not all there yet.
_UNRELIABLE = ("unstable", "disturbed", "pending")

#: Rows that a sentence names at most.
_NAMED = 12


@dataclass(frozen=True)
class Outcome:
    """A gate's outcome: `state` is met, failed, undecided or skipped; `because` names the rows that decide it."""

    gate: str
    state: str
    because: str


def judge(gates: Sequence[Gate], rows: pd.DataFrame, isa: Collection[str] | None) -> list[Outcome]:
    """Judge every gate on the rows of one run.

    A figure that another run could have given otherwise meets a bound only when its whole interval is on the right
    side, and fails it only when the whole interval is on the wrong one; else, and without an interval, the gate is
    undecided. So it is by a criterion that is undecided, by timings without a steady state, and by a figure that was
    not measured; a cell that has failed fails it. One failed row fails a gate, else one undecided row leaves it so.

    A gate on anything that is timed does not mean rows of an emulated CPU, and one on what is told in comparison with
    the baseline does not mean the baseline itself.

    Parameters
    ----------
    gates : as they are read, with labels in the place of fields (:func:`harness.plan.gate.by_labels`).
    rows : as :func:`harness.publish.table.rows` makes them, one a cell.
    isa : the host's instruction sets, which a gate's ``when: {isa: ...}`` may ask for; None where they are not known.
    """
    return [_judge(gate, rows, isa) for gate in gates]


def fits_no_row(gate: Gate, rows: pd.DataFrame) -> bool:
    """Say whether a gate's match means none of a run's rows, those that were left out included."""
    return not _matches(gate.match, rows).any()


def exit_status(outcomes: Iterable[Outcome]) -> int:
    """Return 1 when a gate failed, else 4 when one is undecided, else 0."""
    states = {outcome.state for outcome in outcomes}
    return FAILED if "failed" in states else UNDECIDED if "undecided" in states else 0


def show(outcomes: Iterable[Outcome], console: Console) -> None:
    """Print one line a gate."""
    for outcome in outcomes:
        text = Text.assemble(("gate ", ""), (outcome.state, _COLOURS[outcome.state]), f": {outcome.gate}")
        console.print(text + Text(f" ({outcome.because})", style="dim"), soft_wrap=True)


def _judge(gate: Gate, rows: pd.DataFrame, isa: Collection[str] | None) -> Outcome:
    wanted = gate.when.get("isa")
    if wanted is not None and isa is None:
        return Outcome(gate.name, "undecided", f"the run's host is not described, so whether it has {wanted} is open")
    if wanted is not None and isa is not None and wanted not in isa:
        return Outcome(gate.name, "skipped", f"this host has no {wanted}")
    chosen = rows[_matches(gate.match, rows) & ~rows["status"].isin(_LEFT_OUT)]
    if "host" in chosen and any(COLUMNS[column].is_timed for column in gate.require):
        chosen = chosen[~chosen["host"].str.contains(_EMULATED)]
    found: dict[str, list[str]] = {"met": [], "failed": [], "undecided": []}
    judged = 0
    for _, row in chosen.iterrows():
        states = list(_columns(gate, row))
        judged += bool(states)
        for state, text in states:
            found[state].append(f"{_name(row, rows)}: {text}")
    if not judged:
        return Outcome(gate.name, "skipped", "no row of this run is meant")
    if found["failed"]:
        more = f"; undecided: {_listed(found['undecided'])}" if found["undecided"] else ""
        return Outcome(gate.name, "failed", _listed(found["failed"]) + more)
    if found["undecided"]:
        return Outcome(gate.name, "undecided", _listed(found["undecided"]))
    return Outcome(gate.name, "met", counted(judged, "row"))


def _columns(gate: Gate, row: pd.Series) -> Iterator[tuple[str, str]]:
    """Yield the state of each column that a gate asks of a row, and what it is in words."""
    is_baseline = is_known(row.get("baseline")) and row.get("baseline") == row.get("cell_key")
    for column, expression in gate.require.items():
        if not (is_baseline and COLUMNS[column].of_baseline):
            state, shown = _hold(row, column, bound(column, expression, f"gate {gate.name}"))
            yield state, f"{column} is {shown}, want {expression}"


def _matches(match: Mapping[str, tuple[Any, ...]], rows: pd.DataFrame) -> pd.Series:
    picked = pd.Series(True, index=rows.index)
    for axis, values in match.items():
        # A label is the option's name, with overridden fields in brackets behind it; a host's may end as a ceiling or
        # an emulated CPU.
        named = rows[axis].str.removesuffix(f" {CEILING}").str.replace(_EMULATED, "", regex=True)
        picked &= named.map(lambda label, values=values: label in values or label.split("[")[0] in values)
    return picked


def _hold(row: pd.Series, column: str, wanted: Bound) -> tuple[str, str]:
    """Return met, failed or undecided for one figure of a row, and the figure in words."""
    asked, status = COLUMNS[column], str(row["status"])
    value: Any = row.get(column)
    if column == "status":
        # A failure's kind is in brackets; "failed" means any.
        name = value.split("(")[0] if wanted.limit == "failed" else value
        return ("undecided" if value == "pending" else _word(wanted.holds(name))), str(value)
    if not is_known(value):
        # What a gate asks of a cell that has failed it will not show.
        return ("failed", f"missing ({status})") if has_failed(status) else ("undecided", "not known")
    if asked.words:
        return ("undecided" if value not in asked.words else _word(wanted.holds(value))), str(value)
    if asked.is_timed and status in _UNRELIABLE:
        return "undecided", f"{_shown(row, column)} of a row that is {status}"
    if not asked.is_estimate:
        return _word(wanted.holds(float(value))), _shown(row, column)
    low, high = _ends(row, column)
    if low is None and high is None:
        return "undecided", f"{_shown(row, column)} without an interval"
    held = {wanted.holds(-math.inf if low is None else low), wanted.holds(math.inf if high is None else high)}
    return ("undecided" if len(held) > 1 else _word(held.pop())), _shown(row, column)


def _word(is_held: bool) -> str:
    return "met" if is_held else "failed"


def _ends(row: pd.Series, column: str) -> tuple[float | None, float | None]:
    """Return the ends of a figure's interval; None for an end that is not known.

    Of a single stream's percentile LoadGen tells the upper end alone, in a column of its own.
    """
    bounded = column.replace("_ms", "_bound_ms")
    low: Any = row.get(f"{column}_low")
    high: Any = row.get(f"{column}_high", row.get(bounded) if bounded != column else None)
    return (float(low) if is_known(low) else None), (float(high) if is_known(high) else None)


def _shown(row: pd.Series, column: str) -> str:
    low, high = _ends(row, column)
    ends = ["?" if end is None else f"{end:.3g}" for end in (low, high)]
    return f"{row[column]:.3g}" + (f" [{', '.join(ends)}]" if ends != ["?", "?"] else "")


def _name(row: pd.Series, rows: pd.DataFrame) -> str:
    """Return what a row is called: the tuner, host and protocol only where there are several."""
    axes = ["model", "task", "approach", "backend"]
    axes += [axis for axis in ("tuner", "host", "protocol") if axis in rows and rows[axis].nunique() > 1]
    return "/".join(str(row[axis]) for axis in axes)


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more
