"""Tunings of a small network without a trainer. Runs in an environment with torch."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from harness.backends.torch_common.tuning.layers import linears
from harness.errors import UserError
from harness.optimization import QuantizationConfig, quantize
from harness.optimization.metrics import Metric
from harness.optimization.objectives import Objective

INPUTS = 16
ROWS = 500
LAYERS = 3


class Noting(torch.nn.Module):
    """A network that notes how many rows it is shown, the first value of each in `first`."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = [INPUTS, 32, 32, 3]
        layers = [torch.nn.Linear(sizes[i], sizes[i + 1]) for i in range(LAYERS)]
        self.layers = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
        self.dropout = 0.5
        self.first: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.first.extend(x[:, 0].tolist())
        return torch.nn.functional.dropout(self.layers(x), self.dropout, self.training)


def everything(folder: Path) -> dict[str, Any]:
    """Quantize in every way that needs no trainer."""
    network = Noting().eval()
    data = torch.randn(200, INPUTS, generator=torch.Generator().manual_seed(1))
    data[:, 0] = torch.arange(200)
    data[:, 0] /= 100
    labelled = TensorDataset(data, torch.zeros(200))
    loader = DataLoader(labelled, batch_size=16)
    inputs = torch.randn(ROWS, INPUTS, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = network(inputs).argmax(-1)

    def right(model: torch.nn.Module, part: slice) -> torch.Tensor:
        with torch.no_grad():
            return (model(inputs[part]).argmax(-1) == wanted[part]).double()

    def number(model: torch.nn.Module) -> float:
        return float(right(model, slice(None)).mean())

    def rows(model: torch.nn.Module) -> Iterator[dict[str, torch.Tensor]]:
        for start in range(0, ROWS, 20):
            yield {"agreement": right(model, slice(start, start + 20))}

    def worse(model: torch.nn.Module) -> Iterator[dict[str, torch.Tensor]]:
        # Wrong in all rows as soon as the last layer is quantized.
        kept = "layers.4" in linears(model)
        for start in range(0, ROWS, 20):
            yield {"agreement": right(model, slice(start, start + 20)) * kept}

    def raising(model: torch.nn.Module) -> float:
        if len(linears(model)) < LAYERS:
            raise RuntimeError("cannot be evaluated")
        return 1.0

    def layers(model: torch.nn.Module) -> float:
        return 1.0 + len(linears(model))

    def refusal(act: Any) -> str:
        try:
            act()
        except UserError as error:
            return str(error)
        return "not refused"

    def told(model: torch.nn.Module) -> dict[str, Any]:
        result = model.tuning_result
        trials = [[t.status, t.state, t.rows, list(t.recipe.fallback), dict(t.measured)] for t in result.trials]
        return {"status": result.status, "trials": trials, "left": len(linears(model)), "best": result.best.index}

    config = QuantizationConfig(sampling_size=37)
    # A copy that shares its list of rows, so that what the tuning's own copies are shown is noted here.
    found: dict[str, Any] = {}
    shown = Shared()
    watched = copy.deepcopy(network)
    watched.first = shown
    quantize(watched, QuantizationConfig(sampling_size=37, max_trials=1), loader, lambda model: 0.5)
    found["shown"] = sorted(set(round(value * 100) for value in shown))
    found["number"] = told(quantize(network, config, loader, number))
    found["mapping"] = told(quantize(network, config, loader, lambda model: {"agreement": number(model)}))
    found["rows"] = told(quantize(network, config, loader, rows))
    found["worse"] = told(quantize(network, config, loader, worse))
    found["basic"] = told(quantize(network, QuantizationConfig(sampling_size=37, strategy="basic"), loader, worse))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        failed = quantize(network, config, loader, raising)
    found["failed"] = told(failed) | {
        "warnings": [str(w.message) for w in caught if "no trial came to its end" in str(w.message)],
        "same": torch.equal(failed(inputs), network(inputs)),
    }
    # With time left each recipe is tried; an objective of one's own and the size decide, whatever the latency.
    counted = [
        Objective("layers", False, 1, layers),
        Objective("modelsize", weight_ratio=1),
        Objective("performance", weight_ratio=0),
    ]
    own = QuantizationConfig(
        sampling_size=37, objectives=counted, timeout=600, metrics=Metric("accuracy", criterion=0.5)
    )
    found["own objective"] = told(quantize(network, own, loader, number))

    def train(model: torch.nn.Module) -> None:
        model.train()
        found["drops"] = not torch.equal(model(inputs), model(inputs))
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        for batch, _ in loader:
            model(batch).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

    qat = QuantizationConfig(approach="QuantizationAwareTraining", sampling_size=37)
    loose = QuantizationConfig(
        approach="QuantizationAwareTraining", sampling_size=37, metrics=Metric("accuracy", criterion=0.5)
    )
    trained = quantize(network, loose, loader, number, train)
    found["qat"] = told(trained)
    found["can train"] = trained.train().training
    shuffled = DataLoader(labelled, batch_size=16, shuffle=True)
    found["refused"] = {
        "shuffled": refusal(lambda: quantize(network, config, shuffled, number)),
        "rows": refusal(lambda: quantize(network, QuantizationConfig(sampling_size=201), loader, number)),
        "train": refusal(lambda: quantize(network, qat, loader, number)),
        "no linear": refusal(lambda: quantize(torch.nn.ReLU(), config, loader, number)),
        "metrics": refusal(lambda: quantize(network, config, loader, lambda model: {"a": 1.0, "b": 1.0})),
        "save": refusal(lambda: trained.save(folder / "model")),
        "zero": refusal(
            lambda: quantize(
                network, QuantizationConfig(sampling_size=37, metrics=Metric("accuracy")), loader, lambda m: 0.0
            )
        ),
    }
    found["unchanged"] = len(linears(network)) == LAYERS and not hasattr(network, "tuning_result")
    return found


class Shared(list):
    """A list that copies of a model go on sharing."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Shared:
        return self
