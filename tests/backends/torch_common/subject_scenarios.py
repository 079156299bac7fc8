"""Networks of torch with a known answer, tuned for real. Runs in an environment with torch."""

from __future__ import annotations

import copy
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.approaches.mapping import signal_to_noise_db
from harness.backends.torch_common import qconfig
from harness.backends.torch_common.tuning import layers
from harness.backends.torch_common.tuning import subject as torch_subject
from harness.config.schema import ApproachConfig, QuantizerConfig
from harness.tuning import latency, ranges
from harness.tuning.criterion import Bound, Criterion
from harness.tuning.history import History
from harness.tuning.objective import Goal, Objective
from harness.tuning.recipe import whole_model
from harness.tuning.search.registry import search_of
from harness.tuning.search.sensitivity import ranked
from harness.tuning.subject import Decided, Evaluated
from harness.tuning.trials import Limits, Trials, tune
from tests.backends import torch_tiny as tiny

WIDTH = 32
BLOCKS = 15

#: The linear layers whose inputs get channels that are so much larger.
PLANTED = ("blocks.4.linear", "blocks.11.linear")
OUTLIER = 3000.0

_WEIGHT = QuantizerConfig(scheme="symmetric", granularity="per_channel")
_UINT8 = QuantizerConfig(dtype="uint8")

#: Recipes that torch's own observers make as well.
KNOWN: dict[str, tuple[QuantizerConfig, QuantizerConfig]] = {
    "minmax": (_UINT8, _WEIGHT),
    "symmetric": (dataclasses.replace(_UINT8, scheme="symmetric"), _WEIGHT),
    "percentile": (dataclasses.replace(_UINT8, observer="percentile", percentile=99.9), _WEIGHT),
    "kl": (dataclasses.replace(_UINT8, observer="kl"), _WEIGHT),
    "per tensor": (_UINT8, dataclasses.replace(_WEIGHT, granularity="per_tensor")),
    "affine weights": (_UINT8, dataclasses.replace(_WEIGHT, scheme="affine")),
    "7 bits": (dataclasses.replace(_UINT8, reduce_range=True), dataclasses.replace(_WEIGHT, reduce_range=True)),
}


_NARROWED = (_UINT8, dataclasses.replace(_WEIGHT, reduce_range=True))


class Block(torch.nn.Module):
    """A layer norm, a linear layer and a rectifier."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(WIDTH)
        self.linear = torch.nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(self.norm(x)))


class Network(torch.nn.Module):
    """A stack of blocks and a head; the inputs of :data:`PLANTED` have outlier channels that change no output."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(Block() for _ in range(BLOCKS))
        self.head = torch.nn.Linear(WIDTH, 4)
        for name in PLANTED:
            block = self.get_submodule(name.removesuffix(".linear"))
            with torch.no_grad():
                block.norm.weight[:2] *= OUTLIER
                block.linear.weight[:, :2] /= OUTLIER

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def planted_network() -> torch.nn.Module:
    """Return the network with its planted layers."""
    torch.manual_seed(4)
    return Network().eval()


def agreement(network: torch.nn.Module, rows: int = 600) -> Any:
    """Return an evaluation of the share of rows on which a model predicts what `network` does."""
    inputs = torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(7))
    wanted = torch_subject.call(network, inputs).argmax(-1)

    def evaluate(model: torch.nn.Module, decided: Decided) -> Evaluated:
        scores = np.zeros(0)
        for start in range(0, rows, 60):
            found = torch_subject.call(model, inputs[start : start + 60]).argmax(-1)
            scores = np.concatenate([scores, (found == wanted[start : start + 60]).double().numpy()])
            if decided({"agreement": scores}):
                break
        return Evaluated({"agreement": float(scores.mean())}, rows=len(scores), scores={"agreement": scores})

    return evaluate


def planted() -> dict[str, Any]:
    """Rank and tune the planted network, both with and without a timeout."""
    network = planted_network()
    batches = list(torch.randn(256, WIDTH, generator=torch.Generator().manual_seed(5)).split(32))
    subject = torch_subject.TorchSubject(
        network, torch_subject.calibrate(network, batches), batches, agreement(network)
    )
    # With weights of 7 bits, whose sums saturate on no host: the same layers are at fault everywhere.
    recipe = whole_model("static", *_NARROWED)
    criterion = Criterion((Bound("agreement", 0.15, relative=False),))
    history = History()
    history.start(subject.baseline())
    found: dict[str, Any] = {"order": ranked(Trials(subject, history, criterion, Limits()), recipe)}
    # By size, for layers this small gain no speed in INT8.
    smallest = Objective((Goal("modelsize"),))
    for timeout in (0, 600):
        tuned = tune(subject, [recipe], criterion, smallest, search_of("sensitivity"), Limits(timeout_seconds=timeout))
        found[str(timeout)] = {
            "status": tuned.status,
            "fallback": list(tuned.best.recipe.fallback),
            "trials": [[trial.status, trial.state, trial.rows] for trial in tuned.trials],
        }
    found["ops"] = len(subject.ops())
    return found


def known() -> dict[str, Any]:
    """Hold recipes that were derived offline against torch's own way of observing and converting."""
    from torch.ao.quantization import QuantWrapper, convert, prepare, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        tiny.make_checkpoint(Path(folder))
        import transformers

        network = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    rows = tiny.make_rows(60, 1)
    batches = [
        {name: torch.from_numpy(value) for name, value in rows.batch(range(start, start + 10)).items()}
        for start in range(0, 60, 10)
    ]
    calibrated = torch_subject.calibrate(network, batches)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ranges.npz"
        ranges.save(calibrated.histograms, path)
        calibrated = dataclasses.replace(calibrated, histograms=ranges.load(path))
    subject = torch_subject.TorchSubject(network, calibrated, batches, lambda model, decided: Evaluated({"m": 1.0}))
    # Six layers stay quantized: an observer by entropy takes its time for each.
    fallback = subject.ops()[6:]

    def logits(model: torch.nn.Module) -> np.ndarray:
        return torch.cat([torch_subject.call(model, batch).logits for batch in batches]).numpy()

    expected = logits(network)
    found: dict[str, Any] = {}
    for name, (activation, weight) in KNOWN.items():
        approach = ApproachConfig(name=name, activation=activation, weight=weight)
        other = copy.deepcopy(network)
        for op in subject.ops():
            if op not in fallback:
                wrapper = QuantWrapper(other.get_submodule(op))
                wrapper.qconfig = qconfig.static_qconfig(approach)
                other.set_submodule(op, wrapper)
        prepare(other, inplace=True)
        for batch in batches:
            torch_subject.call(other, batch)
        wanted = logits(convert(other, inplace=True))
        built = subject.build(whole_model("static", activation, weight).falling_back(fallback))
        found[name] = [signal_to_noise_db(wanted, logits(built)), signal_to_noise_db(expected, logits(built))]
    approach = ApproachConfig(name="dynamic", method="dynamic", activation=_UINT8, weight=_WEIGHT)
    chosen = dict.fromkeys((op for op in subject.ops() if op not in fallback), qconfig.dynamic_qconfig(approach))
    wanted = logits(quantize_dynamic(copy.deepcopy(network), chosen))
    seven = dataclasses.replace(_UINT8, reduce_range=True)
    built = subject.build(whole_model("dynamic", seven, _WEIGHT).falling_back(fallback))
    found["dynamic"] = [signal_to_noise_db(wanted, logits(built)), signal_to_noise_db(expected, logits(built))]

    all_fallback = whole_model("static", _UINT8, _WEIGHT).falling_back(subject.ops())
    whole = whole_model("static", _UINT8, _WEIGHT)
    size = sum(t.numel() * t.element_size() for t in (*network.parameters(), *network.buffers()))
    weights = sum(network.get_submodule(op).weight.numel() for op in subject.ops())
    channels = sum(network.get_submodule(op).out_features for op in subject.ops())
    return {
        "recipes": found,
        "nothing quantized": [subject.divergence(all_fallback), layers.size_bytes(subject.build(all_fallback))],
        "size": [size, weights, channels, layers.size_bytes(subject.build(whole))],
        "repeated": [subject.divergence(whole), subject.divergence(whole)],
        "unchanged": bool(np.array_equal(expected, logits(network))),
        "saving": [subject.saving(op) for op in ("bert.pooler.dense", "bert.encoder.layer.0.output.dense")],
        "tokens": int(sum(batch["input_ids"].numel() for batch in batches)),
    }


def corners() -> dict[str, Any]:
    """Try what is odd or wrong."""
    from harness.errors import StageError

    network = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).eval()
    batches = [[torch.randn(16, 8, generator=torch.Generator().manual_seed(1)), torch.zeros(16)]]
    subject = torch_subject.TorchSubject(
        network, torch_subject.calibrate(network, batches), batches, lambda model, decided: Evaluated({"m": 1.0})
    )
    recipe = whole_model("static", *_NARROWED)

    def named(act: Any) -> list[str]:
        try:
            act()
        except StageError as error:
            return [error.kind, error.message]
        return ["none", ""]

    unused = torch.nn.Sequential(torch.nn.ReLU())
    infinite = [torch.full((2, 8), torch.inf)]
    clock = iter(range(0, 10**9, 1000))
    calls: list[int] = []
    timed = {"perf_counter_ns": latency.time.perf_counter_ns}
    latency.time.perf_counter_ns = lambda: next(clock) + 10**6 * (len(calls) in (7, 9))
    try:
        measured = latency.latency_ns(lambda: calls.append(1))
    finally:
        latency.time.perf_counter_ns = timed["perf_counter_ns"]
    return {
        "regression": subject.divergence(recipe),
        "op": named(lambda: subject.build(recipe.falling_back(["1"]))),
        "method": named(lambda: subject.build(whole_model("stattic", _UINT8, _WEIGHT))),
        "weight": named(
            lambda: subject.build(whole_model("static", _UINT8, dataclasses.replace(_WEIGHT, observer="kl")))
        ),
        "no linear": named(lambda: torch_subject.calibrate(unused, [torch.randn(2, 8)])),
        "infinite": named(lambda: torch_subject.calibrate(network, infinite)),
        "latency": [measured, len(calls)],
    }
