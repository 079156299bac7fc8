"""What a command line asks for: overrides in Hydra's grammar, and in our words what is wrong with one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, QuotedString, Sweep, ValueType
from hydra.errors import HydraException

from harness.config.bounds import SEEDS, domain_of
from harness.config.schema import AXES, field_at
from harness.errors import UserError, nearest, shown
from harness.text import quoting
from harness.text.printable import is_plain

_AXIS_NAMES = tuple(AXES)

#: Characters of an override, its values, and overrides: a command line that has more was made by mistake, and planning
#: it would take minutes.
_LONGEST, _MOST_VALUES, _MOST_OVERRIDES = 10_000, 1_000, 500

#: What stands before the first equals sign, and how it must be made.
_KEY = re.compile(r"\+?[A-Za-z_]\w*(\.\w[\w-]*)*", re.ASCII)

_EXAMPLE = "want e.g. backend=fx,eager"


@dataclass
class Request:
    """What a command line asks for: the suite, options of axes in the place of its own or beside them, and fields."""

    suite: str = "quickstart"
    replaced: dict[str, list[str]] = field(default_factory=dict)
    added: dict[str, list[str]] = field(default_factory=dict)
    fields: dict[str, dict[str, list[Any]]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    seed: int | None = None


def parse(overrides: Sequence[str]) -> Request:
    """Read overrides in Hydra's grammar, such as ``suite=x backend=fx,eager +tuner=inc task.max_length=64,128``.

    Raises
    ------
    UserError : no override, an unknown axis, or a form of Hydra's that has no meaning here.
    """
    if len(overrides) > _MOST_OVERRIDES:
        raise UserError(f"{len(overrides)} overrides; want {_MOST_OVERRIDES} at most")
    request = Request()
    parser = OverridesParser.create()
    for text in overrides:
        override = _override(parser, text)
        _take(request, override, text)
    return request


def overridden(request: Request) -> set[str]:
    """Return the axes whose options are not those that the suite alone would give."""
    fields = {axis for axis, values in request.fields.items() if values}
    return {*request.replaced, *request.added, *fields}


def _override(parser: OverridesParser, text: str) -> Override:
    """Return what Hydra reads of a text whose key is one of ours."""
    if len(text) > _LONGEST:
        raise UserError(f"'{shown(text)}': want an override of {_LONGEST} characters at most, found {len(text)}")
    if not is_plain(text):
        raise UserError(f"'{shown(text)}': want text in UTF-8 without control characters")
    if text.startswith("~"):
        raise UserError(f"'{shown(text)}': deleting has no meaning here; name the options that stay")
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"'{shown(text)}' is no override, it has no equals sign ({_EXAMPLE})")
    axis = key.removeprefix("+").partition(".")[0]
    if axis not in (*_AXIS_NAMES, "suite", "seed"):
        raise UserError(f"'{shown(text)}': no axis '{shown(axis)}'{nearest(axis, (*_AXIS_NAMES, 'suite', 'seed'))}")
    if not _KEY.fullmatch(key):
        raise UserError(f"{shown(key)}: no such field; a name has letters, digits and _, such as approach.qat.steps")
    try:
        return parser.parse_override(text)
    except Exception as error:
        # The grammar's classes raise whatever comes for a text that they cannot read: RecursionError, ValueError ...
        raise UserError(f"'{shown(text)}' cannot be read: {_advice(parser, key, value)}") from error


def _advice(parser: OverridesParser, key: str, value: str) -> str:
    """Return how a value that Hydra's grammar does not take is typed, so that it is read as it is."""
    function = re.match(r"\s*(\w+)\s*\(", value)
    if function and function[1] in parser.functions.functions:
        return f"{function[1]}(...) needs other values; want them one by one, such as {key}=1,2,4"
    if re.fullmatch(r"[+-]?\d+", value, re.ASCII):
        return f"a number of {len(value)} digits; nothing here is so large"
    if value.startswith("{") or value.count("[") > 1 or len(value) > 200:
        return f"want balanced brackets and quotes around each text that has more than letters and digits ({_EXAMPLE})"
    is_list = value.startswith("[") and value.endswith("]")
    inner = value[1:-1] if is_list else value
    is_whole = not is_list and (_is_path(key) or "," not in inner)
    parts = [inner] if is_whole else [_unquoted(part.strip()) for part in inner.split(",")]
    if not is_list and not all(parts):
        return f"a value is empty between the commas ({_EXAMPLE})"
    typed = quoting.override(key, parts, is_list=is_list)
    return f"text with other signs than letters, digits and . / - _ needs quotes; want {typed}"


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _is_path(key: str) -> bool:
    found = field_at(key.removeprefix("+"))
    return key == "suite" or (found is not None and domain_of(found).is_path)


def _take(request: Request, override: Override, text: str) -> None:
    key = override.key_or_group
    axis, _, name = key.partition(".")
    _require_one_path(override, key, text)
    values = [_plain(value) for value in _values(override, text)]
    if axis in AXES and name == "name":
        raise UserError(f"'{shown(text)}': the name of an option is that of its file; want {axis}=OPTION")
    if axis in AXES and name:
        request.fields[axis][name] = values
    elif axis in AXES:
        chosen = request.added if override.is_add() else request.replaced
        chosen.setdefault(axis, []).extend(str(value) for value in values)
    elif len(values) != 1 or not isinstance(values[0], (str, int, float)):
        raise UserError(f"'{shown(text)}': one {key} a run")
    elif key == "suite":
        request.suite = str(values[0])
    else:
        request.seed = _seed(values[0], text)


def _seed(value: Any, text: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < SEEDS:
        raise UserError(f"'{shown(text)}': want a whole number from 0 to {SEEDS - 1}")
    return value


def _require_one_path(override: Override, key: str, text: str) -> None:
    """Raise UserError for a file's name with a comma, which Hydra takes for two values."""
    swept = override._value
    if override.value_type is not ValueType.SIMPLE_CHOICE_SWEEP or not isinstance(swept, ChoiceSweep):
        return
    if not _is_path(key):
        return
    parts = swept.list
    if not all(isinstance(part, QuotedString) for part in parts):
        whole, each = text.partition("=")[2], [str(_plain(part)) for part in parts]
        one, several = quoting.override(key, [whole]), key + "=" + ",".join(f'"{part}"' for part in each)
        raise UserError(
            f"'{shown(text)}': is that one file or {len(parts)}? For one want {one}, for more {quoting.shell(several)}"
        )


def _values(override: Override, text: str) -> list[Any]:
    """Return the values of an override, one an option of its axis.

    Raises
    ------
    UserError : a function of Hydra's that gives no values here, or more of them than anybody means.
    """
    if not override.is_sweep_override():
        return [override.value()]
    if override.value_type is ValueType.GLOB_CHOICE_SWEEP or isinstance(override._value, IntervalSweep):
        raise UserError(f"'{shown(text)}': has no meaning here; want the values one by one ({_EXAMPLE})")
    if isinstance(override._value, Sweep) and override._value.shuffle:
        raise UserError(f"'{shown(text)}': a random order has no meaning here; want the values alone")
    try:
        values = list(itertools.islice(override.sweep_iterator(), _MOST_VALUES + 1))
    except (HydraException, ArithmeticError, ValueError) as error:
        raise UserError(
            f"'{shown(text)}': a range needs a start, a stop and a step that ends, e.g. range(1,9)"
        ) from error
    if not 0 < len(values) <= _MOST_VALUES:
        found = f"more than {_MOST_VALUES}" if values else "no"
        raise UserError(f"'{shown(text)}': {found} values; want from 1 to {_MOST_VALUES}")
    return values


def _plain(value: Any) -> Any:
    """Return Hydra's quoted strings as strings, in lists and dicts too."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    return getattr(value, "text", value)
