"""How many tokens a model takes, and what fills up its batches, by its config.json; held against transformers' own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.errors import StageError
from harness.models.limits import bounded, pad_token, positions, read_config, require_positions
from tests.backend_env import environment_python, program_text, run_in

_LONGEST = program_text(__file__, "model_limits_longest")


@pytest.fixture(scope="module")
def longest() -> dict[str, Any]:
    return run_in(environment_python("torch"), _LONGEST)


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    "kind", ["Bert", "Roberta", "XLMRoberta", "Camembert", "MPNet", "DistilBert", "Electra", "GPT2"]
)
def test_the_bound_is_the_longest_row_that_the_network_takes(longest, kind):
    config, length = longest[kind]
    assert positions(config) == length


@pytest.mark.parametrize(
    ("config", "there"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "t5", "n_positions": 512}, None),
        ({"model_type": "deberta-v2", "max_position_embeddings": 512, "position_biased_input": False}, None),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, None),
        ({}, None),
    ],
)
def test_positions_of_a_config(config, there):
    assert positions(config) == there


def test_the_least_bound_counts():
    assert bounded(512, 10**30, 128) == 128
    assert bounded(64, 10**30, 128) == 64
    assert bounded(64, 32, None) == 32


def test_rows_padded_beyond_the_positions_are_refused_in_one_line():
    require_positions(128, 128, "m")
    require_positions(None, 128, "m")
    require_positions(4096, None, "m")
    with pytest.raises(
        StageError, match=r"protocol.sequence_length=129: model m has 128 positions .*; want at most 128"
    ):
        require_positions(129, 128, "m")


def test_what_fills_up_a_batch():
    assert pad_token(3, {"pad_token_id": 1}) == (3, "tokenizer")
    assert pad_token(None, {"pad_token_id": 0, "eos_token_id": 2}) == (0, "pad_token_id")
    assert pad_token(None, {"pad_token_id": None, "eos_token_id": 50256}) == (50256, "eos_token_id")
    assert pad_token(None, {"eos_token_id": [7, 8]}) == (7, "eos_token_id")
    assert pad_token(None, {}) == (None, "")


def test_a_config_that_cannot_be_read_has_a_named_failure(tmp_path):
    for text, kind in ((None, "missing_file"), ("{", "damaged"), ("[1]", "damaged"), ("\xff", "damaged")):
        if text is not None:
            (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(StageError) as caught:
            read_config(tmp_path)
        assert caught.value.kind == kind
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert read_config(tmp_path) == {"model_type": "bert"}
