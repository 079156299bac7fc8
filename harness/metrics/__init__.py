"""One short file for each metric, found by its name: ``METRIC`` is a :class:`harness.metrics.base.Metric`.

A metric is defined once, over arrays of samples (NumPy only): the same definition scores a cell, gives its interval and
tests a difference. Imports nothing above it but the registry and errors.
"""

from __future__ import annotations

from harness import registry
from harness.errors import StageError, shown
from harness.metrics.base import KINDS, Metric


def names() -> list[str]:
    """Return the metrics that are known here."""
    return registry.METRICS.names()


def shipped(kind: str) -> list[str]:
    """Return the metrics for tasks of this kind that the harness brings; no code of a plugin runs for it."""
    return [name for name in registry.METRICS.shipped() if _of(name).kind == kind]


def is_known(name: str) -> bool:
    """Say whether a metric is defined here; `evaluate` runs the code of any other, from a folder or a hub."""
    return name in registry.METRICS.names()


def find(name: str) -> Metric | None:
    """Return the metric `name`; None for one that is not known here, so that nothing but its value can be said.

    Raises
    ------
    StageError : as :meth:`harness.registry.Kind.module`, for a plugin that is no sound metric.
    """
    return _of(name) if is_known(name) else None


def is_percent(name: str) -> bool:
    """Say whether a metric's values, from 0 to 1, are shown in percent; no for one that is not known here."""
    metric = find(name)
    return metric is not None and metric.percent


def _of(name: str) -> Metric:
    found = registry.METRICS.module(name).METRIC
    if not isinstance(found, Metric) or found.kind not in KINDS:
        wanted = f"a harness.metrics.base.Metric whose kind is {' or '.join(KINDS)}"
        raise StageError("bad_config", f"{registry.METRICS.file(name)}: METRIC is {shown(found)}; want {wanted}")
    return found
