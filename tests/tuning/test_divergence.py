"""The proxy's divergence against SciPy's, and its corners."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import entropy

from harness.tuning.divergence import Reference


def _batches(seed: int, classes: int) -> list[list[np.ndarray]]:
    generator = np.random.default_rng(seed)
    return [[generator.normal(size=(rows, classes)).astype(np.float32)] for rows in (5, 8, 1)]


@pytest.mark.parametrize("classes", [2, 8])
def test_it_is_the_mean_divergence_a_row(classes: int) -> None:
    fp32, other = _batches(1, classes), _batches(2, classes)
    wanted, found = (softmax(np.concatenate([batch[0] for batch in side]).astype(float), 1) for side in (fp32, other))
    assert Reference(fp32).divergence(other) == pytest.approx(entropy(wanted, found, axis=1).mean(), rel=1e-9)


def test_it_is_0_for_fp32_itself_and_does_not_see_a_shift_of_all_logits() -> None:
    fp32 = _batches(3, 4)
    assert Reference(fp32).divergence(fp32) == 0.0
    assert Reference(fp32).divergence([[batch[0] + 7] for batch in fp32]) == pytest.approx(0, abs=1e-6)


def test_of_a_single_output_it_is_the_squared_error_over_the_variance() -> None:
    fp32 = _batches(4, 1)
    variance = np.concatenate([batch[0] for batch in fp32]).astype(float).var(ddof=1)
    assert Reference(fp32).divergence([[batch[0] + 0.5] for batch in fp32]) == pytest.approx(0.25 / variance, rel=1e-6)


def test_several_outputs_add_up() -> None:
    one, two = _batches(5, 3), _batches(6, 2)
    fp32 = [[*first, *second] for first, second in zip(one, two, strict=True)]
    other_one, other_two = _batches(7, 3), _batches(8, 2)
    both = Reference(fp32).divergence([[*a, *b] for a, b in zip(other_one, other_two, strict=True)])
    apart = Reference(one).divergence(other_one) + Reference(two).divergence(other_two)
    # Each output's rows count as rows.
    assert both == pytest.approx(apart / 2)


def test_positions_of_batches_of_other_lengths_are_held_against_each_other() -> None:
    # Start and end of an answer: the last axis is the sequence, which dynamic padding cuts for each batch.
    generator = np.random.default_rng(9)
    fp32, other = ([[generator.normal(size=(4, length)) for _ in "se"] for length in (7, 12)] for _ in "ab")
    wanted = [
        entropy(softmax(a, 1), softmax(b, 1), axis=1)
        for batch, found in zip(fp32, other, strict=True)
        for a, b in zip(batch, found, strict=True)
    ]
    assert Reference(fp32).divergence(other) == pytest.approx(np.concatenate(wanted).mean(), rel=1e-9)


def test_labels_that_do_not_exclude_each_other_are_choices_of_two() -> None:
    fp32, other = _batches(10, 3), _batches(11, 3)
    sides = [expit(np.concatenate([batch[0] for batch in side]).astype(float)) for side in (fp32, other)]
    of_each = entropy(*(np.stack([side, 1 - side]) for side in sides), axis=0)
    found = Reference(fp32, "labels").divergence(other)
    assert found == pytest.approx(of_each.sum(axis=1).mean(), rel=1e-9)
    assert found != pytest.approx(Reference(fp32).divergence(other), rel=0.05)


def test_values_are_held_by_their_squared_error_over_the_variance() -> None:
    fp32 = _batches(12, 5)
    variance = np.concatenate([batch[0].ravel() for batch in fp32]).astype(float).var(ddof=1)
    shifted = [[batch[0] + 0.5] for batch in fp32]
    assert Reference(fp32, "values").divergence(shifted) == pytest.approx(0.25 / variance, rel=1e-6)


@pytest.mark.parametrize("classes", [1, 3])
def test_one_row_is_enough(classes: int) -> None:
    one = [[np.full((1, classes), 2.0)]]
    assert Reference(one).divergence(one) == 0
    assert 0 < Reference(one).divergence([[one[0][0] * np.arange(2, 2 + classes)]]) < np.inf
