"""Turns predictions into the task's metric, through `evaluate`: a module of ours, or any hub metric by name."""

from __future__ import annotations

import functools
import math
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError, nearest

if TYPE_CHECKING:
    from harness.plan.config import TaskConfig

METRICS = Path(__file__).parent / "metrics"


def shipped() -> list[str]:
    """Return the names of the metrics that need no hub."""
    return sorted(path.parent.name for path in METRICS.glob("*/*.py") if path.stem == path.parent.name)


@functools.cache
def is_shipped(name: str) -> bool:
    """Say whether a metric is ours; `evaluate` runs the code of any other, from a folder or a hub."""
    return name in shipped()


def score(name: str, predictions: Sequence[Any], references: Sequence[Any], task: TaskConfig) -> dict[str, Any]:
    """Return ``{"name", "value", "greater_is_better"}`` of the metric `name`.

    Parameters
    ----------
    name : a folder of ``harness/tasks/metrics``; or, where ``task.trust_remote_code`` says so, another folder, or the
        name of a metric on a hub.
    predictions, references : shape (rows,); class indices, or numbers for a regression.
    task : its `metric_key` picks one of several values; None takes the one called like the metric, or the only one.

    Raises
    ------
    StageError : ``no_network`` when the metric is not ours and no hub has answered, ``bad_config`` when its code is not
        trusted, it does not take these values or has no such key, ``nan`` when it is not finite.
    """
    if not is_shipped(name) and not task.trust_remote_code:
        raise StageError("bad_config", f"metric {name} brings its own code; task.trust_remote_code=true runs it")
    if name == "accuracy" and task.is_right_or_wrong:
        # Importing `evaluate` takes longer than evaluating: five to ten seconds of each cell's, for a mean.
        values = {"accuracy": share_right(predictions, references)}
    else:
        values = _compute(name, predictions, references)
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


def share_right(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Return the share of rows whose predicted class is the true one, as `evaluate`'s module of ours does.

    Raises
    ------
    StageError : ``bad_config`` when these are not as many of each, or none.
    """
    if len(predictions) != len(references) or not references:
        message = f"{len(predictions)} predictions and {len(references)} references; want as many of each, and some"
        raise StageError("bad_config", f"metric accuracy does not take this task's values: {message}")
    return sum(one == other for one, other in zip(predictions, references, strict=True)) / len(references)


def _compute(name: str, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, Any]:
    import evaluate

    place = str(METRICS / name) if is_shipped(name) else name
    try:
        # A name of its own and memory: two harnesses must not wait for each other's scratch file.
        metric = evaluate.load(place, experiment_id=uuid.uuid4().hex, keep_in_memory=True)
    except (FileNotFoundError, ConnectionError) as error:
        close = nearest(name, shipped())
        raise StageError("no_network", f"metric {name} is not shipped and no hub gave it{close}") from error
    try:
        return metric.compute(predictions=list(predictions), references=list(references))
    except MemoryError:
        raise
    except Exception as error:  # whatever its own code raises for values that it does not take
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise StageError("bad_config", f"metric {name} does not take this task's values: {first_line}") from error
