"""Neural Compressor's own searches, 2.x ``quantization.fit`` and 3.x ``autotune``, within our limits and our records.

Neural Compressor decides what is tried and in which order, and makes each candidate. When it asks for an evaluation it
is given the outcome of a trial: judged by our criterion, bounded by our limits, recorded, and answered from the history
where it was made before, so that an interrupted search goes on at the next trial. Making a candidate is part of its
trial: a limit cuts it off, and what it raises is that trial's failure.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import StageError
from harness.plan.config import QuantizerConfig
from harness.tuning.criterion import excess
from harness.tuning.history import Trial
from harness.tuning.limits import TrialTimeout, suspended, time_limit
from harness.tuning.objective import Objective
from harness.tuning.recipe import Recipe
from harness.tuning.trials import Stop, Trials

#: Neural Compressor's words and ours.
_SCHEMES = {"asym": "affine", "sym": "symmetric"}

#: What Neural Compressor may take for FP32's accuracy. Its own limit on time must never be reached: ours is.
_BASELINE = 1.0
_FOREVER_SECONDS = 10**6

#: Makes the model of a candidate, whenever it is asked to, in Neural Compressor's own form.
Make = Callable[[], Any]


class Offers:
    """The recipes that a search has come to, and how Neural Compressor makes each."""

    def __init__(self) -> None:
        self._makes: dict[str, Make] = {}

    def add(self, recipe: Recipe, make: Make) -> None:
        """Keep how a recipe is made."""
        self._makes[recipe.digest] = make

    def make(self, recipe: Recipe) -> Any:
        """Return the model of a recipe, made anew."""
        if recipe.digest not in self._makes:
            raise StageError("error", "the search has not come to this recipe")
        return self._makes[recipe.digest]()


class Verdicts:
    """What a foreign search is told of our trials: one number, higher is better, of which it may lose `tolerable`.

    It is 1 for FP32 and falls with the loss, in units in which our criterion allows `tolerable`, whatever the metrics,
    their directions and FP32's values are; so a candidate keeps the one exactly when it keeps the other.
    """

    def __init__(self, trials: Trials, objective: Objective | None = None):
        self._trials = trials
        self._objective = objective or Objective()
        baseline = trials.history.baseline
        assert baseline is not None
        unchanged = dict.fromkeys(baseline.values, 0.0)
        self._start = excess(trials.criterion, baseline.values, unchanged)
        self._worst = 0.0

    @property
    def baseline(self) -> float:
        """FP32's number."""
        return _BASELINE

    @property
    def tolerable(self) -> float:
        """How much may be lost of 1."""
        return -self._start / 2

    def attempt(self, recipe: Recipe, goes_on: Callable[[], bool] = lambda: False) -> float:
        """Return the number for the trial of a recipe, which is made and evaluated unless it has been.

        Parameters
        ----------
        goes_on : whether the search has more to do although a trial has met the criterion.

        Raises
        ------
        Stop : the search is over.
        """
        with suspended(), _same_random_numbers():
            try:
                trial = self._trials.attempt(recipe)
            except Stop as stop:
                found = self._trials.history.find(recipe.digest)
                if found is not None:
                    self._keep(found)
                if stop.reason != "met" or found is None or not goes_on():
                    raise
                trial = found
            else:
                self._keep(trial)
        return self._told(trial)

    def _keep(self, trial: Trial) -> None:
        """Have the subject keep what was evaluated if it is the best so far: making it again may give another model."""
        if self._trials.history.best(self._trials.criterion, self._objective).digest == trial.digest:
            self._trials.subject.keep(trial.recipe)

    def _told(self, trial: Trial) -> float:
        if trial.excess is None or not np.isfinite(trial.excess):
            # Worse than all others, but a number: a Gaussian process is fitted to them.
            return self._worst - 1.0
        told = _BASELINE - (trial.excess - self._start) / 2
        self._worst = min(self._worst, told)
        return told


class _Candidate:
    """Stands where 2.x wants a quantized model, which is made only when it is needed."""

    q_config = None

    def __init__(self, tune_cfg: Mapping[str, Any], make: Make):
        self.tune_cfg = tune_cfg
        self.make = make

    @property
    def model(self) -> _Candidate:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.make(), name)


def fit(
    trials: Trials,
    offers: Offers,
    strategy: str,
    model: Any,
    config: Callable[..., Any],
    calibration: Any,
    named: Callable[[Any, Any], str],
    method: str,
    workspace: Path,
    *,
    reduce_range: bool = False,
) -> None:
    """Search with a strategy of Neural Compressor 2.x, through its ``quantization.fit``.

    Parameters
    ----------
    model, calibration : as ``fit`` takes them; the latter with a method ``first(batches)`` that gives a shorter one.
    config : PostTrainingQuantConfig with all that is the framework's own; is given what is the search's.
    named : the name of an op in records, of Neural Compressor's adaptor and its key of the op.
    workspace : a folder for its files, of which it needs some as long as candidates are made.
    reduce_range : whether it maps activations to 7 bits, which it does by the host and not by its recipe.

    Raises
    ------
    Stop : the search is over.
    StageError : ``error`` when it failed before its first trial.
    """
    from neural_compressor import quantization, set_workspace
    from neural_compressor.config import AccuracyCriterion, TuningCriterion

    verdicts, limits = Verdicts(trials), trials.limits
    # It stands for FP32 when its value is asked for; only a candidate is a trial.
    seen: list[Any] = []

    def evaluated(asked: Any) -> float:
        if not isinstance(asked, _Candidate):
            return _BASELINE
        search = seen[0]
        recipe = recipe_in_words(method, _ways(search, asked.tune_cfg, named, method), reduce_range)
        offers.add(recipe, asked.make)
        return verdicts.attempt(recipe, goes_on=lambda: search.re_quant)

    conf = config(
        accuracy_criterion=AccuracyCriterion(criterion="absolute", tolerable_loss=verdicts.tolerable),
        tuning_criterion=TuningCriterion(
            strategy=strategy,
            # 0 ends at the first that passes, as ours does. It counts what it comes upon again, so it may end sooner.
            timeout=_FOREVER_SECONDS if limits.timeout_seconds else 0,
            max_trials=limits.max_trials,
        ),
        quant_level=1,
    )
    with _inside(workspace), _watched(strategy, seen):
        set_workspace(str(workspace))
        with within_time(trials):
            quantization.fit(model, conf, calib_dataloader=calibration, eval_func=evaluated)
    search = seen[0] if seen else None
    if search is not None and search.end is not None:
        ended(search.end, trials, f"Neural Compressor's {strategy}")
    if search is not None and search.trials_count >= limits.max_trials:
        raise Stop("max_trials")


def autotune(
    trials: Trials,
    offers: Offers,
    module: Any,
    quantize: str,
    run: Callable[[Any, Callable[[Any], float]], Any],
    configs: Any,
    recipe_of: Callable[[Any], Recipe],
    workspace: Path,
    fresh: Callable[[Any], Any] = lambda model: model,
) -> None:
    """Search with ``autotune`` of Neural Compressor 3.x, which walks a list of configs of the whole model.

    Parameters
    ----------
    module : where its ``autotune`` is, and finds under the name `quantize` what makes a candidate.
    run : calls it with a TuningConfig and an evaluation function.
    configs : as TuningConfig takes them.
    recipe_of : a config in our words.
    workspace : a folder for its files.
    fresh : a model that making a candidate may change.

    Raises
    ------
    Stop : the search is over.
    StageError : ``error`` when it failed before its first trial.
    """
    from neural_compressor.common.base_tuning import TuningConfig

    verdicts, limits = Verdicts(trials), trials.limits
    original = getattr(module, quantize)

    def lazily(model: Any, quant_config: Any, *positional: Any, **named: Any) -> _Candidate:
        return _Candidate({"config": quant_config}, lambda: original(fresh(model), quant_config, *positional, **named))

    def evaluated(asked: Any) -> float:
        if not isinstance(asked, _Candidate):
            return _BASELINE
        recipe = recipe_of(asked.tune_cfg["config"])
        offers.add(recipe, asked.make)
        # It ends at the first that passes, whatever the time; with a time limit that is not to be.
        told = verdicts.attempt(recipe)
        return min(told, _BASELINE - 2 * verdicts.tolerable - 1) if limits.timeout_seconds else told

    tuning = TuningConfig(config_set=configs, tolerable_loss=verdicts.tolerable, max_trials=limits.max_trials)
    error: BaseException | None = None
    with _inside(workspace), replaced(module, quantize, lazily), within_time(trials):
        try:
            run(tuning, evaluated)
        except Exception as raised:
            error = raised
    if error is not None:
        ended(error, trials, "Neural Compressor's autotune")


def recipe_in_words(method: str, ops: Mapping[str, Mapping[str, Any] | None], reduce_range: bool) -> Recipe:
    """Return the recipe of a model whose ops Neural Compressor quantizes each in its own way, None for not at all.

    What most ops have is the recipe's; those that have another are listed beside it, under ``ops``.
    """
    ways = {op: _words(way, reduce_range) for op, way in ops.items() if way is not None}
    common = Counter(_frozen(way) for way in ways.values()).most_common(1)
    first = next((way for way in ways.values() if _frozen(way) == common[0][0]), None) if common else None
    usual = first or _words({}, reduce_range)
    others = {op: way for op, way in sorted(ways.items()) if way != usual}
    approach: dict[str, Any] = {"method": method, **usual}
    if others:
        approach["ops"] = others
    return Recipe(approach, tuple(op for op, way in ops.items() if way is None))


def _words(way: Mapping[str, Any], reduce_range: bool) -> dict[str, Any]:
    """Return one op's quantizers as fields of our config; what Neural Compressor does not say is our default."""
    found = {}
    for part, plain in (
        ("activation", QuantizerConfig(dtype="uint8")),
        ("weight", QuantizerConfig(scheme="symmetric")),
    ):
        said = way.get(part, {})
        found[part] = dataclasses.asdict(
            dataclasses.replace(
                plain,
                dtype=said.get("dtype", plain.dtype),
                scheme=_SCHEMES.get(said.get("scheme"), plain.scheme),
                granularity=said.get("granularity", plain.granularity),
                observer=said.get("algorithm", plain.observer),
                reduce_range=reduce_range and part == "activation",
            )
        )
    return found


def _frozen(way: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple((part, tuple(fields.items())) for part, fields in way.items())


def _ways(
    search: Any, tune_cfg: Mapping[str, Any], named: Callable[[Any, Any], str], method: str
) -> dict[str, Mapping[str, Any] | None]:
    """Return how each op that can be quantized is, None for not at all."""
    quantizable = {item.name for item in search.tuning_space.query_items_by_quant_mode(method)}
    ways: dict[str, Mapping[str, Any] | None] = {}
    for key, way in tune_cfg["op"].items():
        if key in quantizable:
            name = named(search.adaptor, key)
            if name in ways:
                # Or two candidates might have one recipe.
                name = f"{name}#{sum(other.partition('#')[0] == name for other in ways) + 1}"
            ways[name] = way if way["activation"]["quant_mode"] == method else None
    return ways


@contextlib.contextmanager
def _watched(strategy: str, seen: list[Any]) -> Iterator[None]:
    """Have ``fit`` run the strategy as it is, but make candidates late, keep no files, and say how it ended."""
    from neural_compressor.strategy import STRATEGIES as registered

    original = registered[strategy]

    class Watched(original):  # type: ignore[misc, valid-type]
        def __init__(self, *positional: Any, **named: Any):
            super().__init__(*positional, **named)
            self.end: BaseException | None = None
            self.analyses = True
            seen.append(self)

        def next_tune_cfg(self) -> Iterator[Any]:
            # What runs inside are the strategy's own analyses, which need real models; between them, trials.
            for config in super().next_tune_cfg():
                self.analyses = False
                yield config
                self.analyses = True

        def _tune_cfg_converter(self, op_tuning_cfg: Any) -> Any:
            converted = super()._tune_cfg_converter(op_tuning_cfg)
            default = getattr(self.adaptor, "default_qconfig", None)
            if self.analyses and default:
                # Which ``quantize`` puts in, but the analyses of FX forget. First, for they look for the last op.
                said = {part: {name: choices[0] for name, choices in way.items()} for part, way in default.items()}
                converted["op"] = {("default_qconfig", ""): said, **converted["op"]}
            return converted

        def traverse(self) -> None:
            quantize = self.adaptor.quantize

            def lazily(tune_cfg: Any, model: Any, dataloader: Any, q_func: Any = None) -> Any:
                def make() -> Any:
                    return quantize(copy.deepcopy(tune_cfg), model, dataloader, q_func)

                return make() if self.analyses else _Candidate(tune_cfg, make)

            self.adaptor.quantize = lazily
            # Of TensorFlow, whose own takes any loader apart as if it were Neural Compressor's.
            self.adaptor._partial_dataloader = lambda loader, batches: loader.first(batches)
            try:
                super().traverse()
            except (Exception, TrialTimeout) as error:
                # ``fit`` would print and forget it.
                self.end = error

        def _save(self) -> None:
            """Keep no pickle: the history has the trials."""

        def _dump_tuning_process_statistics(self) -> None:
            """Count nothing of models that may not be made."""

        def _recover_best_qmodel_from_tuning_cfg(self) -> None:
            """Make no best model: ours is chosen among the trials, and made once."""

    with replaced(registered, strategy, Watched):
        yield


def ended(error: BaseException, trials: Trials, search: str) -> None:
    """Raise what it means that a foreign search was ended by `error`; with trials it is an end like any other."""
    if isinstance(error, Stop):
        raise error
    if isinstance(error, TrialTimeout):
        raise Stop("timeout")
    first = (str(error).splitlines() or [""])[0]
    if not trials.history.trials:
        message = f"{search} failed before its first trial: {type(error).__name__}: {first}"
        raise StageError("error", message) from error
    raise Stop(f"{search} failed: {type(error).__name__}: {first}")


@contextlib.contextmanager
def within_time(trials: Trials) -> Iterator[None]:
    """Hold the search's own work, between two trials, to the time that is left."""
    left = trials.seconds_left
    try:
        with time_limit(None if left is None else max(left, 0.0)):
            yield
    except TrialTimeout:
        raise Stop("timeout") from None


@contextlib.contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Leave the global generators as they were: a search that draws from them repeats itself, evaluated or answered."""
    before = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


@contextlib.contextmanager
def replaced(where: Any, name: str, value: Any) -> Iterator[None]:
    """Put `value` in the place of an attribute, or of an entry of a dict, and back again."""
    if isinstance(where, dict):
        before = where[name]
        where[name] = value
    else:
        before = getattr(where, name)
        setattr(where, name, value)
    try:
        yield
    finally:
        if isinstance(where, dict):
            where[name] = before
        else:
            setattr(where, name, before)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder, made empty: Neural Compressor writes files into the current one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with contextlib.chdir(folder):
        yield
