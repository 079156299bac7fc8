"""Turns predictions into the task's metric, by a definition of ours, or by any module of `evaluate`."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import metrics
from harness.errors import StageError, nearest
from harness.metrics.base import Metric

if TYPE_CHECKING:
    from harness.config.schema import TaskConfig


def score(name: str, predictions: Sequence[Any], references: Sequence[Any], task: TaskConfig) -> dict[str, Any]:
    """Return ``{"name", "value", "greater_is_better"}`` of the metric `name`.

    Parameters
    ----------
    name : a file of ``harness/metrics`` or a plugin; or, where ``task.trust_remote_code`` says so, another folder, or
        the name of a metric on a hub.
    predictions, references : shape (rows,); class indices, or numbers for a regression.
    task : its `metric_key` picks one of several values; None takes the one called like the metric, or the only one.

    Raises
    ------
    StageError : ``no_network`` when the metric is not ours and no hub has answered, ``bad_config`` when its code is not
        trusted, it does not take these values or has no such key, ``nan`` when it is not finite.
    """
    known = metrics.find(name)
    if known is None and not task.trust_remote_code:
        raise StageError("bad_config", f"metric {name} brings its own code; task.trust_remote_code=true runs it")
    if known is None:
        values = _compute(name, predictions, references)
    else:
        values = {name: _value(known, name, predictions, references)}
    key = task.metric_key or (name if name in values or len(values) != 1 else next(iter(values)))
    if key not in values:
        raise StageError("bad_config", f"metric {name} has no value '{key}' (task.metric_key){nearest(key, values)}")
    try:
        value = float(values[key])
    except (TypeError, ValueError) as error:
        found = type(values[key]).__name__
        raise StageError("bad_config", f"metric {name}: {key} is no number but {found} (task.metric_key)") from error
    if not math.isfinite(value):
        raise StageError("nan", f"metric {name}: {key} is {value}; are all predictions or references the same?")
    full_name = name if key == name else f"{name}.{key}"
    return {"name": full_name, "value": value, "greater_is_better": task.greater_is_better}


def _value(metric: Metric, name: str, predictions: Sequence[Any], references: Sequence[Any]) -> float:
    predicted, true = np.asarray(predictions), np.asarray(references)
    if predicted.shape != true.shape or predicted.ndim != 1 or not len(true):
        found = f"{len(predictions)} predictions and {len(references)} references; want as many of each, and some"
        raise StageError("bad_config", f"metric {name} does not take this task's values: {found}")
    with np.errstate(all="ignore"):  # what is not finite is told by who asks
        return float(metric.values(predicted, true))


def _compute(name: str, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, Any]:
    import evaluate

    try:
        # A name of its own and memory: two harnesses must not wait for each other's scratch file.
        metric = evaluate.load(name, experiment_id=uuid.uuid4().hex, keep_in_memory=True)
    except (FileNotFoundError, ConnectionError) as error:
        close = nearest(name, metrics.names())
        raise StageError("no_network", f"metric {name} is not shipped and no hub gave it{close}") from error
    try:
        return metric.compute(predictions=list(predictions), references=list(references))
    except MemoryError:
        raise
    except Exception as error:  # whatever its own code raises for values that it does not take
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise StageError("bad_config", f"metric {name} does not take this task's values: {first_line}") from error
