"""The cut into training and evaluation rows: a partition, the same everywhere."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from harness.config.schema import SplitConfig
from tests.backend_env import environment_python, program_text, run_in

pytestmark = pytest.mark.backend("torch")

_SPLIT = program_text(__file__, "splits_split")

CASES = {
    "held out": (100, 0, SplitConfig(held_out=30, seed=3)),
    "held out again": (100, 0, SplitConfig(held_out=30, seed=3)),
    "another seed": (100, 0, SplitConfig(held_out=30, seed=4)),
    "limited": (100, 0, SplitConfig(held_out=30, seed=3, limit_train=20, limit_evaluation=10)),
    "named": (50, 40, SplitConfig(seed=3)),
    "named, limited": (50, 40, SplitConfig(seed=3, limit_train=20, limit_evaluation=10)),
    "wide limits": (50, 40, SplitConfig(seed=3, limit_train=500, limit_evaluation=400)),
    "nothing held out": (100, 0, SplitConfig()),
    "everything held out": (100, 0, SplitConfig(held_out=100)),
}


@pytest.fixture(scope="module")
def cut() -> dict[str, Any]:
    plain = {name: (*counts, dataclasses.asdict(split)) for name, (*counts, split) in CASES.items()}
    return run_in(environment_python("torch"), _SPLIT, plain)


def train_rows(count: int) -> list[str]:
    return [f"train {number}" for number in range(count)]


def test_held_out_rows_and_the_rest_are_a_partition(cut):
    held, rest = cut["held out"]["evaluation"], cut["held out"]["train"]
    assert len(held) == 30
    assert sorted(held + rest) == sorted(train_rows(100))


def test_the_order_is_that_of_numpys_frozen_generator(cut):
    order = np.random.RandomState(3).permutation(100)
    assert cut["held out"]["evaluation"] == [f"train {number}" for number in order[:30]]
    # The stream that NumPy has promised (NEP 19), written down: a change of library must not move a row.
    assert [int(number) for number in order[:6]] == [93, 67, 6, 64, 96, 83]


def test_only_the_seed_decides(cut):
    assert cut["held out"] == cut["held out again"]
    assert cut["held out"]["evaluation"] != cut["another seed"]["evaluation"]


def test_a_limit_takes_a_sample_of_the_same_split(cut):
    assert cut["limited"]["evaluation"] == cut["held out"]["evaluation"][:10]
    train = cut["limited"]["train"]
    assert len(set(train)) == 20
    assert set(train) < set(cut["held out"]["train"])


def test_named_evaluation_rows_are_shuffled_and_training_rows_stay(cut):
    assert cut["named"]["train"] == train_rows(50)
    evaluation = [f"evaluation {number}" for number in range(40)]
    assert sorted(cut["named"]["evaluation"]) == sorted(evaluation)
    assert cut["named"]["evaluation"] != evaluation
    assert cut["named, limited"]["evaluation"] == cut["named"]["evaluation"][:10]


def test_a_limited_training_sample_is_spread_and_in_order(cut):
    numbers = [int(text.split()[1]) for text in cut["named, limited"]["train"]]
    assert len(numbers) == 20
    assert numbers == sorted(numbers)
    assert max(numbers) >= 20  # not merely the first rows, which may all have one label


def test_limits_beyond_the_rows_change_nothing(cut):
    assert cut["wide limits"] == cut["named"]


def test_a_split_without_rows_has_a_named_failure(cut):
    assert cut["nothing held out"][0] == "bad_config"
    kind, message = cut["everything held out"]
    assert (kind, "held_out=100" in message) == ("bad_data", True)
