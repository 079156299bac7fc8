"""The proxy's divergence against SciPy's, and its corners."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
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
