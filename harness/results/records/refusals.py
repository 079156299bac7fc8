"""Why a record does not fit its type, as one short line that names the field, what stands there and what should."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from harness.errors import shortened, shown
from harness.results.records import identifiers
from harness.results.records.kinds import Base
from harness.results.records.kinds.base import SHA256_PATTERN, TIME_PATTERN

#: Characters of a message at most.
_LENGTH = 200

#: A message of msgspec: what was wrong, and the field, or the key within a field, where it was.
_MESSAGE = re.compile(r"(.*) - at (`key` in )?`\$([^`]*)`", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[(\.\.\.)\]")

_WORDS = {
    **{"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "null": "null"},
    **{"array": "a list", "object": "an object"},
}

#: What a text should be that its pattern does not match.
_WANTED = {TIME_PATTERN: "UTC such as 2026-11-24T09:15:00.000Z", SHA256_PATTERN: "64 hexadecimal digits"}


def reason(record: dict[str, Any], kind: type[Base]) -> str | None:
    """Return why a record does not fit its type; None where it does.

    Parameters
    ----------
    record : what a line holds, of whatever types.
    """
    try:
        msgspec.convert(record, kind)
        return None
    except UnicodeEncodeError:
        # Half a character where a word of ours should be: refused in any case, and told as with "?" in its place.
        return reason(json.loads(json.dumps(record, ensure_ascii=False).encode(errors="replace")), kind)
    except msgspec.ValidationError as error:
        return shortened(_told(record, kind, str(error)), _LENGTH)


def _told(record: dict[str, Any], kind: type[Base], message: str) -> str:
    found = _MESSAGE.fullmatch(message)
    if found is None:
        return f"$: {_translated(message, record, ())}" if message.startswith("Object") else f"$.{message}"
    what, at_key, path = found.groups()
    steps: list[str | int] = []
    try:
        for name, index, entry in _STEP.findall(path):
            steps.append(_culprit(record, kind, steps, message) if entry else name or int(index))
        value = _culprit(record, kind, steps, message) if at_key else _at(record, steps)
    except (LookupError, TypeError):
        # A name in the record reads like a part of the message.
        return shown(message)
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in steps)
    return f"${where}: {_translated(what, value, _allowed(kind, steps))}"


def _translated(what: str, value: Any, allowed: Sequence[Any]) -> str:
    """Return what was wrong in the words of our other messages."""
    if name := re.fullmatch(r"Object (contains unknown|missing required) field `(.*)`", what, re.DOTALL):
        return f"{'unknown' if name[1].startswith('contains') else 'no'} field '{shown(name[2])}'"
    if what.startswith("Invalid enum value"):
        return f"{_named(value)}, want {' or '.join(map(str, allowed))}"
    if pattern := re.fullmatch(r"Expected `str` matching regex (.*)", what, re.DOTALL):
        if pattern[1] == repr(identifiers.PATTERN):
            return _complaint(identifiers.checked, value)
        words = next((words for text, words in _WANTED.items() if pattern[1] == repr(text)), what)
        return f"{_named(value)}, want {words}"
    if wanted := re.fullmatch(r"Expected `([\w| ]+)`(.*?)(, got `\w+`)?", what):
        kinds = [_WORDS.get(word, word) for word in wanted[1].split(" | ")]
        return f"{_named(value)}, want {' or '.join(kinds)}{wanted[2]}"
    return what


def _complaint(check: Callable[[str], object], text: str) -> str:
    try:
        check(text)
    except ValueError as error:
        return str(error)
    return f"{_named(text)} is not allowed"


def _named(value: Any) -> str:
    """Return a value as a message shows it."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return f"'{shown(value)}'" if isinstance(value, str) else shown(json.dumps(value, default=str))


def _at(value: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _culprit(record: dict[str, Any], kind: type[Base], steps: Sequence[str | int], message: str) -> str:
    """Return the key of the entry, in the object at `steps`, that a message is about: msgspec does not tell it."""
    names: list[str] = list(_at(record, steps))
    while len(names) > 1:
        half = names[: len(names) // 2]
        names = half if _message(_reduced(record, steps, half), kind) == message else names[len(half) :]
    return names[0]


def _reduced(value: Any, steps: Sequence[str | int], names: Sequence[str]) -> Any:
    """Return a copy of a record that has some entries alone of the object at `steps`."""
    if not steps:
        return {name: value[name] for name in names}
    changed = value.copy()
    changed[steps[0]] = _reduced(value[steps[0]], steps[1:], names)
    return changed


def _message(record: Any, kind: type[Base]) -> str:
    try:
        msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _allowed(kind: type[Base], steps: Sequence[str | int]) -> Sequence[Any]:
    """Return the values that the field at `steps` may have, if they are listed."""
    node: Any = inspect.type_info(kind)
    for step in (*steps, None):
        while isinstance(node, (inspect.Metadata, inspect.UnionType)):
            node = node.type if isinstance(node, inspect.Metadata) else node.types[0]
        if step is None:
            break
        if isinstance(node, inspect.StructType):
            node = next((field.type for field in node.fields if field.name == step), None)
        else:
            node = getattr(node, "item_type", getattr(node, "value_type", None))
    return node.values if isinstance(node, inspect.LiteralType) else ()
