"""Composes the options of an axis with Hydra and holds them against the schema; nothing else imports Hydra.

Each option is composed once and the matrix is their product in memory: Hydra's own sweeps have no resume and no
isolation, and composing every cell would take minutes.
"""

from __future__ import annotations

import itertools
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
    ValidationError,
)

from harness.config.cell import Option, digest, from_dict
from harness.config.schema import AXES, EnvironmentConfig
from harness.errors import UserError, shown
from harness.plan.catalogue import Catalogue
from harness.plan.domains import Names, check_domains
from harness.plan.fit import REFERENCE, require_fit, wanted
from harness.plan.yaml_file import read_yaml
from harness.text import quoting

#: Where Hydra is told to put the fields of a file into another place.
_HEADER = re.compile(r"^\s*#\s*@package\b", re.MULTILINE)

#: Field path below the axis -> the values it takes, one option each.
Fields = Mapping[str, Sequence[Any]]


def options(catalogue: Catalogue, axis: str, name: str, fields: Fields, label: str | None = None) -> list[Option]:
    """Return one option of `axis` for each combination of the values in `fields`.

    `label` stands in the place of its name and of all fields but those that have several values, which tell them apart.

    Raises
    ------
    UserError : an unknown option or field, a value of the wrong type or outside its domain, a missing field.
    """
    plain = _compose(catalogue, axis, name)
    told = [field for field, values in fields.items() if label is None or len(values) > 1]
    built = []
    for values in itertools.product(*fields.values()):
        chosen = dict(zip(fields, values, strict=True))
        config = _typed(AXES[axis], plain, axis, name, chosen, catalogue.names)
        brackets = ",".join(f"{field}={_short(chosen[field])}" for field in told)
        text = (label or name) + (f"[{brackets}]" if brackets else "")
        built.append(Option(axis=axis, label=text, config=config, digest=digest([axis, config])))
    return built


def stored(axis: str, values: Mapping[str, Any], label: str) -> Any:
    """Return an option's config as a record has stored it, held against its schema as one of ``conf/`` is.

    Raises
    ------
    UserError : as :func:`options`.
    """
    try:
        # What looks like a reference, such as ${oc.env:HOME}, stands for itself: it was filled in when it was planned.
        return _typed(AXES[axis], _literal(dict(values)), axis, label, {})
    except RecursionError as error:
        raise UserError(f"{axis}={label}: its config is nested too deeply") from error
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError) as error:
        # OmegaConf's own, for a list in the place of a mapping, or the other way round.
        raise UserError(f"{axis}={label}: its config does not fit the fields: {_line(error)}") from error


def environment(catalogue: Catalogue, name: str) -> tuple[EnvironmentConfig, Path]:
    """Return an environment's config and the path of its lock, which lies beside its YAML."""
    folder = catalogue.require("environment", name).parent
    config = _typed(EnvironmentConfig, _compose(catalogue, "environment", name), "environment", name, {})
    lock = folder / config.lock
    if not lock.is_file():
        raise UserError(f"environment={name}: lock {config.lock} does not lie beside its YAML")
    return config, lock


def _compose(catalogue: Catalogue, group: str, name: str) -> dict[str, Any]:
    """Return the plain values that Hydra composes for one option of a group, defaults lists included."""
    path = catalogue.require(group, name)
    _require_composable(catalogue, group, path, ())
    others = [_quoted(f"file://{folder}") for folder in catalogue.conf if folder != path.parent.parent]
    searched = [f"hydra.searchpath=[{','.join(others)}]"] if others else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(path.parent.parent), version_base="1.3"):
            composed = compose(overrides=[f"+{group}={_quoted(name)}", *searched])
        plain = _literal(_container(composed)[group])
    except (HydraException, OmegaConfBaseException, RecursionError) as error:
        raise UserError(f"{path}: {_line(error)}") from error
    if not isinstance(plain, dict):
        raise UserError(f"{path}: want a mapping of fields, found {shown(plain)}")
    return plain


def _container(config: Any) -> dict[str, Any]:
    """Return a mapping of OmegaConf's as a dict, its references filled in."""
    return typing.cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True))


def _require_composable(catalogue: Catalogue, group: str, path: Path, above: Sequence[Path]) -> None:
    """Raise UserError for what in an option's YAML, or those in its defaults list, Hydra has no clear words for."""
    if path in above:
        raise UserError(f"{path}: defaults: it is among its own defaults")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: want a mapping of fields, found {shown(values)}")
    if _HEADER.search(path.read_text(encoding="utf-8-sig")):
        raise UserError(f"{path}: '# @package' has no meaning here: fields stand below their axis; want no such line")
    named = values.get("defaults", [])
    if not isinstance(named, list):
        raise UserError(f"{path}: defaults: want a list of options of {group}, such as [NAME, _self_]")
    for one in named:
        if not isinstance(one, str):
            raise UserError(f"{path}: defaults: {shown(one)}: want the name of an option of {group}, or _self_")
        if one != "_self_":
            try:
                below = catalogue.require(group, one)
            except UserError as error:
                raise UserError(f"{path}: defaults: {error}") from error
            _require_composable(catalogue, group, below, (*above, path))


def _quoted(text: str) -> str:
    """Return a text as Hydra's grammar reads it as it is."""
    return QuotedString(text, Quote.single).with_quotes()


def _typed(
    schema: type, plain: dict[str, Any], group: str, name: str, fields: Mapping[str, Any], names: Names | None = None
) -> Any:
    """Return the frozen dataclass `schema` of `plain` with `fields` set; `names` as for :func:`check_domains`."""
    given = {**_leaves(plain), **fields}
    config = _filled(schema, given, group)
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise UserError(f"{group}={name}: field {missing[0]} is missing")
        values = _container(config)
        if values != OmegaConf.to_container(config):
            # What stands in the place of a reference was not held against its field yet.
            values = _container(_filled(schema, _leaves(_literal(values)), group))
    except (OmegaConfBaseException, RecursionError) as error:
        raise UserError(_unresolved(error, schema, group, name, given)) from error
    built = from_dict(schema, values)
    check_domains(built, group, names)
    return built


def _filled(schema: type, leaves: Mapping[str, Any], group: str) -> Any:
    """Return OmegaConf's form of `schema` with the value of each path in `leaves`."""
    config = _open(OmegaConf.structured(schema))
    for path, value in leaves.items():
        _set(config, schema, path, value, group)
    return config


def _unresolved(error: Exception, schema: type, group: str, name: str, given: Mapping[str, Any]) -> str:
    """Return in a line which reference leads nowhere."""
    where = getattr(error, "full_key", None)
    key = f"{group}.{where}" if where else f"{group}={name}"
    leads_nowhere = (InterpolationKeyError, InterpolationToMissingValueError, UnsupportedInterpolationType)
    if isinstance(error, (*leads_nowhere, GrammarParseError)):
        found = [(path, value) for path, value in given.items() if any(REFERENCE in text for text in _texts(value))]
        path, value = next((one for one in found if one[0] == where), found[0] if found else ("", ""))
        return f"{group}.{path}: {_no_reference(f'{group}.{path}', value)}"
    if isinstance(error, ValidationError) and where:
        return (
            f"{key}: {shown(given.get(where, 'it'))} leads to a value that it cannot have; want {wanted(schema, where)}"
        )
    return f"{key}: {_line(error)}"


def _open(config: Any) -> Any:
    """Let values be set: OmegaConf marks each node of a frozen dataclass as read-only."""
    OmegaConf.set_readonly(config, False)
    for key in config:
        if OmegaConf.is_dict(node := config._get_node(key)) and not node._is_none() and not node._is_missing():
            _open(node)
    return config


def _leaves(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, dict) and value:
            leaves |= _leaves(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def _set(config: Any, schema: type, path: str, value: Any, group: str) -> None:
    require_fit(schema, path, value, group)
    try:
        OmegaConf.update(config, path, value)
    except GrammarParseError as error:
        raise UserError(f"{group}.{shown(path)}: {_no_reference(f'{group}.{path}', value)}") from error
    except (OmegaConfBaseException, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        # OmegaConf lets through what Python says of a number that is too large, and of a path with odd brackets.
        want = "a number of 64 bits" if isinstance(error, OverflowError) else wanted(schema, path)
        raise UserError(f"{group}.{shown(path)}={shown(value)}: want {want}") from error


def _no_reference(key: str, value: Any) -> str:
    """Return what is wrong with a text whose ``${`` leads to no other value, and how the text itself is typed."""
    found = next((text for text in _texts(value) if REFERENCE in text), "")
    told = f"'${{' in {shown(found)} stands for another field's value, and there is none"
    is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(value, str) or is_list:
        typed = quoting.override(key, value if is_list else [value], is_list=is_list)
    else:
        typed = quoting.hydra(found)
    hint = f"; for the text itself want a backslash before it, as in {typed}"
    return told + hint if len(key) + len(hint) < 250 else f"{told}; for the text itself want \\${{ in its place"


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value if isinstance(value, list) else value.values():
            yield from _texts(item)


def _literal(value: Any) -> Any:
    """Return a value whose texts stand for themselves, also where they hold what begins a reference."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return quoting.literal(value) if isinstance(value, str) else value


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "+".join(str(item) for item in value)
    text = str(value)
    return text if len(text) <= 24 else f"...{text[-21:]}"


def _line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\w+ raised while resolving interpolation: ", "", line)
