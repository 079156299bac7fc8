"""Cuts labelled rows into training and evaluation rows, the same on every host and version of the libraries.

The permutation comes from NumPy's legacy generator, whose stream NumPy has promised never to change (NEP 19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import StageError

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.plan.config import SplitConfig


def split_rows(train: Dataset, evaluation: Dataset | None, split: SplitConfig) -> dict[str, Dataset]:
    """Return the splits ``train`` and ``evaluation``.

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
        if split.held_out >= len(train):
            raise StageError("bad_data", f"task.split.held_out={split.held_out} leaves no training row of {len(train)}")
        order = np.random.RandomState(split.seed).permutation(len(train))
        train, evaluation = train.select(order[split.held_out :]), train.select(order[: split.held_out])
    else:
        evaluation = evaluation.select(np.random.RandomState(split.seed).permutation(len(evaluation)))
    if split.limit_train is not None and split.limit_train < len(train):
        sample = np.random.RandomState(split.seed).permutation(len(train))[: split.limit_train]
        train = train.select(np.sort(sample))
    if split.limit_evaluation is not None:
        evaluation = evaluation.select(range(min(split.limit_evaluation, len(evaluation))))
    return {"train": train, "evaluation": evaluation}
