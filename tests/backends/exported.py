"""Makes and runs artefacts of a tiny random BERT in a backend's environment, each stage in a process of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.config.cell import Cell
from harness.config.schema import (
    ApproachConfig,
    BackendConfig,
    CalibrationConfig,
    HostConfig,
    ModelConfig,
    ProtocolConfig,
    QuantizerConfig,
    TaskConfig,
    TunerConfig,
)
from harness.data.token_rows import Rows
from tests.backend_env import NATIVE, program_text, run_in

VOCABULARY, LAYERS = 100, 2

#: Six linear layers in each encoder layer, the pooler and the classifier; two products of activations a layer.
LINEARS = 6 * LAYERS + 2
ATTENTION_PRODUCTS = 2 * LAYERS

SAMPLES = 12

_CHECKPOINT = program_text(__file__, "exported_checkpoint")

_PREPARE = program_text(__file__, "exported_prepare")

_RUN = program_text(__file__, "exported_run")

_REFERENCE = program_text(__file__, "exported_reference")


def make_cell(backend: str, method: str, precision: str, **approach: Any) -> Cell:
    """Return a cell of `backend`; `activation` and `weight` are changes to the static approach's defaults."""
    plain = ApproachConfig(name="approach", method=method, precision=precision)
    for part in ("activation", "weight"):
        approach[part] = dataclasses.replace(getattr(plain, part), **approach.get(part, {}))
    approach.setdefault("calibration", CalibrationConfig(samples=SAMPLES, batch_size=5))
    return Cell(
        key=f"{method}/{backend}",
        digest="0",
        model=ModelConfig(name="tiny"),
        task=TaskConfig(name="words"),
        approach=dataclasses.replace(plain, **approach),
        backend=BackendConfig(name=backend, environment=backend),
        tuner=TunerConfig(name="none"),
        host=HostConfig(name="native"),
        protocol=ProtocolConfig(name="smoke"),
        labels=("tiny", "words", method, backend, "none", "native", "smoke"),
    )


def quantizer_changes() -> list[tuple[str, str, Any]]:
    """Return each field of a quantizer with a value that is not the static approach's: (part, field, value)."""
    other = {
        "dtype": ("int8", "uint8"),
        "scheme": ("affine", "symmetric"),
        "granularity": ("per_tensor", "per_channel"),
        "observer": ("minmax", "moving_average", "histogram", "percentile", "kl"),
        "reduce_range": (True,),
    }
    assert {*other, "percentile"} == {field.name for field in dataclasses.fields(QuantizerConfig)}
    plain = ApproachConfig(name="approach")
    return [
        (part, field, value)
        for part in ("activation", "weight")
        for field, values in other.items()
        for value in values
        if value != getattr(getattr(plain, part), field)
    ]


@dataclasses.dataclass(frozen=True)
class StageRunner:
    """A checkpoint, training and evaluation rows in `folder`, for stages run in `python`.

    `backend` is the one whose config's variables they get; None for no variables.
    """

    python: Path
    folder: Path
    backend: str | None = None

    @classmethod
    def open(cls, python: Path, folder: Path) -> StageRunner:
        """Write checkpoint and rows."""
        run_in(python, _CHECKPOINT, folder / "checkpoint", VOCABULARY, LAYERS)
        _rows(40, seed=1).save(folder / "train.npz")
        _rows(6, seed=2).save(folder / "evaluation.npz")
        return cls(python, folder)

    def prepare(self, cells: Mapping[str, Cell], into: str = "artefacts", checkpoint: str = "checkpoint") -> Any:
        """Make artefacts; return for each what the backend said and its files' size and hash."""
        places = (self.folder / checkpoint, self._train, self.folder / into)
        return run_in(self.python, _PREPARE, *places, _plain(cells), backend=self.backend)

    def run(self, cells: Mapping[str, Cell], into: str = "artefacts") -> Any:
        """Load artefacts; return the logits of three batches and the executed precision of each."""
        places = (self.folder / "evaluation.npz", self.folder / into)
        return run_in(self.python, _RUN, *places, _plain(cells), backend=self.backend)

    def run_with(self, cells: Mapping[str, Cell], before: str, after: str, host: HostConfig = NATIVE) -> Any:
        """Do as :meth:`run` on the CPU of `host`, with `before` run first; return what `after` prints then.

        There, `ran` holds what :meth:`run` returns.
        """
        text = f"{before}\n{_RUN.replace('print(json.dumps(ran))', after)}"
        rows = self.folder / "evaluation.npz"
        return run_in(
            self.python, text, rows, self.folder / "artefacts", _plain(cells), host=host, timeout_seconds=1800
        )

    def reference(self) -> list[Any]:
        """Return the logits of PyTorch's own modules for the same batches."""
        return run_in(self.python, _REFERENCE, self.folder / "checkpoint", self.folder / "evaluation.npz")

    @property
    def _train(self) -> Path:
        return self.folder / "train.npz"


def _plain(cells: Mapping[str, Cell]) -> dict[str, Any]:
    return {name: cell.to_dict() for name, cell in cells.items()}


def _rows(count: int, seed: int) -> Rows:
    generator = np.random.RandomState(seed)
    lengths = generator.randint(3, 20, count)
    tokens = int(lengths.sum())
    return Rows(
        input_ids=generator.randint(1, VOCABULARY, tokens),
        token_type_ids=generator.randint(0, 2, tokens),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        labels=generator.randint(0, 3, count),
    )


def largest_difference(left: list[Any], right: list[Any]) -> float:
    """Return the largest absolute difference of two lists of arrays of the same shapes."""
    pairs = [(np.asarray(one), np.asarray(other)) for one, other in zip(left, right, strict=True)]
    assert all(one.shape == other.shape for one, other in pairs)
    return max(float(np.abs(one - other).max()) for one, other in pairs)
