"""PT2E on a tiny random BERT: quantized and compiled in one process, loaded and run in another.

Compiling takes several seconds a cell, so only some are; what a quantizer's other fields do is seen in the graph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.approaches.mapping import signal_to_noise_db
from harness.backends.base import backend_class
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.torch_tiny import CALIBRATION, LINEARS, make_cell
from tests.needs import ISA

pytestmark = pytest.mark.backend("torchao")

FALLBACK = ("bert.encoder.layer.1.output.dense", "encoder.layer.0.attention")

COMPILED = {
    "fp32": make_cell("pt2e", "none"),
    "static": make_cell("pt2e", "static", activation={"observer": "histogram"}, fallback=FALLBACK),
    "qat": make_cell("pt2e", "qat", activation={"observer": "moving_average"}),
}

GRAPHS = {
    "dynamic": make_cell("pt2e", "dynamic"),
    "dynamic, 7 bits": make_cell("pt2e", "dynamic", activation={"reduce_range": True}),
    "minmax": make_cell("pt2e", "static"),
    "symmetric": make_cell("pt2e", "static", activation={"scheme": "symmetric", "observer": "moving_average"}),
    "7 bits": make_cell("pt2e", "static", activation={"reduce_range": True}, weight={"reduce_range": True}),
    "percentile": make_cell("pt2e", "static", activation={"observer": "percentile", "percentile": 99.0}),
    "kl": make_cell("pt2e", "static", activation={"observer": "kl"}),
}

_MAKE = program_text(__file__, "pt2e_make")

_RUN = program_text(__file__, "pt2e_run")


_BF16 = program_text(__file__, "pt2e_bf16")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pt2e")


@pytest.fixture(scope="module")
def made(base: Path) -> dict[str, Any]:
    cells = ({name: cell.to_dict() for name, cell in group.items()} for group in (COMPILED, GRAPHS))
    return run_in(environment_python("torchao"), _MAKE, base, *cells)


@pytest.fixture(scope="module")
def ran(base: Path, made: dict[str, Any]) -> dict[str, Any]:
    scratch = base / "scratch"
    scratch.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(scratch))
        # No compiler can be found, so what loads has been compiled before.
        patch.setenv("PATH", "/nonexistent")
        cells = {name: cell.to_dict() for name, cell in COMPILED.items()}
        return run_in(environment_python("torchao"), _RUN, base, cells)


def test_fp32_gives_pytorchs_logits_at_any_batch_and_length(made, ran):
    reference, found = np.array(made["reference"]), ran["found"]["fp32"]
    assert np.abs(np.array(found["logits"]) - reference).max() < 1e-4
    assert np.abs(np.array(found["alone"]) - reference[:8]).max() < 1e-4
    assert found["executed"] == [0, 0, LINEARS]


def test_static_runs_int8_kernels_but_for_layers_that_fall_back(made, ran):
    found = ran["found"]["static"]
    assert signal_to_noise_db(np.array(made["reference"]), np.array(found["logits"])) > 15
    assert made["made"]["static"]["quantized_layers"] == LINEARS - 5
    assert found["executed"] == [LINEARS - 5, 0, 5]
    assert sum(times for kernel, times in found["kernels"].items() if "u8xs8" in kernel) == LINEARS - 5


@pytest.mark.needs("vnni")
@pytest.mark.parametrize("name", ["static", "qat"])
def test_the_package_computes_what_the_graph_does_with_this_hosts_sums(name, made, there):
    found = made["made"][name]
    exact = found["largest_difference_from_module"] if there else found["int16_sums"]["largest_difference"]
    # Codes are the same to the last one, so FP32's rounding is all that is left.
    assert exact < 1e-5
    assert found["int16_sums"]["share"] > 0 and found["int16_sums"]["saturate"] is not there


@pytest.mark.needs("avx512")
def test_bf16_is_proved_by_onednns_log_or_refused(base, made, there):
    cell = make_cell("pt2e", "cast")
    because = backend_class("pt2e").supports(cell, ISA)
    ran = run_in(environment_python("torchao"), _BF16, base, cell.to_dict())
    if there:
        assert because is None and ran[1] == LINEARS
    else:
        assert "nothing proves what ran" in because and ran == [0, 0, 0]


def test_qat_trains_and_runs_int8_kernels(made, ran):
    assert ran["found"]["qat"]["executed"] == [LINEARS, 0, 0]
    training = made["made"]["qat"]["qat"]
    assert training["steps"] == 12 and all(np.isfinite(training["losses"]))
    assert training["converted_against_fake_quantization"]["agreement"] > 0.9


def test_qat_keeps_frozen_weights_and_lets_ranges_stand_still(made):
    same = made["trained"]["same"]
    frozen = {name for name in same if name.startswith("bert.embeddings.")}
    assert frozen and all(same[name] for name in frozen)
    assert not any(same[name] for name in same if name.endswith("dense.weight"))
    assert set(made["trained"]["observing"]) == {0}


def test_loading_needs_neither_model_classes_nor_compiler_and_leaves_nothing_behind(base, ran):
    assert ran["imported"] == []
    assert [path for path in (base / "scratch").rglob("*") if path.is_file()] == []


def test_calibration_shows_exactly_the_chosen_training_rows(made):
    shown = made["made"]["static"]["shown"]
    assert len(shown) == len(set(shown)) == CALIBRATION.samples
    assert made["made"]["fp32"]["shown"] == []


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_quantizes_every_linear_layer_near_fp32(name, made):
    graph = made["graphs"][name]
    assert signal_to_noise_db(np.array(made["reference"]), np.array(graph["logits"])) > (8 if "kl" in name else 15)
    assert graph["weights"] == LINEARS
    smallest, largest = (0, 127) if "7 bits" in name else (0, 255)
    assert graph["codes"] and all(codes == [smallest, largest] for codes in graph["codes"])


def test_each_field_of_the_quantizers_changes_the_graph(made):
    graphs = made["graphs"]
    assert len({str(graph["logits"]) for graph in graphs.values()}) == len(graphs)
    assert graphs["7 bits"]["largest"] <= 64 < graphs["minmax"]["largest"]
    assert set(graphs["symmetric"]["zero_points"]) == {128} and len(set(graphs["minmax"]["zero_points"])) > 1


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (make_cell("pt2e", "static", weight={"scheme": "affine"}), "approach.weight.scheme=affine"),
        (make_cell("pt2e", "static", weight={"granularity": "per_tensor"}), "approach.weight.granularity=per_tensor"),
        (make_cell("pt2e", "static", weight={"observer": "percentile"}), "approach.weight.observer=percentile"),
        (make_cell("pt2e", "static", weight={"observer": "moving_average"}), "approach.weight.observer=moving_average"),
        (make_cell("pt2e", "static", activation={"granularity": "per_channel"}), "approach.activation.granularity"),
        (make_cell("pt2e", "dynamic", activation={"scheme": "symmetric"}), "affinely"),
        (make_cell("pt2e", "qat", activation={"observer": "histogram"}), "approach.activation.observer=histogram"),
        (make_cell("pt2e", "static", engine="x86"), "backend.engine=x86"),
        (make_cell("pt2e", "none", precision="int8"), "fp32, not int8"),
    ],
)
def test_what_pt2e_cannot_do_is_refused_in_one_line(cell, told):
    because = backend_class("pt2e").supports(cell)
    assert told in because and "\n" not in because


def test_all_other_cells_are_supported():
    cells = [*COMPILED.values(), *GRAPHS.values(), make_cell("pt2e", "cast")]
    assert [backend_class("pt2e").supports(cell) for cell in cells] == [None] * len(cells)


def test_a_host_without_compiler_is_told_so(tmp_path):
    program = """
from harness.backends.pt2e.artefact import require_compiler
from harness.errors import StageError
try:
    require_compiler()
except StageError as error:
    print(json.dumps([error.kind, error.message]))
"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        kind, message = run_in(environment_python("torchao"), program)
    assert kind == "environment" and "g++" in message
