"""Cuts labelled rows into training and evaluation rows, the same on every host and version of the libraries.

The permutation comes from NumPy's legacy generator, whose stream NumPy has promised never to change (NEP 19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import StageError

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.config.schema import SplitConfig


def split_rows(train: Dataset, evaluation: Dataset | None, split: SplitConfig) -> dict[str, Dataset]:
    """Return the splits ``train`` and ``evaluation``, each the rows that :func:`split_indices` gives, in its order.

    Raises
    ------
    StageError : as :func:`split_indices`.
    """
    of_train, of_evaluation = split_indices(len(train), None if evaluation is None else len(evaluation), split)
    rest = train if evaluation is None else evaluation
    return {"train": train.select(of_train), "evaluation": rest.select(of_evaluation)}


def split_indices(train: int, evaluation: int | None, split: SplitConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the training rows, and of the evaluation rows, of sources of so many rows.

    Without evaluation rows, all rows are shuffled with ``split.seed`` and the first ``split.held_out`` are held out.
    Evaluation rows always stand in a seeded order, so that the first n of them, which a short protocol uses, are a
    fair sample even of a file that is sorted by label. A limit takes a seeded sample.

    Raises
    ------
    StageError : ``bad_config`` when nothing says which rows to evaluate on, ``bad_data`` when too few rows are there.
    """
    if evaluation is None:
        if split.held_out < 1:
            raise StageError("bad_config", "task.split: set `evaluation` to a split or file, or `held_out` above 0")
        if split.held_out >= train:
            raise StageError("bad_data", f"task.split.held_out={split.held_out} leaves no training row of {train}")
        order = np.random.RandomState(split.seed).permutation(train)
        of_train, of_evaluation = order[split.held_out :], order[: split.held_out]
    else:
        of_train, of_evaluation = np.arange(train), np.random.RandomState(split.seed).permutation(evaluation)
    if split.limit_train is not None and split.limit_train < len(of_train):
        sample = np.random.RandomState(split.seed).permutation(len(of_train))[: split.limit_train]
        of_train = of_train[np.sort(sample)]
    return of_train, of_evaluation[: split.limit_evaluation]
