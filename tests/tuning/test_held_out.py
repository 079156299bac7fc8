"""The rows that a tuner decides on, and what holding the others back is for."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.token_rows import Rows
from harness.tuning.held_out import LEAST_ROWS, shown_to_tuner


def test_half_of_the_rows_is_shown_and_the_seed_alone_decides_which() -> None:
    shown = shown_to_tuner(2001, seed=7)
    assert len(shown) == len(set(shown)) == 1000
    assert (np.diff(shown) > 0).all() and shown[0] >= 0 and shown[-1] < 2001
    assert shown.tolist() == shown_to_tuner(2001, seed=7).tolist() != shown_to_tuner(2001, seed=8).tolist()


def test_too_few_rows_for_two_parts_are_not_parted() -> None:
    assert shown_to_tuner(2 * LEAST_ROWS - 1, seed=0) is None
    assert len(shown_to_tuner(2 * LEAST_ROWS, seed=0)) == LEAST_ROWS


def test_the_best_of_many_flatters_where_it_was_chosen_and_nowhere_else() -> None:
    generator = np.random.default_rng(3)
    chosen, rest = [], []
    for seed in range(200):
        # Thirty candidates, each right on 90 % of all rows there could be, so none is better than another.
        right = generator.random((30, 1000)) < 0.9
        shown = shown_to_tuner(1000, seed)
        best = right[:, shown].mean(axis=1).argmax()
        chosen.append(right[best, shown].mean())
        rest.append(np.delete(right[best], shown).mean())
    assert np.mean(chosen) > 0.92
    assert np.mean(rest) == pytest.approx(0.9, abs=0.003)


def test_rows_that_are_taken_are_the_same_rows() -> None:
    rows = Rows(
        input_ids=np.arange(9),
        token_type_ids=np.zeros(9, np.int64),
        offsets=np.array([0, 2, 5, 6, 9]),
        labels=np.array([0, 1, 2, 3]),
    )
    part = rows.take([3, 1])
    assert part.labels.tolist() == [3, 1] and part.lengths.tolist() == [3, 3]
    assert part.batch([0, 1])["input_ids"].tolist() == rows.batch([3, 1])["input_ids"].tolist()
