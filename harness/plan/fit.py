"""Whether a value is of the kind that its field takes: one value, a list or a mapping, and what stands in it.

OmegaConf holds values against types too, but not those below a mapping, and in words of its own classes.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from harness.errors import UserError, nearest, shown

#: What begins a reference to another value in OmegaConf; what it leads to is held against its field when it is known.
REFERENCE = "${"

#: OmegaConf's marker of a value that is missing, which is told for a whole option.
_MISSING = "???"

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}

#: Texts that stand for such a value. Python reads other digits and underscores too, which nobody means.
_TEXTS = {
    int: re.compile(r"[+-]?[0-9]+"),
    float: re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf)", re.IGNORECASE),
    bool: re.compile(r"true|false|yes|no|on|off|y|n|0|1", re.IGNORECASE),
}


def require_fit(schema: type, path: str, value: Any, group: str) -> None:
    """Raise UserError where `path` names no field of `schema`, or `value` is none that such a field takes.

    Parameters
    ----------
    group : what stands before `path` in a message, such as ``task``.
    """
    hint: Any = schema
    where = group
    for part in path.split("."):
        kind, _ = _kind_of(hint)
        if dataclasses.is_dataclass(kind):
            fields = typing.get_type_hints(kind)
            if part not in fields:
                raise UserError(f"{group}.{shown(path)}: no such field{nearest(part, fields)}")
            hint = fields[part]
        elif kind is dict:
            hint = typing.get_args(_without_none(hint))[1]
        elif kind is not Any:
            want = f"want the whole list, such as {where}={_example(hint)}" if kind is tuple else f"want {where}=VALUE"
            what = "a list is not set item by item" if kind is tuple else f"{where} is one value, without parts"
            raise UserError(f"{group}.{shown(path)}: {what}; {want}")
        else:
            return
        where = f"{where}.{part}"
    _require(hint, value, where)


def wanted(schema: type, path: str) -> str:
    """Return in words what the field at `path` takes."""
    hint: Any = schema
    for part in path.split("."):
        kind, _ = _kind_of(hint)
        if dataclasses.is_dataclass(kind):
            hint = typing.get_type_hints(kind)[part]
        else:
            hint = typing.get_args(_without_none(hint))[1] if kind is dict else Any
    return _form(hint)


def _require(hint: Any, value: Any, where: str) -> None:
    kind, is_optional = _kind_of(hint)
    if kind is Any or (isinstance(value, str) and (REFERENCE in value or value == _MISSING)):
        return
    if value is None and is_optional:
        return
    if dataclasses.is_dataclass(kind) or kind is dict:
        if not isinstance(value, Mapping):
            raise UserError(f"{where}={_shown(value)}: want {_form(hint)}")
        for key, item in value.items():
            if kind is dict:
                _require(typing.get_args(_without_none(hint))[1], item, f"{where}.{shown(key)}")
            else:
                require_fit(typing.cast(type, kind), str(key), item, where)
    elif kind is tuple:
        if not isinstance(value, list):
            raise UserError(f"{where}={_shown(value)}: want a list, such as {where}={_example(hint)}")
        item_hint = typing.get_args(_without_none(hint))[0]
        for item in value:
            if isinstance(item, (list, dict)):
                raise UserError(f"{where}={_shown(value)}: want a list of single values")
            if item is None or not _is_of(item, item_hint):
                raise UserError(f"{where}={_shown(value)}: want each item {_WORDS[item_hint]}, found {_shown(item)}")
    elif not _is_of(value, kind):
        raise UserError(f"{where}={_shown(value)}: want {_form(hint)}")


def _is_of(value: Any, kind: type) -> bool:
    """Say whether one value may stand where `kind` is wanted; OmegaConf makes it one."""
    if isinstance(value, str):
        return kind is str or REFERENCE in value or _TEXTS[kind].fullmatch(value) is not None
    if isinstance(value, bool):
        return kind in (bool, str)
    if isinstance(value, int):
        return kind is not bool or value in (0, 1)
    return isinstance(value, float) and kind in (float, str)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(part for part in typing.get_args(hint) if part is not types.NoneType)
    return hint


def _kind_of(hint: Any) -> tuple[Any, bool]:
    """Return the class that a type hint names, without its parts, and whether it may be null."""
    inner = _without_none(hint)
    return typing.get_origin(inner) or inner, inner is not hint


def _form(hint: Any) -> str:
    kind, is_optional = _kind_of(hint)
    if dataclasses.is_dataclass(kind):
        words = f"a mapping of {', '.join(list(typing.get_type_hints(kind))[:3])} ..."
    elif kind is dict:
        values = _kind_of(typing.get_args(_without_none(hint))[1])[0]
        inside = {dict: " to mappings", str: " to texts"}.get(values, "")
        words = f"a mapping of names{inside}, such as {{NAME: {'{NAME: VALUE}' if values is dict else 'VALUE'}}}"
    elif kind is tuple:
        words = f"a list, each of its items {_WORDS[typing.get_args(_without_none(hint))[0]]}"
    else:
        words = _WORDS.get(kind, "a plain value")
    return f"{words}, or null" if is_optional else words


def _example(hint: Any) -> str:
    return "[0,1]" if typing.get_args(_without_none(hint))[0] is int else "[a,b]"


def _shown(value: Any) -> str:
    return "null" if value is None else shown(value)
