"""A gate: what a suite asks of the finished table, held against what a table can show when the suite is read."""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.config.schema import AXES
from harness.errors import FAILURE_KINDS, UserError, nearest
from harness.host.describe import ISA_FLAGS

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_EXPRESSION = re.compile(rf"^\s*({'|'.join(OPERATORS)})\s*(\S.*?)\s*$")
_WITH_UNIT = re.compile(r"^([+-]?[0-9.]+)\s*(%|[a-zA-Z/]+)$")


@dataclass(frozen=True)
class Asked:
    """What a gate may ask of a column.

    Parameters
    ----------
    words : the words of a text column, for ``==`` and ``!=``; none for a number.
    is_estimate : another run would give another number, so only a whole interval can decide.
    is_timed : measured with a clock or beside one; an emulated CPU has none of it.
    of_baseline : is told in comparison with the baseline; the baseline's own row is not asked.
    """

    words: tuple[str, ...] = ()
    is_estimate: bool = False
    is_timed: bool = False
    of_baseline: bool = False


_STATUSES = ("ok", "inaccurate", "partial", "unstable", "disturbed", "oom", "timeout", "failed")
_TIMED_ESTIMATE = Asked(is_estimate=True, is_timed=True)
_TIMED_COUNT = Asked(is_timed=True)
_TO_BASELINE = Asked(of_baseline=True)

#: Column of the table -> what a gate may ask of it. Ends of intervals are not among them: a gate on the estimate looks
#: at both.
COLUMNS: dict[str, Asked] = {
    "status": Asked((*_STATUSES, *(f"failed({kind})" for kind in FAILURE_KINDS))),
    "criterion": Asked(("met", "failed"), of_baseline=True),
    "value": Asked(is_estimate=True),
    "difference": Asked(is_estimate=True, of_baseline=True),
    **dict.fromkeys(("agreement", "broken", "fixed", "mcnemar_p"), _TO_BASELINE),
    "speedup": Asked(is_estimate=True, is_timed=True, of_baseline=True),
    "speedup_pairs": Asked(is_timed=True, of_baseline=True),
    **dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "throughput_per_s"), _TIMED_ESTIMATE),
    **dict.fromkeys(("server_per_s", "offline_per_s"), _TIMED_ESTIMATE),
    **{f"single_stream_p{share}_ms": _TIMED_ESTIMATE for share in (50, 90, 95, 99)},
    **dict.fromkeys(("iterations", "blocks", "peak_memory_mb", "scenario_blocks"), _TIMED_COUNT),
    **dict.fromkeys(("rows", "size_mb"), Asked()),
    **dict.fromkeys(("int8_ops", "bf16_ops", "fp32_ops", "amx_int8_ops", "amx_bf16_ops"), Asked()),
    "int8_share": Asked(),
    **dict.fromkeys(("tuning_trials", "tuning_evaluations", "tuning_seconds", "tuning_fallback"), Asked()),
}


@dataclass(frozen=True)
class Gate:
    """What the finished table must show: `require` maps a column to an expression such as ``>= 0.85``.

    `match` picks rows as an exclusion does; `when` names what the host must have for the gate to hold at all.
    """

    name: str
    require: Mapping[str, str]
    match: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    when: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bound:
    """An expression that was read: an operator of :data:`OPERATORS`, and the number or word behind it."""

    operator: str
    limit: float | str

    def holds(self, value: Any) -> bool:
        """Say whether a value is on the right side."""
        return bool(OPERATORS[self.operator](value, self.limit))


def bound(column: str, expression: str, where: str) -> Bound:
    """Read what a gate requires of a column, such as ``>= 0.85`` of `value` or ``!= failed`` of `criterion`.

    Raises
    ------
    UserError : no such column, no expression, or one that can never be decided.
    """
    if column not in COLUMNS:
        raise UserError(f"{where}: no column '{column}' for a gate{nearest(column, COLUMNS)}")
    asked, parsed = COLUMNS[column], _EXPRESSION.match(expression)
    if parsed is None:
        example = f"== {asked.words[0]}" if asked.words else ">= 1.5"
        raise UserError(f"{where}: {column}: '{expression}' is no expression; want e.g. {example}")
    sign, text = parsed.groups()
    if asked.words:
        if sign not in ("==", "!="):
            raise UserError(f"{where}: {column}: '{expression}': a word is not ordered; want == or !=")
        if text not in asked.words:
            raise UserError(f"{where}: {column}: no {column} '{text}'{nearest(text, asked.words)}")
        return Bound(sign, text)
    limit = _number(text)
    if limit is None:
        raise UserError(f"{where}: {column}: '{expression}': want a plain number, e.g. {sign} {_plain(text)}")
    if asked.is_estimate and sign in ("==", "!="):
        raise UserError(f"{where}: {column}: '{expression}': an estimate equals no number; want >=, <=, > or <")
    return Bound(sign, limit)


def check_gate(gate: Gate, where: str, has_baseline: bool) -> None:
    """Raise UserError for the first thing that a gate asks and no table can answer.

    Parameters
    ----------
    has_baseline : whether the suite names a baseline, which some columns are compared with.
    """
    where = f"{where}: gate {gate.name}"
    for column, expression in gate.require.items():
        bound(column, expression, where)
        if COLUMNS[column].of_baseline and not has_baseline:
            raise UserError(f"{where}: {column} is compared with a baseline; want e.g. baseline: {{approach: fp32}}")
    for key, flag in gate.when.items():
        if key != "isa":
            raise UserError(f"{where}: when: no key '{key}'{nearest(key, ('isa',))}")
        if flag not in ISA_FLAGS:
            raise UserError(f"{where}: when: no instruction set '{flag}'{nearest(flag, ISA_FLAGS)}")


def by_labels(gate: Gate, options: Iterable[tuple[str, str, Any]]) -> Gate:
    """Return the gate with what it asks of fields, such as ``approach.method``, as labels of the options that have it.

    Parameters
    ----------
    options : axis, label and config (a schema dataclass, or its fields as a dict) of each option of a run.
    """
    options = list(options)
    match: dict[str, tuple[Any, ...]] = {}
    for key, values in gate.match.items():
        axis, _, path = key.partition(".")
        if path:
            values = tuple(label for at, label, config in options if at == axis and field_of(config, path) in values)
        if axis in match:
            values = tuple(value for value in values if value in match[axis])
        match[axis] = values
    return dataclasses.replace(gate, match={axis: match[axis] for axis in AXES if axis in match})


def field_of(config: Any, path: str) -> Any:
    """Return the value of a config's field, such as ``activation.observer``; None where there is none."""
    for part in path.split("."):
        config = config.get(part) if isinstance(config, Mapping) else getattr(config, part, None)
    return config


def _number(text: str) -> float | None:
    if not text.isascii() or "_" in text:
        return None  # Python reads 1_0 and other digits too
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _plain(text: str) -> str:
    """Return the number that was probably meant, for a message."""
    found = _WITH_UNIT.match(text)
    number = _number(found[1]) if found else None
    if found is None or number is None:
        return "1.5"
    return f"{number / 100 if found[2] == '%' else number:g}"
