"""Neural Compressor's own searches, 2.x ``quantization.fit`` and 3.x ``autotune``, within our limits and our records.

It decides what is tried and in which order, and makes each candidate; see :mod:`harness.tuning.external.search`.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.tuning.external.inc_recipes import recipe_in_words, ways_of
from harness.tuning.external.search import CandidateRegistry, Make, ScoreAdapter, ended, replaced, within_time
from harness.tuning.limits import TrialTimeout
from harness.tuning.recipe import Recipe
from harness.tuning.trials import Stop, Trials

#: Its own limit on time must never be reached: ours is.
_FOREVER_SECONDS = 10**6


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
    registry: CandidateRegistry,
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

    adapter, limits = ScoreAdapter(trials), trials.limits
    # It stands for FP32 when its value is asked for; only a candidate is a trial.
    seen: list[Any] = []

    def evaluated(asked: Any) -> float:
        if not isinstance(asked, _Candidate):
            return adapter.baseline
        search = seen[0]
        recipe = recipe_in_words(method, ways_of(search, asked.tune_cfg, named, method), reduce_range)
        registry.add(recipe, asked.make)
        return adapter.attempt(recipe, goes_on=lambda: search.re_quant)

    conf = config(
        accuracy_criterion=AccuracyCriterion(criterion="absolute", tolerable_loss=adapter.tolerable),
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
    registry: CandidateRegistry,
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

    adapter, limits = ScoreAdapter(trials), trials.limits
    original = getattr(module, quantize)

    def lazily(model: Any, quant_config: Any, *positional: Any, **named: Any) -> _Candidate:
        return _Candidate({"config": quant_config}, lambda: original(fresh(model), quant_config, *positional, **named))

    def evaluated(asked: Any) -> float:
        if not isinstance(asked, _Candidate):
            return adapter.baseline
        recipe = recipe_of(asked.tune_cfg["config"])
        registry.add(recipe, asked.make)
        # It ends at the first that passes, whatever the time; with a time limit that is not to be.
        told = adapter.attempt(recipe)
        return min(told, adapter.baseline - 2 * adapter.tolerable - 1) if limits.timeout_seconds else told

    tuning = TuningConfig(config_set=configs, tolerable_loss=adapter.tolerable, max_trials=limits.max_trials)
    error: BaseException | None = None
    with _inside(workspace), replaced(module, quantize, lazily), within_time(trials):
        try:
            run(tuning, evaluated)
        except Exception as raised:
            error = raised
    if error is not None:
        ended(error, trials, "Neural Compressor's autotune")


@contextlib.contextmanager
def _watched(strategy: str, seen: list[Any]) -> Iterator[None]:
    """Have ``fit`` run the strategy as it is, but make candidates late, keep no files, and say how it ended."""
    from neural_compressor.strategy import STRATEGIES as registered

    original = registered[strategy]

    # The class is known at run time only, which no type can say.
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


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder, made empty: Neural Compressor writes files into the current one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with contextlib.chdir(folder):
        yield
