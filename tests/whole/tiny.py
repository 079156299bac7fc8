"""A tiny project of a user's own: a two-layer BERT with its tokenizer, rows in CSV files, and a suite over them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.backend_env import REPOSITORY, environment_python, program_text, run_in

GOOD = ("good", "great", "fine", "lovely", "superb")
BAD = ("bad", "awful", "poor", "dull", "weak")
PLAIN = ("the", "film", "was", "a", "story", "and", "plot", "of", "in", "it")

_MODEL = program_text(__file__, "tiny_model")

_SUITE = """
name: tiny
version: 1
axes:
  model:
    - custom: {source.path: MODEL, fine_tuned: false, label: tiny}
  task:
    - custom: {source.path: DATA, split.train: train, split.evaluation: test, max_length: 16,
               fine_tune.epochs: 12, fine_tune.frozen: [], fine_tune.learning_rate: 0.002, label: words}
  approach: [fp32, ptq_dynamic, ptq_static]
  backend: [eager, fx]
  tuner: [none]
  host: [native]
  protocol:
    - smoke: {blocks: 2, measure_seconds: 0.02, warmup_max_seconds: 0.05, replacement_blocks: 0, label: tiny}
exclude:
  - {match: {approach: fp32, backend: fx}, because: eager FP32 is the baseline}
  - {match: {approach: ptq_static, backend: eager}, because: static runs in FX graph mode}
baseline: {approach: fp32, backend: eager}
"""


def sentence(generator: random.Random, words: Sequence[str]) -> str:
    """Return some plain words with one telling word among them."""
    text = generator.choices(PLAIN, k=generator.randint(3, 9))
    text.insert(generator.randrange(len(text)), generator.choice(words))
    return " ".join(text)


def write_rows(path: Path, count: int, seed: int) -> None:
    """Write `count` labelled rows as CSV; no two are the same."""
    generator = random.Random(seed)
    rows = {}
    while len(rows) < count:
        label = len(rows) % 2
        rows[sentence(generator, GOOD if label else BAD) + f" {seed}"] = label
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text,label\n" + "".join(f"{text},{'yes' if label else 'no'}\n" for text, label in rows.items()))


def make_project(folder: Path) -> Path:
    """Write model, rows and suite below `folder` and return it."""
    run_in(environment_python("torch"), _MODEL, folder / "model", [*GOOD, *BAD, *PLAIN])
    write_rows(folder / "data" / "train.csv", 160, seed=1)
    write_rows(folder / "data" / "test.csv", 60, seed=2)
    (folder / "suites").mkdir()
    suite = _SUITE.replace("MODEL", str(folder / "model")).replace("DATA", str(folder / "data"))
    (folder / "suites" / "tiny.yaml").write_text(suite)
    return folder


def command(project: Path, *arguments: str) -> list[str]:
    """Return a command line of the harness that works on `project` and writes its results there."""
    word, *rest = arguments
    return [
        *(sys.executable, "-m", "harness", word, "--project", str(project), "--results", str(project / "results")),
        *rest,
    ]


def variables(cache: Path) -> dict[str, str]:
    """Return the environment of a harness that keeps its artefacts apart but shares the built environments."""
    return {**os.environ, "HARNESS_CACHE": str(cache), "PYTHONPATH": str(REPOSITORY)}


def harness(project: Path, cache: Path, *arguments: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    """Run the harness to its end, which must come within so many seconds."""
    return subprocess.run(
        command(project, *arguments), capture_output=True, text=True, timeout=seconds, env=variables(cache), check=False
    )
