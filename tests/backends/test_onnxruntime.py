"""ONNX Runtime on a tiny random BERT: equal logits, the precision executed, and every field of a recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.backends.onnxruntime.backend import Backend
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.exported import (
    ATTENTION_PRODUCTS,
    LINEARS,
    StageRunner,
    largest_difference,
    make_cell,
    quantizer_changes,
)

FALLBACK = ("encoder.layer.0", "classifier")  # seven of the linear layers

CELLS = {
    "fp32": make_cell("onnxruntime", "none", "fp32"),
    "dynamic": make_cell("onnxruntime", "dynamic", "int8"),
    "dynamic_fallback": make_cell("onnxruntime", "dynamic", "int8", fallback=FALLBACK),
    "static": make_cell("onnxruntime", "static", "int8"),
    "kl": make_cell("onnxruntime", "static", "int8", activation={"observer": "kl"}),
    "percentile": make_cell("onnxruntime", "static", "int8", activation={"observer": "percentile", "percentile": 90}),
    "symmetric": make_cell("onnxruntime", "static", "int8", activation={"scheme": "symmetric"}),
    "reduced": make_cell("onnxruntime", "static", "int8", weight={"reduce_range": True}),
    "per_tensor": make_cell("onnxruntime", "static", "int8", weight={"granularity": "per_tensor"}),
    "static_fallback": make_cell("onnxruntime", "static", "int8", fallback=FALLBACK),
}

#: Of each static model: its weights' largest code and numbers of scales; its activations' zero points and scales.
_CODES = program_text(__file__, "onnxruntime_codes")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> StageRunner:
    return StageRunner.open(environment_python("onnxruntime"), tmp_path_factory.mktemp("onnxruntime"))


@pytest.fixture(scope="module")
def made(runner: StageRunner) -> Any:
    return runner.prepare(CELLS)


@pytest.fixture(scope="module")
def ran(runner: StageRunner, made: Any) -> Any:
    return runner.run(CELLS)


@pytest.mark.backend("onnxruntime")
@pytest.mark.parametrize(
    ("name", "int8", "fp32"),
    [
        ("fp32", 0, LINEARS + ATTENTION_PRODUCTS),
        ("dynamic", LINEARS, ATTENTION_PRODUCTS),
        ("dynamic_fallback", LINEARS - 7, ATTENTION_PRODUCTS + 7),
        ("static", LINEARS + ATTENTION_PRODUCTS, 0),
        ("kl", LINEARS + ATTENTION_PRODUCTS, 0),
        ("percentile", LINEARS + ATTENTION_PRODUCTS, 0),
        ("static_fallback", LINEARS + ATTENTION_PRODUCTS - 7, 7),
    ],
)
def test_the_profiler_shows_the_precision_executed(ran: Any, name: str, int8: int, fp32: int) -> None:
    executed = ran[name]["executed"]
    assert (executed["int8_ops"], executed["bf16_ops"], executed["fp32_ops"]) == (int8, 0, fp32)
    assert executed["source"] == "ONNX Runtime profiler"


@pytest.mark.backend("onnxruntime")
def test_lower_precision_is_near_fp32_and_not_equal_to_it(ran: Any) -> None:
    for name in set(CELLS) - {"fp32", "percentile"}:
        difference = largest_difference(ran[name]["logits"], ran["fp32"]["logits"])
        assert 1e-4 < difference < 1.0, name


@pytest.mark.backend("onnxruntime")
def test_an_artefact_loads_without_the_packages_that_made_it(made: Any, ran: Any) -> None:
    assert not {"torch", "transformers", "onnx"} & set(ran["imported"])
    assert all(set(made[name]["files"]) == {"model.onnx"} for name in CELLS)


@pytest.mark.backend("onnxruntime")
def test_codes_and_scales_are_those_of_the_recipe(runner: StageRunner, made: Any) -> None:
    names = ["static", "percentile", "symmetric", "reduced", "per_tensor"]
    codes = run_in(runner.python, _CODES, runner.folder / "artefacts", names)
    assert all(codes[name]["weights"] == LINEARS for name in names)
    assert codes["static"]["largest"] == 127 and codes["reduced"]["largest"] in (63, 64)
    assert min(codes["static"]["scales"]) > 1 and codes["per_tensor"]["scales"] == [1]
    assert set(codes["symmetric"]["zero_points"]) == {128}
    assert len(set(codes["static"]["zero_points"])) > 3
    # A tenth of |x| is clipped, so no range is wider, and most are narrower.
    clipped = np.array(codes["percentile"]["activation_scales"]) / np.array(codes["static"]["activation_scales"])
    assert clipped.max() <= 1 + 1e-6 and np.median(clipped) < 0.8


_DAMAGED = program_text(__file__, "onnxruntime_damaged")


@pytest.mark.backend("onnxruntime")
def test_a_changed_network_and_a_weight_that_is_not_finite_are_named(runner: StageRunner) -> None:
    copy = runner.folder / "damaged"
    copy.mkdir()
    for file in (runner.folder / "checkpoint").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    difference, changed, kind, message = run_in(runner.python, _DAMAGED, copy, CELLS["fp32"].to_dict())
    assert difference == 0 and changed == "error"
    assert kind == "nan" and "classifier.weight" in message


ACCEPTED = {
    ("activation", "scheme", "symmetric"),
    ("activation", "observer", "percentile"),
    ("activation", "observer", "kl"),
    ("weight", "granularity", "per_tensor"),
    ("weight", "reduce_range", True),
}


@pytest.mark.parametrize(("part", "field", "value"), quantizer_changes())
def test_a_static_field_is_applied_or_refused_by_name(part: str, field: str, value: Any) -> None:
    because = Backend.supports(make_cell("onnxruntime", "static", "int8", **{part: {field: value}}))
    if (part, field, value) in ACCEPTED:
        assert because is None
    else:
        assert because is not None
        assert because.startswith(f"approach.{part}") and "\n" not in because


@pytest.mark.parametrize(("part", "field", "value"), quantizer_changes())
def test_dynamic_takes_the_range_that_the_kernel_takes(part: str, field: str, value: Any) -> None:
    because = Backend.supports(make_cell("onnxruntime", "dynamic", "int8", **{part: {field: value}}))
    assert (because is None) == ((part, field) in {("weight", "granularity"), ("weight", "reduce_range")})


def test_bf16_is_refused_because_there_is_no_kernel() -> None:
    assert "bf16" in str(Backend.supports(make_cell("onnxruntime", "cast", "bf16")))
