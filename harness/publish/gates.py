"""Holds a finished table against its suite's gates: met, failed, undecided, or not asked of this host."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.errors import UserError, nearest
from harness.plan.ceilings import CEILING, EMULATED
from harness.plan.config import AXES
from harness.plan.suite import Gate

_EXPRESSION = re.compile(r"^(>=|<=|==|!=|>|<)\s*(.+)$")
_EMULATED = rf" [(]{EMULATED} \w+[)]$"

#: What is measured with a clock, or beside one; rows of an emulated CPU have none of it.
_TIMED = re.compile(r"p\d+_ms|iterations|throughput|speedup|peak_memory|blocks|single_stream|server|offline|scenario")

_OPERATORS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Outcome:
    """A gate's outcome: `state` is met, failed, undecided or skipped; `because` names the first row that decides."""

    gate: str
    state: str
    because: str


def judge(gates: Sequence[Gate], rows: pd.DataFrame, isa: Iterable[str]) -> list[Outcome]:
    """Judge every gate on the rows of one run.

    A number with an interval fails a bound only when the whole interval is on the wrong side, and meets it when the
    whole interval is on the right side; in between it is undecided, because another run could say otherwise. A gate on
    anything that is timed does not mean rows of an emulated CPU.

    Parameters
    ----------
    rows : as :func:`harness.publish.rows` makes them, one a cell.
    isa : the host's instruction sets, which a gate's ``when: {isa: ...}`` may ask for.
    """
    there = set(isa)
    return [_judge(gate, rows, there) for gate in gates]


def _judge(gate: Gate, rows: pd.DataFrame, isa: set[str]) -> Outcome:
    wanted = gate.when.get("isa")
    if wanted is not None and wanted not in isa:
        return Outcome(gate.name, "skipped", f"this host has no {wanted}")
    chosen = rows[_matches(gate.match, rows) & ~rows["status"].isin(["excluded", "unsupported"])]
    if "host" in chosen and any(_TIMED.match(column) for column in gate.require):
        chosen = chosen[~chosen["host"].str.contains(_EMULATED)]
    if chosen.empty:
        return Outcome(gate.name, "skipped", "no row of this run is meant")
    state, because = "met", f"{len(chosen)} rows"
    for _, row in chosen.iterrows():
        for column, expression in gate.require.items():
            found = _hold(row, column, expression, gate.name)
            name = "/".join(str(row[axis]) for axis in ("model", "task", "approach", "backend"))
            if found == "failed":
                return Outcome(gate.name, "failed", f"{name}: {column} is {_shown(row, column)}, want {expression}")
            if found == "undecided" and state == "met":
                state, because = "undecided", f"{name}: {column} is {_shown(row, column)}, want {expression}"
    return Outcome(gate.name, state, because)


def _matches(match: Mapping[str, tuple[Any, ...]], rows: pd.DataFrame) -> pd.Series:
    picked = pd.Series(True, index=rows.index)
    for axis, values in match.items():
        if axis not in AXES:
            raise UserError(f"gates: match: no axis '{axis}'{nearest(axis, AXES)}")
        # A label is the option's name, with overridden fields in brackets behind it; a host's may end as a ceiling or
        # an emulated CPU.
        named = rows[axis].str.removesuffix(f" {CEILING}").str.replace(_EMULATED, "", regex=True)
        picked &= named.map(lambda label, values=values: label in values or label.split("[")[0] in values)
    return picked


def _hold(row: pd.Series, column: str, expression: str, gate: str) -> str:
    parsed = _EXPRESSION.match(expression)
    if parsed is None:
        raise UserError(f"gate {gate}: '{expression}' is no expression; want e.g. >= 1.5")
    if column not in row.index:
        raise UserError(f"gate {gate}: no column '{column}'{nearest(column, row.index)}")
    compare, bound = _OPERATORS[parsed[1]], parsed[2].strip()
    value = row[column]
    if value is None or value != value:
        return "failed"
    if isinstance(value, str):
        return "met" if compare(value, bound) else "failed"
    limit = float(bound)
    ends = [row.get(f"{column}_low"), row.get(f"{column}_high")]
    ends = [end for end in ends if end is not None and end == end] or [value]
    held = [bool(compare(float(end), limit)) for end in ends]
    return "met" if all(held) else "failed" if not any(held) else "undecided"


def _shown(row: pd.Series, column: str) -> str:
    value = row[column]
    if not isinstance(value, (int, float)) or value != value:
        return str(value)
    low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
    interval = f" [{low:.3g}, {high:.3g}]" if low is not None and low == low else ""
    return f"{value:.3g}{interval}"
