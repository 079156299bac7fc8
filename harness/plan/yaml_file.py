"""Reads a YAML file that a person wrote: plain values only, and one line for whatever else stands in it."""

from __future__ import annotations

import math
from collections.abc import Hashable
from pathlib import Path
from types import NoneType
from typing import Any

import yaml

from harness.errors import UserError, shown
from harness.text.printable import is_plain

#: Bytes; the largest file here has a thirtieth of it, and PyYAML reads so much in a second or two.
_LARGEST_FILE = 2**16

#: Levels of lists and mappings, and values with those that anchors repeat: more would be read for hours.
_DEEPEST, _MOST_VALUES = 40, 20_000


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without dates, which no field takes, and without a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        there = set()
        for key_node, _ in node.value:
            key = (key_node.tag, key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in there:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key_node.value}' is there twice; want it once", key_node.start_mark
                )
            there.add(key)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds: text, numbers, true, false, null, and lists and mappings of them.

    Raises
    ------
    UserError : it cannot be read, is no YAML, is larger or deeper than any config is meant to be, or holds a value of
        another kind, a key twice, or an anchor within itself.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise UserError(f"{path}: want a file of {_LARGEST_FILE // 1024} KiB at most")
        values = yaml.load(content.decode("utf-8-sig"), _Loader)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start + 1} is no UTF-8; want the file saved as UTF-8") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: {_told(error)}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except RecursionError as error:
        raise UserError(f"{path}: is nested deeper than {_DEEPEST} levels") from error
    except (ValueError, TypeError) as error:
        # Of a value that PyYAML reads by its form: a number of thousands of digits, a date that is none.
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    _require_plain(values, f"{path}")
    return values


def _require_plain(values: Any, where: str) -> None:
    """Raise UserError where something in `values` is no plain value, or there is more of it than can be meant."""
    left: list[tuple[Any, str, int]] = [(values, where, 0)]
    for _ in range(_MOST_VALUES):
        if not left:
            return
        value, place, depth = left.pop()
        if depth > _DEEPEST:
            raise UserError(f"{where}: is nested deeper than {_DEEPEST} levels, or holds an anchor within itself")
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise UserError(f"{place}: key {shown(key)} is no text; want it in quotes")
                left += [(key, place, depth + 1), (item, f"{place}: {shown(key)}", depth + 1)]
        elif isinstance(value, list):
            left += [(item, place, depth + 1) for item in value]
        elif isinstance(value, str):
            if not is_plain(value.replace("\n", "")):
                raise UserError(f"{place}: {shown(value)}: want text without control characters")
        elif isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{place}: {value}: want a finite number")
        elif not isinstance(value, (int, float, NoneType)):
            raise UserError(f"{place}: a {type(value).__name__} is no plain value; want text, a number, true or false")
    raise UserError(f"{where}: want {_MOST_VALUES} values at most, with those that anchors repeat")


def _told(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, without the excerpt that PyYAML draws."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"is no YAML: {' '.join(str(error).split())}"
    mark, context = error.problem_mark, f"{error.context}: " if error.context else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {context}{error.problem}"
