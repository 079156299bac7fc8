"""A language model's loss on windows: against transformers' own, closed forms, and through eager mode's artefact."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.backend_env import environment_python, program_text, run_in

pytestmark = pytest.mark.backend("torch")

_RUN = program_text(__file__, "llama_run")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_in(environment_python("torch"), _RUN, tmp_path_factory.mktemp("llama"))


def test_one_number_a_row_which_is_the_loss_of_transformers_own(found):
    assert found["shape"] == [5, 1]
    assert found["ours"] == pytest.approx(found["theirs"], abs=1e-5)
    assert len({round(loss, 3) for loss in found["ours"]}) == 5


def test_padding_is_not_scored(found):
    ours, theirs = found["padded"]
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_logits_that_are_all_alike_leave_the_whole_vocabulary(found):
    assert found["uniform"] == pytest.approx([math.log(found["vocabulary"])] * 5, abs=1e-6)


def test_a_checkpoint_holds_it_all(found):
    assert found["saved"] == pytest.approx(found["ours"], abs=1e-6)


def test_positions_stay_exact_in_bfloat16(found):
    assert found["rotary"] == ["torch.float32", True, "torch.bfloat16"]


def test_its_fp32_artefact_is_the_model_and_stores_tied_weights_once(found):
    assert found["fp32"]["losses"] == pytest.approx(found["ours"], abs=1e-5)
    assert found["fp32"]["bytes"] < 4 * found["parameters"] + 10_000


@pytest.mark.needs("vnni")
@pytest.mark.parametrize("name", ["bf16", "dynamic", "dynamic, some in FP32"])
def test_lower_precisions_are_near_fp32_but_not_it(found, name, there):
    near = 0.05 if there or name == "bf16" else 0.15  # sums of 8-bit products saturate without VNNI
    assert found[name]["losses"] != pytest.approx(found["ours"], abs=1e-6)
    assert found[name]["losses"] == pytest.approx(found["ours"], rel=near)


def test_what_is_claimed_is_executed(found):
    # Seven linear layers in each of two blocks, and the head.
    assert found["dynamic"]["layers"] == 15 and found["dynamic"]["executed"][0] == 15
    assert found["dynamic, some in FP32"]["layers"] == 11 and found["dynamic, some in FP32"]["executed"][0] == 11
    assert found["bf16"]["executed"][1] >= 15
    assert all(found[name]["supports"] is None for name in ("fp32", "bf16", "dynamic"))


def test_other_backends_say_that_they_do_not_know_it(found):
    assert all("llama" in because for because in found["unsupported"].values())


def test_it_reads_prose(found):
    assert found["modality"] == "prose"


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("to train", "bad_config", "model.fine_tuned=false"),
        ("no file", "missing_file", "none.gguf: no such file"),
        ("no folder", "missing_file", "no such model folder"),
        ("a weight short", "damaged", "1 weights missing or misshapen: model.layers.1.mlp.up_proj.weight"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(found, name, kind, words):
    got = found["refused"][name]
    assert got[0] == kind and words in got[1]
