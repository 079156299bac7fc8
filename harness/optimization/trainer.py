"""transformers' trainer, with a method that quantizes the model it holds."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import transformers
from torch.ao.quantization import disable_observer
from torch.utils.data import Subset
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback, TrainerState

from harness.approaches.training import freeze_at
from harness.config.schema import QatConfig
from harness.optimization.config import PREFIX, QuantizationConfig
from harness.optimization.model import exactly, tuned
from harness.tuning.errors import TuningError
from harness.tuning.subject import Decided, Evaluated
from harness.tuning.trials import Tuned

#: What an evaluation says about itself and not about the model.
_ABOUT_THE_RUN = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time", "jit_compilation_time")


class NLPTrainer(transformers.Trainer):
    """A ``transformers.Trainer`` that quantizes.

    ``tuning_result`` holds every trial of the last :meth:`quantize`; None before it.
    """

    tuning_result: Tuned | None = None
    compute_metrics: Any

    def quantize(self, quant_config: QuantizationConfig) -> torch.nn.Module:
        """Return the trainer's model in INT8, the best that keeps the metrics of :meth:`evaluate`.

        The trainer's own model stays as it is. Calibration sees the first ``sampling_size`` rows of the training set,
        in their order; QuantizationAwareTraining trains with this trainer's arguments and training set, without
        dropout. What is returned when nothing keeps the metrics is said at :func:`harness.optimization.quantize`.

        Raises
        ------
        TuningError : one line on what cannot be meant.
        """
        if not isinstance(quant_config, QuantizationConfig):
            raise TuningError(f"quant_config: {quant_config!r} is no QuantizationConfig")
        if not quant_config.metrics:
            raise TuningError("metrics: want at least one Metric that names a value of trainer.evaluate()")
        if self.train_dataset is None or self.eval_dataset is None:
            missing = "train_dataset" if self.train_dataset is None else "eval_dataset"
            raise TuningError(f"trainer: {missing} is missing, which quantize needs")
        if self.args.device.type != "cpu":
            raise TuningError(f"trainer: device {self.args.device}; want TrainingArguments(use_cpu=True)")
        twin = self._twin()
        answer = tuned(
            self.model, quant_config, twin._calibration(quant_config.sampling_size), twin._evaluated, twin._fine_tune
        )
        self.tuning_result = answer.tuning_result
        return answer

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model; one that :meth:`quantize` returned so that ``harness.optimization.load`` reads it."""
        if not hasattr(self.model, "tuning_result"):
            super().save_model(output_dir, _internal_call)
            return
        folder = output_dir or self.args.output_dir
        self.model.save(folder)
        if self.processing_class is not None:
            self.processing_class.save_pretrained(folder)

    def _twin(self) -> NLPTrainer:
        """Return a trainer of the same class, data and arguments that this one does not notice the work of."""
        twin = copy.copy(self)
        twin.args = copy.copy(self.args)
        twin.args.disable_tqdm = True
        twin.args.group_by_length = False
        twin.args.load_best_model_at_end = False
        twin.args.push_to_hub = False
        for name in ("save_strategy", "eval_strategy", "logging_strategy"):
            setattr(twin.args, name, "no")
        twin.state = TrainerState()
        twin.callback_handler = CallbackHandler([DefaultFlowCallback()], None, self.processing_class, None, None)
        return twin

    @contextlib.contextmanager
    def _holding(self, network: torch.nn.Module) -> Iterator[None]:
        """Have this trainer hold `network` for a while, as if it had been made with it."""
        before = dict(self.__dict__)
        self.model = self.model_wrapped = network
        self.optimizer = self.lr_scheduler = None
        self.create_accelerator_and_postprocess()
        try:
            yield
        finally:
            self.__dict__.clear()
            self.__dict__.update(before)

    def _calibration(self, rows: int) -> list[Any]:
        dataset = self.train_dataset
        if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
            first: Any = Subset(dataset, range(min(rows, len(dataset))))
        else:
            first = list(itertools.islice(iter(dataset), rows))
        return exactly(self.get_eval_dataloader(first), rows)

    def _evaluated(self, network: torch.nn.Module, decided: Decided) -> Evaluated:
        captured: list[Any] = []
        with self._holding(network):
            compute = self.compute_metrics

            def capture(prediction: Any, **keywords: Any) -> Any:
                captured.append((prediction.predictions, prediction.label_ids))
                return compute(prediction, **keywords)

            if compute is not None:
                self.compute_metrics = capture
            found = self.evaluate()
        hidden = {f"{PREFIX}{name}" for name in _ABOUT_THE_RUN} | {"epoch"}
        numbers = (int, float, np.floating, np.integer)
        values = {k: float(v) for k, v in found.items() if isinstance(v, numbers) and k not in hidden}
        right = _right(*captured[0]) if len(captured) == 1 else None
        if right is None:
            return Evaluated(values, rows=_length(self.eval_dataset))
        # A metric that is the share of right rows is decided by a paired test on them.
        shares = [name for name, value in values.items() if math.isclose(value, right.mean(), abs_tol=1e-9)]
        return Evaluated(values, rows=len(right), scores=dict.fromkeys(shares, right))

    def _fine_tune(self, network: torch.nn.Module) -> None:
        with self._holding(network):
            flow = [DefaultFlowCallback(), _Freeze()]
            self.callback_handler = CallbackHandler(flow, network, self.processing_class, None, None)
            self.train()


class _Freeze(transformers.TrainerCallback):
    """Lets the ranges of fake quantizers stand still towards the end."""

    def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **keywords: Any) -> None:
        if state.global_step == freeze_at(QatConfig(steps=state.max_steps)):
            model.apply(disable_observer)


def _right(predictions: Any, labels: Any) -> np.ndarray | None:
    """Return which rows of a classification are right, or None where the outputs are none."""
    logits = predictions[0] if isinstance(predictions, (tuple, list)) else predictions
    if isinstance(logits, (tuple, list)) or isinstance(labels, (tuple, list)):
        return None  # several of either, such as the two ends of an answer
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or logits.shape[1] < 2 or labels.shape != logits.shape[:1] or labels.dtype.kind not in "iu":
        return None
    return (logits.argmax(axis=1) == labels).astype(np.float64)


def _length(dataset: Any) -> int | None:
    return len(dataset) if hasattr(dataset, "__len__") else None
