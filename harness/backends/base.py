"""The contract of a backend: one class a file, named `Backend`, found by its config's name.

The parent imports a backend's file to ask `supports`; so a framework is imported inside methods only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness import registry
from harness.config.cell import Cell
from harness.errors import StageError

if TYPE_CHECKING:
    import numpy as np

    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report
    from harness.tuning.recipe import Recipe
    from harness.tuning.subject import Subject
    from harness.tuning.trials import Search


@dataclass(frozen=True)
class ExecutedPrecision:
    """What the runtime really executed in one forward pass, read from the runtime and never assumed.

    `kernels` maps a name of the runtime's own to how often it ran; `source` says where the names were read
    (``torch.profiler``, ``oneDNN verbose``, ``graph``). `int8_multiplications` and `multiplications` are those of the
    products counted (see :mod:`harness.backends.common.multiplications`), None where the runtime does not show all of
    them.
    """

    int8_ops: int
    bf16_ops: int
    fp32_ops: int
    source: str
    kernels: Mapping[str, int] = field(default_factory=dict)
    int8_multiplications: int | None = None
    multiplications: int | None = None


@dataclass(frozen=True)
class ExternalTuner:
    """What a tuner that comes with a framework can do on a backend.

    Attributes
    ----------
    strategies : that there are.
    fails : strategy -> why it does not run, as it was tried.
    by_channel_alone : it knows weights of these layers by channel alone, and passes over what it is told.
    """

    strategies: tuple[str, ...]
    fails: Mapping[str, str] = field(default_factory=dict)
    by_channel_alone: bool = False


#: Neural Compressor's searches: 2.x has those of ``quantization.fit``, 3.x has one.
FIT = ("basic", "bayesian", "mse", "mse_v2")
AUTOTUNE = ("autotune",)


@dataclass(frozen=True)
class TuningRequest:
    """What a tuner works on: `train` is as for :meth:`Backend.quantize`, and `evaluation` what candidates are held by.

    `timed` is the batch of training rows that a candidate's latency is taken of. `folder` is for candidates and for
    statistics of the calibration: what lies in it is there again when a killed tuning goes on.
    """

    checkpoint: Path
    cell: Cell
    train: AnyRows
    evaluation: AnyRows
    timed: Mapping[str, np.ndarray]
    folder: Path
    report: Report


@dataclass(frozen=True)
class Tunable:
    """A cell's model, ready for a search: `recipes` quantize all of it; `save` writes the artefact of any recipe.

    `provenance` is what :meth:`Backend.quantize` would tell of the making; `save` returns the part that depends on the
    recipe. `search` is the tuner's own where it comes with the framework; None for that of the tuner's strategy.
    """

    subject: Subject
    recipes: Sequence[Recipe]
    save: Callable[[Recipe, Path], dict[str, Any]]
    provenance: Mapping[str, Any]
    search: Search | None = None


class Backend(ABC):
    """An execution path of a framework. `quantize` and `load` run in different processes.

    `model_types` are those of a checkpoint's config.json that it can read; None: whatever transformers loads.
    `variables` are the beginnings of the environment variables that its config may set, beside
    :data:`harness.config.variables.COMMON`. `external_tuners` are those that tune its cells, by their configs' names.
    """

    model_types: ClassVar[tuple[str, ...] | None] = None
    variables: ClassVar[tuple[str, ...]] = ()
    external_tuners: ClassVar[Mapping[str, ExternalTuner]] = {}

    @staticmethod
    @abstractmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        """Return None, or one line that says why this backend cannot run the cell. Called in the parent.

        Parameters
        ----------
        isa : the instruction sets that the cell has on its host (see :mod:`harness.config.instructions`); None where
            they are not known, which leaves nothing out.
        """

    @abstractmethod
    def quantize(self, checkpoint: Path, cell: Cell, train: AnyRows, out: Path, report: Report) -> dict[str, Any]:
        """Make the cell's artefact in the empty folder `out` from the FP32 checkpoint folder.

        `train` holds the tokenised training rows, the only data it may see. Returns provenance (JSON values): recipe,
        calibration rows, training losses. No pickles: the artefact must load with `weights_only` or its like.
        """

    def tunable(self, request: TuningRequest) -> Tunable:
        """Calibrate the FP32 checkpoint once, and return what a search over recipes works with.

        Only asked where `supports` accepts the cell's tuner.
        """
        cell = request.cell
        raise StageError("bad_config", f"tuner={cell.tuner.name}: backend {cell.backend.name} has no tuner")

    @abstractmethod
    def load(self, artefact: Path, cell: Cell) -> None:
        """Load the artefact, ready for `forward`."""

    @abstractmethod
    def inputs(self, batch: Mapping[str, np.ndarray]) -> Any:
        """Turn a batch of tokens (int64, rows x tokens) or images (float32) into what `forward` takes. Not timed."""

    @abstractmethod
    def forward(self, inputs: Any) -> Any:
        """Run one forward pass: the timed call, so nothing but the model."""

    @abstractmethod
    def logits(self, outputs: Any) -> np.ndarray:
        """Return the outputs of `forward` as float32 of shape (rows, classes), or (rows, 1) for a regression."""

    @abstractmethod
    def executed_precision(self, inputs: Any) -> ExecutedPrecision:
        """Run `forward` once under the runtime's own profile or log and count what it executed."""


def backend_class(name: str) -> type[Backend]:
    """Return the class of the backend `name` without importing its framework.

    Raises
    ------
    StageError : ``bad_config`` when there is none; as :meth:`harness.registry.Kind.module`, or when it does not keep
        the contract, for a plugin.
    """
    found = registry.BACKENDS.module(name).Backend
    if not (isinstance(found, type) and issubclass(found, Backend)):
        where = registry.BACKENDS.file(name)
        raise StageError("bad_config", f"{where}: Backend is no subclass of harness.backends.base.Backend")
    if found.__abstractmethods__:
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise StageError("bad_config", f"{registry.BACKENDS.file(name)}: Backend lacks {missing}")
    return found


def unsupported(cell: Cell, isa: Collection[str] | None = None) -> str | None:
    """Return what the `supports` of the cell's backend says of it.

    Raises
    ------
    StageError : ``bad_config``: a plugin's raises, or says neither None nor a line; and as :func:`backend_class`.
    """
    file = registry.BACKENDS.file(cell.backend.name)
    try:
        said = backend_class(cell.backend.name).supports(cell, isa)
    except StageError:
        raise
    except Exception as error:
        if file.is_relative_to(registry.PACKAGE):
            raise
        line = (str(error).strip().splitlines() or ["no message"])[0]
        raise StageError("bad_config", f"{file}: supports raised {type(error).__name__}: {line}") from error
    if said is not None and not isinstance(said, str):
        raise StageError("bad_config", f"{file}: supports gave {type(said).__name__}; want None or one line")
    return said
