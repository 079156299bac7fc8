"""Composes the options of an axis with Hydra and holds them against the schema; nothing else imports Hydra.

Each option is composed once and the matrix is their product in memory: Hydra's own sweeps have no resume and no
isolation, and composing every cell would take minutes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from harness.errors import UserError, nearest
from harness.plan.catalogue import Catalogue
from harness.plan.cell import Option, digest, from_dict
from harness.plan.config import AXES, EnvironmentConfig
from harness.plan.domains import check_domains

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
        config = _typed(AXES[axis], plain, axis, name, chosen)
        brackets = ",".join(f"{field}={_short(chosen[field])}" for field in told)
        text = (label or name) + (f"[{brackets}]" if brackets else "")
        built.append(Option(axis=axis, label=text, config=config, digest=digest([axis, config])))
    return built


def stored(axis: str, values: Mapping[str, Any], label: str) -> Any:
    """Return an option's config as a record has stored it, held against its schema as one of ``conf/`` is.

    Raises
    ------
    UserError : as :func:`options`; or a value that would be filled in from elsewhere, such as ``${oc.env:HOME}``.
    """
    try:
        for path, value in _leaves(values).items():
            if "${" in str(value):
                raise UserError(f"{axis}.{path}: {_short(value)} would be filled in from elsewhere; want a plain value")
        return _typed(AXES[axis], dict(values), axis, label, {})
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
    others = [f"file://{folder}" for folder in catalogue.conf if folder != path.parent.parent]
    searched = [f"hydra.searchpath=[{','.join(others)}]"] if others else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(path.parent.parent), version_base="1.3"):
            composed = compose(overrides=[f"+{group}={name}", *searched])
        plain = OmegaConf.to_container(composed, resolve=True)[group]
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{path}: {_line(error)}") from error
    except Exception as error:
        # PyYAML's errors reach us as they are; their first lines say what and where.
        if type(error).__module__.partition(".")[0] != "yaml":
            raise
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(plain, dict):
        raise UserError(f"{path}: want a mapping of fields, found {plain!r}")
    return plain


def _typed(schema: type, plain: dict[str, Any], group: str, name: str, fields: Mapping[str, Any]) -> Any:
    """Return the frozen dataclass `schema` of `plain` with `fields` set."""
    config = _open(OmegaConf.structured(schema))
    for path, value in {**_leaves(plain), **fields}.items():
        _set(config, path, value, group)
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise UserError(f"{group}={name}: field {missing[0]} is missing")
    built = from_dict(schema, OmegaConf.to_container(config, resolve=True))
    check_domains(built, group)
    return built


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


def _set(config: Any, path: str, value: Any, group: str) -> None:
    try:
        OmegaConf.update(config, path, value)
    except (ConfigAttributeError, ConfigKeyError) as error:
        there, wanted = _siblings(config, path)
        raise UserError(f"{group}.{path}: no such field{nearest(wanted, there)}") from error
    except OmegaConfBaseException as error:
        raise UserError(f"{group}.{path}: {_line(error)}") from error


def _siblings(config: Any, path: str) -> tuple[list[str], str]:
    """Return the fields that stand where the first unknown part of `path` should, and that part."""
    node = config
    for part in path.split("."):
        if not OmegaConf.is_dict(node) or part not in node:
            break
        node = node[part]
    return ([str(key) for key in node] if OmegaConf.is_dict(node) else []), part


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "+".join(str(item) for item in value)
    text = str(value)
    return text if len(text) <= 24 else f"...{text[-21:]}"


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
