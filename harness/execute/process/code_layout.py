"""Where a revision of the harness keeps what its children run, because comparisons bring old revisions back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CodeLayout:
    """The places that others depend on, relative to the package's folder.

    Attributes
    ----------
    stages : stage -> the files that it begins with; ``{backend}`` and the like are the cell's.
    not_covered : files that are part of no artefact's key: the schema of configs, whose values are in the key
        themselves, and words.
    tuners : files by which a tuner works on a backend: part of a key only where the stage tunes.
    rooms : folders of what a child may import.
    schema : the module with the schema of configs.
    interleave : the file by which children can be timed interleaved.
    """

    stages: Mapping[str, tuple[str, ...]]
    not_covered: tuple[str, ...]
    tuners: tuple[str, ...]
    rooms: tuple[str, ...]
    schema: str
    interleave: str


#: A folder for each backend and for each idea.
_ROOMS = CodeLayout(
    stages={
        "tokenise": ("worker/stages/tokenise.py", "tasks/readers/{reader}.py"),
        "windows": ("worker/stages/windows.py", "tasks/readers/{reader}.py", "models/{architecture}.py"),
        "finetune": ("worker/stages/finetune.py", "models/{architecture}.py"),
        "quantize": ("worker/stages/quantize.py", "backends/{backend}/backend.py", "models/{architecture}.py"),
        "tune": (
            *("worker/stages/tune.py", "backends/{backend}/backend.py", "models/{architecture}.py"),
            *("tuning/**/*.py", "tuning/search/{strategy}.py"),
        ),
        "evaluate": ("worker/stages/evaluate.py",),
        "score": ("worker/stages/score.py", "metrics/{metric}.py"),
    },
    not_covered=("config/schema.py", "errors.py", "text/words.py"),
    tuners=(
        *("backends/*/tuning.py", "backends/*/inc.py", "backends/*/nncf.py", "backends/common/candidates.py"),
        *("backends/common/external_*.py", "backends/common/export_costs.py", "backends/torch_common/tuning/*.py"),
    ),
    rooms=(
        *(
            "approaches",
            "backends",
            "config",
            "data",
            "host",
            "ipc",
            "metrics",
            "models",
            "stats",
            "tasks",
            "tuning",
            "worker",
        ),
    ),
    schema="harness.config.schema",
    interleave="worker/timing/interleave.py",
)

#: Until version 0.1: flat folders, whose files' names carried what the folders do now.
_FLAT = CodeLayout(
    stages={
        "tokenise": ("worker/tokenise.py", "tasks/{reader}.py"),
        "windows": ("worker/windows.py", "tasks/{reader}.py", "models/{architecture}.py"),
        "finetune": ("worker/finetune.py", "models/{architecture}.py"),
        "quantize": ("worker/quantize.py", "backends/{backend}.py", "models/{architecture}.py"),
        "tune": ("worker/tune.py", "backends/{backend}.py", "models/{architecture}.py", "tuning/*.py"),
        "evaluate": ("worker/evaluate.py",),
        "score": ("worker/score.py", "tasks/metrics/*/*.py"),
    },
    not_covered=("plan/config.py", "errors.py", "words.py"),
    tuners=("*_tuning.py",),
    rooms=("approaches", "backends", "models", "stats", "tasks", "tuning", "worker"),
    schema="harness.plan.config",
    interleave="worker/ring.py",
)


def layout_of(package: Path) -> CodeLayout:
    """Return the layout of the package ``harness`` in the folder `package`, of this revision or of an old one."""
    return _ROOMS if (package / "worker" / "stages").is_dir() else _FLAT
