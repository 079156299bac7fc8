"""Each runtime's own count of INT8 multiplications is that of a closed form, on a tiny BERT whose sizes are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.backends.common.multiplications import Tally, of_product, of_rows
from harness.backends.common.onednn import count
from harness.backends.onnxruntime.precision import _multiplications as of_event
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.exported import LAYERS, LINEARS, StageRunner, make_cell

#: Of the checkpoint of `exported`: hidden 64, intermediate 128, three classes.
TOKEN = LAYERS * (4 * 64 * 64 + 2 * 64 * 128)
ROW = 64 * 64 + 64 * 3
PAIR = LAYERS * 2 * 64
PER_ROW = {"row": ROW, "token": TOKEN, "token_pair": PAIR}

ENVIRONMENT = {"eager": "torch", "fx": "torch", "pt2e": "torchao"}
PER_TENSOR = {"granularity": "per_tensor"}
FALLBACK = ("encoder.layer.0", "classifier")

#: Backend and method, changes to the approach, and of the INT8 multiplications those of linear layers:
#: (a row, a token).
CELLS: list[tuple[str, str, dict[str, Any], tuple[int, int]]] = [
    ("eager", "none", {}, (0, 0)),
    ("eager", "dynamic", {}, (ROW, TOKEN)),
    ("eager", "static", {"fallback": FALLBACK}, (64 * 64, TOKEN // 2)),
    ("fx", "static", {}, (ROW, TOKEN)),
    ("pt2e", "static", {}, (ROW, TOKEN)),
    ("ipex", "static", {}, (ROW, TOKEN)),
    ("onnxruntime", "none", {}, (0, 0)),
    ("onnxruntime", "static", {"fallback": FALLBACK}, (64 * 64, TOKEN // 2)),
    ("onnxruntime", "dynamic", {}, (ROW, TOKEN)),
    ("openvino", "none", {}, (0, 0)),
    ("openvino", "static", {"fallback": FALLBACK}, (64 * 64, TOKEN // 2)),
    ("tensorflow", "static", {"weight": PER_TENSOR, "fallback": FALLBACK}, (64 * 64, TOKEN // 2)),
    ("itex", "static", {"weight": PER_TENSOR}, (ROW, TOKEN)),
]

_PER_ROW = program_text(__file__, "multiplications_per_row")

_RUN = program_text(__file__, "multiplications_run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return StageRunner.open(environment_python("torch"), tmp_path_factory.mktemp("multiplications")).folder


@pytest.mark.backend("torch")
def test_a_networks_multiplications_follow_from_its_sizes(folder: Path) -> None:
    assert run_in(environment_python("torch"), _PER_ROW, folder / "checkpoint") == [PER_ROW, "sdpa"]


@pytest.mark.parametrize(
    ("backend", "method", "changes", "linears"),
    [pytest.param(*cell, marks=pytest.mark.backend(ENVIRONMENT.get(cell[0], cell[0]))) for cell in CELLS],
)
def test_the_multiplications_are_those_of_the_closed_form(
    folder: Path, tmp_path: Path, backend: str, method: str, changes: dict[str, Any], linears: tuple[int, int]
) -> None:
    runner = StageRunner(environment_python(ENVIRONMENT.get(backend, backend)), folder)
    cell = make_cell(backend, method, "fp32" if method == "none" else "int8", **changes)
    made = runner.prepare({"cell": cell}, into=str(tmp_path))
    assert "kind" not in made["cell"]["said"], made
    found = run_in(
        runner.python, _RUN, folder / "evaluation.npz", tmp_path / "cell", cell.to_dict(), PER_ROW, backend=backend
    )
    (rows, tokens), executed, alone = found
    assert executed["multiplications"] == rows * (ROW + TOKEN * tokens + PAIR * tokens**2)
    # oneDNN's log does not show what other libraries multiply; all other runtimes show the whole.
    assert alone == (None if backend in ("pt2e", "ipex") else executed["multiplications"])
    row, token = linears
    layers = (LINEARS - 7 if "fallback" in changes else LINEARS) if row else 0
    # IPEX multiplies each row and head of attention on its own; the others a whole layer's at a time, twice.
    products = min(executed["int8_ops"] - layers, 2 * LAYERS)
    in_attention = products * rows * tokens**2 * 64
    assert executed["int8_multiplications"] == rows * (row + token * tokens) + in_attention


def test_a_product_is_the_size_of_its_result_times_what_it_sums_over() -> None:
    assert of_product([6, 17, 64], [6, 17, 128]) == 6 * 17 * 64 * 128
    assert of_product([6, 2, 17, 32], [6, 2, 17, 17]) == 6 * 2 * 17 * 32 * 17
    assert of_product(None, [3]) is None
    assert of_product([-1, 64], [-1, 128]) is None  # a size that the runtime does not tell
    assert of_rows(PER_ROW, 6, 17) == 6 * (ROW + 17 * TOKEN + 17 * 17 * PAIR)
    assert of_rows(None, 6, 17) is None


def test_what_is_not_known_of_one_product_is_not_known_of_all() -> None:
    tally = Tally()
    tally.add("int8", 10)
    tally.add("fp32", 30)
    assert (tally.int8, tally.total) == (10, 40)
    tally.add("fp32", None)
    assert (tally.int8, tally.total) == (10, None)
    tally.add("int8", None)
    tally.add("int8", 5)
    assert tally.int8 is None


@pytest.mark.parametrize(
    ("primitive", "shapes", "made"),
    [
        ("matmul", "128x384:384x1536", 128 * 384 * 1536),
        ("matmul", "8x12x16x32:8x12x32x16:8x12x16x16", 8 * 12 * 16 * 32 * 16),
        ("matmul", "8x16x32:1x32x48", 8 * 16 * 32 * 48),
        ("inner_product", "mb128ic384oc1536", 128 * 384 * 1536),
        ("convolution", "mb1_ic3oc192_ih224oh14kh16sh16dh0ph0_iw224ow14kw16sw16dw0pw0", None),
    ],
)
def test_shapes_are_read_from_onednns_log(primitive: str, shapes: str, made: int | None) -> None:
    types = "src:u8:a:blocked:ab::f0 wei:s8:ap:blocked:BA16a64b4a::f0 dst:f32:a:blocked:ab::f0"
    line = (
        f"onednn_verbose,v1,primitive,exec,cpu,{primitive},jit:avx2,undef,{types},attr-scratchpad:user,,{shapes},0.02"
    )
    found = count([line], {})
    assert (found.int8_ops, found.int8_multiplications, found.multiplications) == (1, made, None)


def test_a_fused_attention_of_onnxruntime_does_not_tell_its_shapes() -> None:
    facts = {"input_type_shape": [{"float": [1, 8, 64]}], "output_type_shape": [{"float": [1, 8, 64]}]}
    assert of_event("MatMul", facts) == 8 * 64 * 64
    assert of_event("MultiHeadAttention", facts) is None
