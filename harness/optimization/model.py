"""Quantizes a torch model without a trainer: a model, batches that calibrate, a function that evaluates."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.backends.torch_common.tuning.layers import linears, with_layers
from harness.backends.torch_common.tuning.subject import Calibrated, TorchSubject, calibrate, call, recipes
from harness.backends.torch_common.work import int8_share
from harness.config.schema import LEAST_INT8_SHARE
from harness.errors import StageError, UserError
from harness.optimization.config import QuantizationConfig
from harness.tuning.errors import TuningError
from harness.tuning.history import History, Trial
from harness.tuning.search.registry import search_of
from harness.tuning.subject import Decided, Evaluated
from harness.tuning.trials import Tuned, tune

#: Names the number of an evaluation that gives only one.
_ONLY = "accuracy"

#: What an evaluation may give: a number, numbers by name, or batch after batch the scores of its rows by name.
Evaluation = float | Mapping[str, float] | Iterator[Mapping[str, Any]]


def quantize(
    model: torch.nn.Module,
    quant_config: QuantizationConfig,
    calibration_loader: Iterable[Any],
    evaluate: Callable[[torch.nn.Module], Evaluation],
    train: Callable[[torch.nn.Module], Any] | None = None,
    watch: Callable[[Trial], None] | None = None,
) -> torch.nn.Module:
    """Return the best INT8 model that keeps its accuracy, with all trials in its attribute ``tuning_result``.

    Its attribute ``int8_share`` is the share of INT8 among the multiplications of its matrix products on a batch of
    calibration rows; below a half there is a warning, for little of the model is quantized then.

    When none keeps it, the closest, with ``tuning_result.status`` "inaccurate" and a warning; FP32 unchanged, with
    status "failed" or "timeout", when no trial came to its end. Never None.

    Parameters
    ----------
    model : FP32, on the CPU; not changed. Its linear layers are quantized, and the ``Conv1D`` of transformers.
    calibration_loader : batches of training rows, in an order that never changes: dicts of tensors, tensors, or tuples
        whose first item is one of these. Exactly ``sampling_size`` rows of them are used.
    evaluate : given a model, returns its metric, or metrics by name. As a generator that yields for each batch the
        scores of its rows by name, of which the metric is the mean, it is ended as soon as the outcome is decided.
    train : fine-tunes the model it is given in place; QuantizationAwareTraining needs it. The model stays in evaluation
        mode meanwhile: it trains without dropout, and without renewing the statistics of normalisations.
    watch : told each trial when it has ended.

    Raises
    ------
    TuningError : one line on what cannot be meant, or on what the model cannot do with the batches. What `evaluate` and
        `train` themselves raise on the FP32 model is passed on.
    """
    batches = exactly(calibration_loader, quant_config.sampling_size)
    return tuned(model, quant_config, batches, functools.partial(_evaluated, evaluate), train, watch)


def tuned(
    model: torch.nn.Module,
    config: QuantizationConfig,
    batches: Sequence[Any],
    evaluate: Callable[[torch.nn.Module, Decided], Evaluated],
    train: Callable[[torch.nn.Module], Any] | None,
    watch: Callable[[Trial], None] | None = None,
) -> torch.nn.Module:
    """Search with `batches` as calibration and proxy; see :func:`quantize`."""
    if not linears(model):
        raise TuningError(f"model: {type(model).__name__} has no floating-point linear layer to quantize")
    original = copy.deepcopy(model).eval()
    history = History(None if config.history is None else Path(config.history), key=_key(original, config))
    network = _trained(original, config, train)
    measures = {goal.name: goal.measure for goal in config.every_objective if goal.measure is not None}
    with _one_line("calibration"):
        network, calibrated = _calibrated(network, config, batches)
        subject = TorchSubject(network, calibrated, batches, evaluate, measures, config.use_bf16, reference=original)
    baseline = history.baseline or subject.baseline()
    criterion = config.criterion(baseline.values)
    search = search_of(config.strategy)
    found = tune(
        subject,
        recipes(config.method, config.narrows),
        criterion,
        config.objective(),
        search,
        config.limits(),
        history,
        watch,
        baseline,
    )
    answer = subject.build(found.best.recipe) if found.status in ("ok", "inaccurate") else with_layers(original, {})
    answer.tuning_result = found
    answer.int8_share = int8_share(lambda: call(answer, batches[0]))
    answer.save = functools.partial(save, answer)
    if found.status != "ok":
        warnings.warn(_shortfall(found), stacklevel=3)
    elif answer.int8_share is not None and answer.int8_share < LEAST_INT8_SHARE:
        percent = f"{100 * answer.int8_share:.2g} %"
        warnings.warn(f"quantize: only {percent} of the model's multiplications run in INT8", stacklevel=3)
    return answer


def save(model: torch.nn.Module, folder: str | Path) -> None:
    """Write a transformers model, quantized or not, into `folder`, without pickles; :func:`load` reads it.

    Raises
    ------
    UserError : another model, whose classes no file could name.
    """
    from transformers import PreTrainedModel

    from harness.backends.torch_common import artefact

    if not isinstance(model, PreTrainedModel):
        raise UserError(f"save: {type(model).__name__} is no model of transformers, which alone load without pickles")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tuning = getattr(model, "tuning_result", None)
    reduced = tuning is not None and bool(tuning.best.recipe.approach["activation"].get("reduce_range"))
    artefact.save(model, folder, reduce_range=reduced)


def load(folder: str | Path) -> torch.nn.Module:
    """Return the model that :func:`harness.optimization.model.save` wrote, in evaluation mode."""
    from harness.backends.torch_common import artefact

    return artefact.load(Path(folder))


def exactly(loader: Iterable[Any], rows: int) -> list[Any]:
    """Return the first `rows` rows of a loader as its batches, the last one cut.

    Raises
    ------
    TuningError : the loader shuffles, or has fewer rows.
    """
    if isinstance(getattr(loader, "sampler", None), torch.utils.data.RandomSampler):
        raise TuningError("calibration_loader: it shuffles; want shuffle=False, for the same rows each time")
    batches, missing = [], rows
    for batch in loader if missing else ():
        there = _rows(batch)
        batches.append(_cut(batch, min(there, missing)))
        missing -= min(there, missing)
        if not missing:
            return batches
    raise TuningError(f"sampling_size={rows}: want 1 to {rows - missing}, the calibration rows there are")


@contextlib.contextmanager
def _one_line(where: str) -> Iterator[None]:
    """Turn what a model or its data cannot do into one line, whatever type the exception has."""
    try:
        yield
    except TuningError:
        raise
    except StageError as error:
        raise TuningError(error.message) from error
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise TuningError(f"{where}: the model cannot take these batches: {type(error).__name__}: {first}") from error


def _trained(
    original: torch.nn.Module, config: QuantizationConfig, train: Callable[[torch.nn.Module], Any] | None
) -> torch.nn.Module:
    """Return the network to calibrate: that of QuantizationAwareTraining has been trained with fake quantizers."""
    if config.method != "qat":
        return original
    if train is None:
        raise TuningError(f"approach={config.approach}: want train, a function that fine-tunes the model it is given")
    from harness.optimization.qat import fake_quantized, without_dropout

    prepared = fake_quantized(original, config.narrows)
    with without_dropout(prepared):
        train(prepared)
    return prepared


def _calibrated(
    network: torch.nn.Module, config: QuantizationConfig, batches: Sequence[Any]
) -> tuple[torch.nn.Module, Calibrated]:
    """Return the network whose layers are to be quantized, and the ranges of what passes through them."""
    if config.method != "qat":
        return network, calibrate(network, batches)
    from harness.optimization.qat import trained

    return trained(network, batches)


def _evaluated(
    evaluate: Callable[[torch.nn.Module], Evaluation], model: torch.nn.Module, decided: Decided
) -> Evaluated:
    found = evaluate(model)
    if isinstance(found, Mapping):
        return Evaluated({name: _number(name, value) for name, value in found.items()})
    if not isinstance(found, Iterator):
        return Evaluated({_ONLY: _number("its answer", found)})
    parts: dict[str, list[np.ndarray]] = {}
    scores: dict[str, np.ndarray] = {}
    for batch in found:
        for name, rows in batch.items():
            parts.setdefault(name, []).append(_scores(name, rows))
        scores = {name: np.concatenate(part) for name, part in parts.items()}
        if decided(scores):
            break
    values = {name: float(np.mean(rows)) for name, rows in scores.items()}
    return Evaluated(values, rows=max(map(len, scores.values()), default=0), scores=scores)


def _scores(name: str, rows: Any) -> np.ndarray:
    try:
        return np.asarray(rows, np.float64).reshape(-1)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TuningError(f"evaluate: {name} is {type(rows).__name__}; want one number a row") from error


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TuningError(f"evaluate: {name} is {type(value).__name__}; want a number, or numbers by name") from error


def _shortfall(found: Tuned) -> str:
    best = found.best
    if best.status != "inaccurate":
        return f"quantize: no trial came to its end ({best.kind}: {best.message}); the FP32 model is returned"
    parts = [
        f"{name} {reading['value']:.6g}, FP32 {reading['value'] - reading['difference']:.6g}, "
        f"allowed loss {reading['allowed']:.6g}"
        for name, reading in best.accuracy.items()
    ]
    return (
        f"quantize: none of {len(found.trials)} trials met the criterion; the closest is returned: {'; '.join(parts)}"
    )


def _key(model: torch.nn.Module, config: QuantizationConfig) -> str:
    """Return what a history must have been made with to go on from: the weights and what each trial depends on."""
    if config.history is None:
        return ""
    depends = (config.approach, config.metrics, config.sampling_size, config.use_bf16, config.narrows)
    digest = hashlib.sha256(repr(depends).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _rows(batch: Any) -> int:
    if isinstance(batch, Mapping):
        return _rows(next(iter(batch.values())))
    return _rows(batch[0]) if isinstance(batch, (tuple, list)) else len(batch)


def _cut(batch: Any, rows: int) -> Any:
    if isinstance(batch, Mapping):
        return {name: _cut(value, rows) for name, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return [_cut(item, rows) for item in batch]
    return batch[:rows] if isinstance(batch, torch.Tensor) else batch
