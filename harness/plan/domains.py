"""Which values a field may have beyond its type, so that a mistake is one line before anything runs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import PurePosixPath
from typing import Any

from harness.backends.base import backend_class
from harness.errors import StageError, UserError, nearest
from harness.models.base import is_built
from harness.plan import variables
from harness.plan.config import (
    EMULATED_CPUS,
    ISA_CEILINGS,
    SCENARIOS,
    BackendConfig,
    EnvironmentConfig,
    HostConfig,
    ModelConfig,
    ProtocolConfig,
    SourceConfig,
    TaskConfig,
)
from harness.plan.host_option import contradiction
from harness.tasks.readers import modality
from harness.tasks.score import is_shipped, shipped

#: Registry -> its pins.
_PACKAGES = {
    "pypi": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*"),
    "debian": re.compile(r"[a-z0-9][a-z0-9.+-]+==[A-Za-z0-9][A-Za-z0-9.+:~-]*"),
}

_HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?")

#: Field (schema class . name) -> its valid words.
WORDS: dict[str, tuple[str, ...]] = {
    "SourceConfig.registry": ("pypi", "debian"),
    "TaskConfig.kind": ("classification", "regression", "language_modelling"),
    "QuantizerConfig.dtype": ("int8", "uint8"),
    "QuantizerConfig.scheme": ("affine", "symmetric"),
    "QuantizerConfig.granularity": ("per_tensor", "per_channel"),
    "QuantizerConfig.observer": ("minmax", "moving_average", "histogram", "percentile", "kl"),
    "ApproachConfig.precision": ("fp32", "bf16", "int8"),
    "ApproachConfig.method": ("none", "cast", "dynamic", "static", "weight_only", "qat"),
    "HostConfig.isa": ("native", *ISA_CEILINGS),
    "HostConfig.emulated": EMULATED_CPUS,
    "ProtocolConfig.omp_wait_policy": ("PASSIVE", "ACTIVE", "default"),
    "ProtocolConfig.lengths": ("padded", "real"),
    "ProtocolConfig.scenarios": SCENARIOS,
}

#: Field -> lowest and highest value, both allowed; None is unbounded.
RANGES: dict[str, tuple[float, float | None]] = {
    "FineTuneConfig.epochs": (0.0, None),
    "FineTuneConfig.batch_size": (1, None),
    "FineTuneConfig.learning_rate": (0.0, None),
    "FineTuneConfig.warmup_share": (0.0, 1.0),
    "SplitConfig.held_out": (0, None),
    "TaskConfig.max_length": (2, None),
    "TaskConfig.evaluation_batch_size": (1, None),
    "QuantizerConfig.percentile": (50.0, 100.0),
    "CalibrationConfig.samples": (1, None),
    "CalibrationConfig.batch_size": (1, None),
    "QatConfig.steps": (1, None),
    "QatConfig.batch_size": (1, None),
    "QatConfig.freeze_observers_at": (0.0, 1.0),
    "TunerConfig.timeout": (0, None),
    "TunerConfig.max_trials": (1, None),
    "HostConfig.threads": (1, None),
    "HostConfig.cores": (0, None),
    "HostConfig.numa_node": (0, None),
    "HostConfig.sockets": (1, None),
    "HostConfig.price_per_hour": (0.0, None),
    "ProtocolConfig.blocks": (1, None),
    "ProtocolConfig.target_half_width": (1e-4, 1.0),
    "ProtocolConfig.budget_seconds": (1.0, None),
    "ProtocolConfig.replacement_blocks": (0, None),
    "ProtocolConfig.latency_batch_size": (1, None),
    "ProtocolConfig.throughput_batch_size": (1, None),
    "ProtocolConfig.sequence_length": (2, None),
    "ProtocolConfig.min_iterations": (1, None),
    "ProtocolConfig.in_turns": (1, 64),
    "ProtocolConfig.measure_seconds": (0.0, 3600.0),
    "ProtocolConfig.warmup_max_seconds": (0.0, 3600.0),
    "ProtocolConfig.warmup_window": (3, None),
    "ProtocolConfig.limit_evaluation": (1, None),
    "ProtocolConfig.criterion": (0.0, None),
    "ProtocolConfig.confidence": (0.5, 0.9999),
    "ProtocolConfig.time_limit_seconds": (1, None),
    "ProtocolConfig.memory_limit_bytes": (2**20, None),
    "ScenarioConfig.blocks": (1, None),
    "ScenarioConfig.seconds": (0.01, 3600.0),
    "ScenarioConfig.min_queries": (1, None),
    "ScenarioConfig.server_percentile": (0.5, 0.9999),
    "ScenarioConfig.server_limit_ms": (0.001, None),
    "ScenarioConfig.server_per_second": (0.001, None),
    "ScenarioConfig.server_probes": (1, 64),
    "ScenarioConfig.server_max_seconds": (0.0, None),
    "ScenarioConfig.offline_cores": (1, None),
    "ScenarioConfig.offline_growth": (0.0, None),
}


def check_domains(config: Any, where: str) -> None:
    """Raise UserError for the first field of `config` (a schema dataclass) whose value cannot be meant."""
    kind = type(config).__name__
    for field in dataclasses.fields(config):
        value, path = getattr(config, field.name), f"{where}.{field.name}"
        if dataclasses.is_dataclass(value):
            check_domains(value, path)
        elif isinstance(value, tuple):
            for item in value:
                _check(f"{kind}.{field.name}", item, path)
        elif value is not None:
            _check(f"{kind}.{field.name}", value, path)
    try:
        if kind == "ModelConfig":
            _check_model(config, where)
        elif kind == "TaskConfig":
            _check_task(config, where)
        elif kind == "BackendConfig":
            _check_ceilings(config, where)
            _check_variables(config, where)
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


def _check(field: str, value: Any, path: str) -> None:
    words = WORDS.get(field)
    if words is not None and value not in words:
        raise UserError(f"{path}={value}: want one of {', '.join(words)}{nearest(value, words)}")
    low, high = RANGES.get(field, (None, None))
    if low is not None and not value >= low:
        raise UserError(f"{path}={value}: want at least {low:g}")
    if high is not None and not value <= high:
        raise UserError(f"{path}={value}: want at most {high:g}")


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


def _check_ceilings(backend: BackendConfig, where: str) -> None:
    for ceiling in backend.isa_variables:
        if ceiling not in ISA_CEILINGS:
            raise UserError(f"{where}.isa_variables: no ceiling '{ceiling}'{nearest(ceiling, ISA_CEILINGS)}")


def _check_variables(backend: BackendConfig, where: str) -> None:
    taken = (*variables.COMMON, *backend_class(backend.name).variables)
    given = {f"{where}.isa_variables.{ceiling}": values for ceiling, values in backend.isa_variables.items()}
    for field, values in ({f"{where}.variables": backend.variables} | given).items():
        variables.require_allowed(values, taken, field, f"backend {backend.name}")


def _check_environment(environment: EnvironmentConfig, where: str) -> None:
    variables.require_names(environment.variables, f"{where}.variables")
    if not re.fullmatch(r"[0-9]\.[0-9]+", environment.python):
        raise UserError(f"{where}.python={environment.python}: want a version such as 3.11")
    if PurePosixPath(environment.lock).name != environment.lock:
        raise UserError(f"{where}.lock={environment.lock}: want the name of a file that lies beside the YAML")


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
    if len(set(protocol.scenarios)) < len(protocol.scenarios):
        raise UserError(f"{where}.scenarios={'+'.join(protocol.scenarios)}: each of them once")


def _check_task(task: TaskConfig, where: str) -> None:
    is_prose, is_predicted = modality(task.reader) == "prose", task.kind == "language_modelling"
    if is_prose != is_predicted:
        gives = "documents without labels: want language_modelling" if is_prose else "labelled rows"
        raise UserError(f"{where}.kind={task.kind}: reader {task.reader} gives {gives}")
    if not is_shipped(task.metric) and not task.trust_remote_code:
        raise UserError(
            f"{where}.metric={task.metric}: none of ours{nearest(task.metric, shipped())}; one from a folder or a hub "
            f"brings its own code, which {where}.trust_remote_code=true runs"
        )
    twice = next((label for label in task.labels or () if task.labels.count(label) > 1), None)
    if twice is not None:
        raise UserError(f"{where}.labels: '{twice}' is there twice; want each class once, in the order of the outputs")
    _check_source(task.source, f"{where}.source")


def _check_source(source: SourceConfig, where: str) -> None:
    if len(source.named) != 1:
        found = " and ".join(source.named) or "none"
        raise UserError(f"{where}: want exactly one of package, hub_id and path, found {found}")
    if source.package is not None and (source.sha256 is None or source.inside is None):
        raise UserError(f"{where}: package {source.package} needs sha256 and inside")
    if source.package is not None:
        _check_package(source, where)
    if source.hub_id is not None and not _HUB_ID.fullmatch(source.hub_id):
        raise UserError(f"{where}.hub_id={source.hub_id!r}: want NAME or OWNER/NAME of a hub, no path")
    if source.hub_id is not None and source.revision is None:
        raise UserError(f"{where}: hub_id {source.hub_id} needs revision (a commit), or a re-run may read other bytes")


def _check_package(source: SourceConfig, where: str) -> None:
    """Raise UserError for what a registry's client, or the archive, would take for an option, an address or a path."""
    pinned = _PACKAGES[source.registry].fullmatch(source.package)
    if pinned is None:
        raise UserError(f"{where}.package={source.package!r}: want NAME==VERSION of registry {source.registry}")
    if not re.fullmatch(r"[0-9a-f]{64}", source.sha256):
        raise UserError(f"{where}.sha256={source.sha256!r}: want the 64 hex digits of the archive's SHA-256")
    inside = PurePosixPath(source.inside)
    if inside.is_absolute() or ".." in inside.parts or "\0" in source.inside or not inside.parts:
        raise UserError(f"{where}.inside={source.inside!r}: want a file or a folder within the archive")
