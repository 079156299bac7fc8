"""A small source for each reader of the tree, and the task that names its columns and splits."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.config.schema import TaskConfig
from tests.tasks.idx_files import write_split
from tests.tasks.reading import task

#: Rows, or documents, of each sample's splits.
TRAIN, EVALUATION = 20, 8


def _texts(count: int, seed: int) -> list[tuple[str, str]]:
    """Return texts and their classes; no text is there twice, in this split or another."""
    words = random.Random(seed)
    chosen = [words.choices(["a", "film", "of", "good", "and", "bad", "parts"], k=6) for _ in range(count)]
    return [(f"{' '.join(text)} {seed}.{row}", "yes" if row % 2 else "no") for row, text in enumerate(chosen)]


def _table(folder: Path) -> TaskConfig:
    for seed, (name, count) in enumerate({"train": TRAIN, "test": EVALUATION}.items()):
        lines = "".join(f"{text},{label}\n" for text, label in _texts(count, seed))
        (folder / f"{name}.csv").write_text(f"text,label\n{lines}")
    return task("table", evaluation="test")


def _orange_tab(folder: Path) -> TaskConfig:
    header = "text\tlabel\nstring\tdiscrete\n\tclass\n"
    for seed, (name, count) in enumerate({"train": TRAIN, "test": EVALUATION}.items()):
        lines = "".join(f"{text}\t{label}\n" for text, label in _texts(count, seed))
        (folder / f"{name}.tab").write_text(header + lines)
    return task("orange_tab", evaluation="test")


def _vader(folder: Path) -> TaskConfig:
    rows = _texts(TRAIN + EVALUATION, 0)
    lines = "".join(f"{row}\t{2 if label == 'yes' else -2}\t{text}\n" for row, (text, label) in enumerate(rows))
    (folder / "movieReviewSnippets_GroundTruth.txt").write_text(lines)
    return task("vader", held_out=EVALUATION)


def _idx_images(folder: Path) -> TaskConfig:
    numbers = np.random.default_rng(0)
    for name, count in {"train": TRAIN, "test": EVALUATION}.items():
        images = numbers.integers(0, 256, (count, 4, 5))
        write_split(folder, name, images, [row % 2 for row in range(count)])
    return task("idx_images", evaluation="test")


def _prose(folder: Path) -> TaskConfig:
    for seed, (name, count) in enumerate({"train": TRAIN, "test": EVALUATION}.items()):
        for number, (text, _) in enumerate(_texts(count, seed)):
            (folder / f"{name}-{number:05}.txt").write_text(f"{text}\n")
    return task("prose", evaluation="test", kind="language_modelling")


#: Reader -> writes a sample into a folder and returns its task.
SAMPLES: dict[str, Callable[[Path], TaskConfig]] = {
    "idx_images": _idx_images,
    "orange_tab": _orange_tab,
    "prose": _prose,
    "table": _table,
    "vader": _vader,
}
