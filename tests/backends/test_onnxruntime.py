"""ONNX Runtime on a tiny random BERT: equal logits, the precision executed, and every field of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.approaches.calibration import choose
from harness.backends.onnxruntime import Backend
from harness.worker.rows import Rows
from tests.backend_env import environment_python, run_in
from tests.backends.exported import (
    ATTENTION_PRODUCTS,
    LINEARS,
    SAMPLES,
    Workshop,
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
    "unknown_layer": make_cell("onnxruntime", "static", "int8", fallback=("encoder.layer.7",)),
}
MADE = {name: cell for name, cell in CELLS.items() if name != "unknown_layer"}

#: Of each static model: its weights' largest code and numbers of scales; its activations' zero points and scales.
_CODES = """
import numpy as np, onnx
found = {}
for name in ARGS[1]:
    graph = onnx.load(f"{ARGS[0]}/{name}/model.onnx").graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = [node.input for node in graph.node if node.op_type == "DequantizeLinear"]
    weights = [names for names in inputs if names[0] in values and values[names[0]].dtype == np.int8]
    activations = [node.input for node in graph.node if node.op_type == "QuantizeLinear"]
    found[name] = {
        "largest": max(int(np.abs(values[names[0]].astype(int)).max()) for names in weights),
        "weights": len(weights),
        "scales": sorted({int(values[names[1]].size) for names in weights}),
        "zero_points": [int(values[names[2]]) for names in activations],
        "activation_scales": [float(values[names[1]]) for names in activations],
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop.open(environment_python("onnxruntime"), tmp_path_factory.mktemp("onnxruntime"))


@pytest.fixture(scope="module")
def made(workshop: Workshop) -> Any:
    return workshop.prepare(CELLS)


@pytest.fixture(scope="module")
def ran(workshop: Workshop, made: Any) -> Any:
    return workshop.run(MADE)


@pytest.mark.backend("onnxruntime")
def test_fp32_logits_equal_those_of_pytorch_for_batches_of_other_shapes(workshop: Workshop, ran: Any) -> None:
    expected = workshop.reference()
    assert max(np.abs(np.asarray(part)).max() for part in expected) > 0.3
    assert largest_difference(ran["fp32"]["logits"], expected) < 1e-4
    assert ran["fp32"]["types"] == ["float32"]


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
    for name in set(MADE) - {"fp32", "percentile"}:
        difference = largest_difference(ran[name]["logits"], ran["fp32"]["logits"])
        assert 1e-4 < difference < 1.0, name


@pytest.mark.backend("onnxruntime")
def test_an_artefact_loads_without_the_packages_that_made_it(made: Any, ran: Any) -> None:
    assert not {"torch", "transformers", "onnx"} & set(ran["imported"])
    assert all(set(made[name]["files"]) == {"model.onnx"} for name in MADE)


@pytest.mark.backend("onnxruntime")
def test_another_process_makes_the_same_bytes(workshop: Workshop, made: Any) -> None:
    again = workshop.prepare({name: CELLS[name] for name in ("static", "dynamic")}, into="again")
    assert {name: values["files"] for name, values in again.items()} == {
        name: made[name]["files"] for name in ("static", "dynamic")
    }


@pytest.mark.backend("onnxruntime")
def test_codes_and_scales_are_those_of_the_recipe(workshop: Workshop, made: Any) -> None:
    names = ["static", "percentile", "symmetric", "reduced", "per_tensor"]
    codes = run_in(workshop.python, _CODES, workshop.folder / "artefacts", names)
    assert all(codes[name]["weights"] == LINEARS for name in names)
    assert codes["static"]["largest"] == 127 and codes["reduced"]["largest"] in (63, 64)
    assert min(codes["static"]["scales"]) > 1 and codes["per_tensor"]["scales"] == [1]
    assert set(codes["symmetric"]["zero_points"]) == {128}
    assert len(set(codes["static"]["zero_points"])) > 3
    # A tenth of |x| is clipped, so no range is wider, and most are narrower.
    clipped = np.array(codes["percentile"]["activation_scales"]) / np.array(codes["static"]["activation_scales"])
    assert clipped.max() <= 1 + 1e-6 and np.median(clipped) < 0.8


@pytest.mark.backend("onnxruntime")
def test_calibration_sees_exactly_the_chosen_rows(workshop: Workshop, made: Any) -> None:
    rows = Rows.load(workshop.folder / "train.npz")
    expected = choose(rows.lengths, CELLS["static"].approach.calibration).provenance()
    assert expected["samples"] == SAMPLES
    assert made["static"]["said"]["calibration"] == expected


@pytest.mark.backend("onnxruntime")
def test_a_fallback_that_no_layer_has_is_named(made: Any) -> None:
    assert made["unknown_layer"]["said"]["kind"] == "bad_config"
    assert "encoder.layer.7" in made["unknown_layer"]["said"]["message"]


_DAMAGED = """
from pathlib import Path
import io
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from harness.backends import export_network
from harness.errors import StageError
from harness.plan.cell import cell_from_dict
folder, cell = Path(ARGS[0]), cell_from_dict(ARGS[1])
network = export_network.load_network(folder, cell)
def exact(batch):
    with torch.no_grad():
        return network(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.numpy()
said = [export_network.require_equal(network, exact)]
try:
    export_network.require_equal(network, lambda batch: exact(batch) + 2e-4)
except StageError as error:
    said.append(error.kind)
weights = load_file(folder / "model.safetensors")
weights["classifier.weight"][0, 0] = float("nan")
save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
try:
    export_network.load_network(folder, cell)
except StageError as error:
    said += [error.kind, error.message]
print(json.dumps(said))
"""


@pytest.mark.backend("onnxruntime")
def test_a_changed_network_and_a_weight_that_is_not_finite_are_named(workshop: Workshop) -> None:
    copy = workshop.folder / "damaged"
    copy.mkdir()
    for file in (workshop.folder / "checkpoint").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    difference, changed, kind, message = run_in(workshop.python, _DAMAGED, copy, CELLS["fp32"].to_dict())
    assert difference == 0 and changed == "error"
    assert kind == "nan" and "classifier.weight" in message


@pytest.mark.backend("onnxruntime")
def test_nothing_is_written_to_the_user_s_home_and_so_no_report_is_kept(
    workshop: Workshop, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    workshop.prepare({"static": CELLS["static"]}, into="home")
    workshop.run({"static": CELLS["static"]}, into="home")
    assert list(tmp_path.rglob("*")) == []


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
