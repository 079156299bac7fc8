"""Which values a field may have beyond its type, so that a mistake is one line before anything runs."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from types import NoneType
from typing import Any

from harness import metrics, registry
from harness.backends.base import backend_class
from harness.config import variables
from harness.config.bounds import Domain, domain_of
from harness.config.host_option import contradiction
from harness.config.schema import (
    ISA_CEILINGS,
    BackendConfig,
    EnvironmentConfig,
    HostConfig,
    ModelConfig,
    ProtocolConfig,
    SourceConfig,
    TaskConfig,
)
from harness.errors import StageError, UserError, nearest, shown
from harness.models.base import is_built
from harness.tasks.readers import modality
from harness.text.printable import is_plain

#: Registry -> its pins.
_PACKAGES = {
    "pypi": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*"),
    "debian": re.compile(r"[a-z0-9][a-z0-9.+-]+==[A-Za-z0-9][A-Za-z0-9.+:~-]*"),
}

_HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?")

#: Of `options` and other values without a schema: levels of lists and mappings, and characters of one text.
_DEEPEST, _LONGEST = 10, 4096

#: Numbers that JSON and every framework take.
_LARGEST = 2**63

#: Gives the names of all options of a config group.
Names = Callable[[str], Collection[str]]


def check_domains(config: Any, where: str, names: Names | None = None) -> None:
    """Raise UserError for the first field of `config` (a schema dataclass) whose value cannot be meant.

    Parameters
    ----------
    where : what stands before a field's name in a message, such as ``task``.
    names : to look up fields that name an option of another config group; None leaves them unchecked.
    """
    kind = type(config).__name__
    for field in dataclasses.fields(config):
        value, path, domain = getattr(config, field.name), f"{where}.{field.name}", domain_of(field)
        if dataclasses.is_dataclass(value):
            check_domains(value, path, names)
        elif isinstance(value, tuple):
            if len(value) < domain.fewest:
                raise UserError(f"{path}: want {domain.fewest} or more, found {len(value)}")
            for item in value:
                _check(domain, item, path, names)
        elif isinstance(value, dict):
            _check_plain(value, path)
        elif value is not None:
            _check(domain, value, path, names)
    try:
        if kind == "ModelConfig":
            _check_model(config, where)
        elif kind == "TaskConfig":
            _check_task(config, where)
        elif kind == "BackendConfig":
            _check_backend(config, where)
        elif kind == "EnvironmentConfig":
            _check_environment(config, where)
        elif kind == "HostConfig":
            if (because := contradiction(config)) is not None:
                raise UserError(f"{where}.{because}")
            _check_emulated(config, where)
        elif kind == "ProtocolConfig":
            _check_protocol(config, where)
            _check_budget(config, where)
    except StageError as error:
        raise UserError(error.message) from error


def _check(domain: Domain, value: Any, path: str, names: Names | None) -> None:
    _check_plain(value, path)
    words = domain.words or (tuple(names(domain.group)) if domain.group and names else ())
    if words and value not in words:
        close = nearest(value, words)
        meant = close if close.startswith("; did") else ""
        raise UserError(f"{path}={shown(value)}: want one of {', '.join(words)}{meant}")
    if domain.pattern is not None and not re.fullmatch(domain.pattern, value):
        raise UserError(f"{path}={shown(value)}: want {domain.form}")
    if domain.low is not None and not value >= domain.low:
        raise UserError(f"{path}={shown(value)}: want at least {domain.low:.12g}")
    if domain.high is not None and not value <= domain.high:
        raise UserError(f"{path}={shown(value)}: want at most {domain.high:.12g}")
    if domain.is_path and value.startswith("~"):
        try:
            Path(value).expanduser()
        except RuntimeError as error:
            raise UserError(f"{path}={shown(value)}: this host has no home folder of that name") from error


def _check_plain(value: Any, path: str, depth: int = 0) -> None:
    """Raise UserError for what JSON, a record or a process's variables cannot hold."""
    if depth > _DEEPEST:
        raise UserError(f"{path}: is nested deeper than {_DEEPEST} levels")
    if isinstance(value, str):
        if len(value) > _LONGEST:
            raise UserError(f"{path}={shown(value)}: want {_LONGEST} characters at most, found {len(value)}")
        if not is_plain(value):
            raise UserError(f"{path}={shown(value)}: want text without control characters")
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{path}={value}: want a finite number")
    elif isinstance(value, int) and abs(value) >= _LARGEST:
        raise UserError(f"{path}={shown(value)}: want a number of 64 bits")
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_plain(item, path, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise UserError(f"{path}: key {shown(key)} is no text; want it in quotes")
            _check_plain(key, path)
            _check_plain(item, f"{path}.{shown(key)}", depth + 1)
    elif not isinstance(value, (int, float, NoneType)):
        raise UserError(f"{path}={shown(value)}: want text, a number, true, false, a list or a mapping")


def _check_model(model: ModelConfig, where: str) -> None:
    name = f"architecture {model.architecture}"
    if not is_built(model.architecture):
        if model.options:
            raise UserError(f"{where}.options: {', '.join(model.options)} mean nothing to {name}, which is loaded")
        _check_source(model.source, f"{where}.source")
    elif model.source.named:
        found = " and ".join(model.source.named)
        raise UserError(f"{where}.source: {name} is built from {where}.options; want no source, found {found}")
    elif model.fine_tuned:
        raise UserError(f"{where}.fine_tuned=true: {name} is built with random weights; want false")


def _check_backend(backend: BackendConfig, where: str) -> None:
    for ceiling in backend.isa_variables:
        if ceiling not in ISA_CEILINGS:
            raise UserError(f"{where}.isa_variables: no ceiling '{ceiling}'{nearest(ceiling, ISA_CEILINGS)}")
    taken = (*variables.COMMON, *backend_class(backend.name).variables)
    given = {f"{where}.isa_variables.{ceiling}": values for ceiling, values in backend.isa_variables.items()}
    for field, values in ({f"{where}.variables": backend.variables} | given).items():
        variables.require_allowed(values, taken, field, f"backend {backend.name}")


def _check_environment(environment: EnvironmentConfig, where: str) -> None:
    variables.require_names(environment.variables, f"{where}.variables")


def _check_emulated(host: HostConfig, where: str) -> None:
    if host.emulated is not None and host.isa not in (None, "native"):
        both = f"{where}.isa={host.isa} and {where}.emulated={host.emulated}"
        raise UserError(f"{both}: an emulated CPU has instruction sets of its own; want one of them")


def _check_budget(protocol: ProtocolConfig, where: str) -> None:
    target, budget = protocol.target_half_width, protocol.budget_seconds
    if target is not None and budget is None:
        raise UserError(f"{where}.target_half_width={target}: want {where}.budget_seconds too, or it may never end")
    if target is None and budget is not None:
        raise UserError(f"{where}.budget_seconds={budget:g}: want {where}.target_half_width too, which it is spent on")


def _check_protocol(protocol: ProtocolConfig, where: str) -> None:
    if protocol.lengths == "real" and protocol.sequence_length is not None:
        raise UserError(
            f"{where}.sequence_length={protocol.sequence_length}: it pads, and lengths=real does not; want one of both"
        )
    sizes = protocol.scenario.offline_cores or ()
    if len(set(sizes)) < len(sizes):
        raise UserError(f"{where}.scenario.offline_cores={'+'.join(map(str, sizes))}: want each of them once")
    if len(set(protocol.scenarios)) < len(protocol.scenarios):
        raise UserError(f"{where}.scenarios={'+'.join(protocol.scenarios)}: each of them once")


def _check_task(task: TaskConfig, where: str) -> None:
    is_prose, is_predicted = modality(task.reader) == "prose", task.kind == "language_modelling"
    if is_prose != is_predicted:
        gives = "documents without labels: want language_modelling" if is_prose else "labelled rows"
        raise UserError(f"{where}.kind={task.kind}: reader {task.reader} gives {gives}")
    metric = metrics.find(task.metric)
    if metric is None and not task.trust_remote_code:
        own = "" if registry.is_project_used() else f"in {registry.FOLDER} of a project wants --project; one "
        raise UserError(
            f"{where}.metric={shown(task.metric)}: not ours{nearest(task.metric, metrics.names())}; one {own}from a "
            f"folder or a hub brings its own code, which {where}.trust_remote_code=true runs"
        )
    if metric is not None and metric.kind != task.kind:
        fitting = " or ".join(metrics.shipped(task.kind))
        raise UserError(f"{where}.metric={task.metric} is not for kind={task.kind}; want {fitting}, or a hub's")
    twice = next((label for label, count in Counter(task.labels or ()).items() if count > 1), None)
    if twice is not None:
        raise UserError(f"{where}.labels: '{twice}' is there twice; want each class once, in the order of the outputs")
    _check_source(task.source, f"{where}.source")
    # What a path leads to is opened at planning, and all that is wrong with it told then.
    if task.source.path is None and task.split.evaluation is None and task.split.held_out < 1:
        raise UserError(
            f"{where}.split: no row would be evaluated on; want {where}.split.evaluation=SPLIT, or "
            f"{where}.split.held_out=ROWS, which takes them from the training rows"
        )


def _check_source(source: SourceConfig, where: str) -> None:
    if len(source.named) != 1:
        found = " and ".join(source.named) or "none"
        raise UserError(f"{where}: want exactly one of package, hub_id and path, found {found}")
    if source.package is not None:
        if source.sha256 is None or source.inside is None:
            raise UserError(f"{where}: package {source.package} needs sha256 and inside")
        _check_package(source.registry, source.package, source.sha256, source.inside, where)
    if source.hub_id is not None and not _HUB_ID.fullmatch(source.hub_id):
        raise UserError(f"{where}.hub_id='{shown(source.hub_id)}': want NAME or OWNER/NAME of a hub, no path")
    if source.hub_id is not None and source.revision is None:
        raise UserError(f"{where}: hub_id {source.hub_id} needs revision (a commit), or a re-run may read other bytes")


def _check_package(registry: str, package: str, sha256: str, inside: str, where: str) -> None:
    """Raise UserError for what a registry's client, or the archive, would take for an option, an address or a path."""
    if _PACKAGES[registry].fullmatch(package) is None:
        raise UserError(f"{where}.package='{shown(package)}': want NAME==VERSION of registry {registry}")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise UserError(f"{where}.sha256='{shown(sha256)}': want the 64 hex digits of the archive's SHA-256")
    path = PurePosixPath(inside)
    if path.is_absolute() or ".." in path.parts or "\0" in inside or not path.parts:
        raise UserError(f"{where}.inside='{shown(inside)}': want a file or a folder within the archive")
