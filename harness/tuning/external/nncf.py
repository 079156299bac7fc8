"""NNCF's accuracy control on OpenVINO models, within our limits and our records.

It quantizes all, ranks groups of quantizers by what the rows lose on each, and takes one group away after another,
with a full evaluation each time. Each of those is a trial of ours; the rankings between them are its own work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from harness.config.schema import ApproachConfig
from harness.tuning.external.search import CandidateRegistry, ScoreAdapter, ended, replaced, within_time
from harness.tuning.recipe import Recipe, whole_model
from harness.tuning.trials import Stop, Trials

#: Rows that a ranking looks at: NNCF's own default.
RANKING_ROWS = 300

_QUANTIZER = "FakeQuantize"


def search(
    trials: Trials,
    registry: CandidateRegistry,
    model: Any,
    control: Callable[..., Any],
    compiled: Callable[[Any], Any],
    outcomes: Callable[[Any, Sequence[int]], np.ndarray],
    rows: int,
    recipe_of: Callable[[Any], Recipe],
) -> None:
    """Search with NNCF's accuracy control.

    Parameters
    ----------
    model : FP32.
    control : ``nncf.quantize_with_accuracy_control`` with all that is not the search's own.
    compiled : makes a model run.
    outcomes : of a model that runs, a score for each of the rows whose numbers it is given; more is better.
    recipe_of : a quantized model in our words.

    Raises
    ------
    Stop : the search is over.
    StageError : ``error`` when it failed before its first trial.
    """
    import nncf
    from nncf.openvino.quantization import quantize_model
    from nncf.quantization.algorithms.accuracy_control.evaluator import Evaluator, MetricResults

    adapter = ScoreAdapter(trials)

    class Judged(Evaluator):
        """NNCF's evaluator, whose full evaluations are trials."""

        def __init__(self, validation: Any):
            super().__init__(validation)
            self._metric_mode = True

        def prepare_model(self, candidate: Any) -> Any:
            return _Prepared(compiled(candidate))

        def collect_metric_results(self, candidate: Any, dataset: Any, model_name: str = "") -> Any:
            value = adapter.baseline if candidate is model else self.validate(candidate, dataset)[0]
            self._num_passed_iterations = rows
            return MetricResults(value, self.collect_values_for_each_item(candidate, dataset), 0.0, 0.0)

        def collect_values_for_each_item_using_prepared_model(
            self, prepared_model: Any, dataset: Any, indices: Any = None
        ) -> list[float]:
            return validation(prepared_model.model_for_inference, dataset.get_data(indices))[1]

        def validate(self, candidate: Any, dataset: Any, indices: Any = None) -> Any:
            recipe = recipe_of(candidate)
            registry.add(recipe, lambda: candidate)
            return adapter.attempt(recipe), None

    def validation(runs: Any, numbers: Iterable[int]) -> tuple[float, list[float]]:
        found = outcomes(runs, list(numbers)).tolist()
        return float(np.mean(found)), found

    error: BaseException | None = None
    with replaced(quantize_model, "Evaluator", Judged), within_time(trials):
        try:
            control(
                model,
                validation_dataset=nncf.Dataset(list(range(rows))),
                validation_fn=validation,
                max_drop=adapter.tolerable,
                drop_type=nncf.DropType.ABSOLUTE,
                advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                    ranking_subset_size=min(RANKING_ROWS, rows),
                    # Our limit on time reaches this thread alone.
                    num_ranking_workers=1,
                ),
            )
        except Exception as raised:
            error = raised
    if error is not None:
        ended(error, trials, "NNCF's accuracy control")
    if len(trials.history.trials) >= trials.limits.max_trials:
        raise Stop("max_trials")


class _Prepared:
    def __init__(self, model: Any):
        self.model_for_inference = model


def quantized_inputs(model: Any) -> dict[str, int]:
    """Return how many inputs of each operation of an OpenVINO model are quantized, where any is."""
    found: dict[str, int] = {}
    for node in model.get_ops():
        if node.get_type_name() == _QUANTIZER:
            continue
        inputs = [value.get_source_output().get_node().get_type_name() for value in node.inputs()]
        if _QUANTIZER in inputs:
            found[node.get_friendly_name()] = inputs.count(_QUANTIZER)
    return found


class InWords:
    """Turns models into recipes: what is quantized in the first and no more in another has fallen back.

    Parameters
    ----------
    named : the name of an operation in records.
    """

    def __init__(self, approach: ApproachConfig, named: Callable[[str], str]):
        self._whole = whole_model(approach.method, approach.activation, approach.weight)
        self._named = named
        self._first: dict[str, int] | None = None

    def recipe(self, model: Any) -> Recipe:
        """Return the recipe of a quantized model."""
        now = quantized_inputs(model)
        if self._first is None:
            self._first = now
        back = [self._named(name) for name in self._first if name not in now]
        # Two models may quantize different inputs of the same operations.
        partly = {self._named(name): count for name, count in now.items() if count < self._first.get(name, count)}
        approach = {**self._whole.approach, **({"quantized_inputs": partly} if partly else {})}
        return Recipe(approach, tuple(back))
