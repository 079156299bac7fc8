"""Each runtime on an emulated CPU with AVX2 and nothing above, whatever this host has.

Artefacts are made on the host's own CPU, which is fifty times faster, and run on both; `tests/whole/test_emulated_run`
has the harness make them on the emulated one too. IPEX is not here: importing it takes more than a minute.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config import isa_cap
from harness.config.cell import Cell
from harness.errors import StageError
from tests.backend_env import NATIVE, environment_python, program_text, run_in
from tests.backends import emulated_layers, exported, torch_tiny
from tests.backends.tensorflow_env import PER_TENSOR
from tests.emulated import HASWELL

pytestmark = pytest.mark.usefixtures("qemu")

#: Two products of codes of 255 and 127 saturate at 32767, which is this share of them.
SATURATED = 32767 / (2 * 255 * 127)

#: An output's codes are whole numbers, of which the largest is the activations' own: half a step is this share of 127.
ROUNDING = 0.51 / 127

#: Graphs, which need no transformers: importing it takes as long as torch.
TORCH = {
    "fp32": torch_tiny.CELLS["fp32 fx"],
    "static": torch_tiny.CELLS["static fx"],
}
ONNXRUNTIME = {
    "fp32": exported.make_cell("onnxruntime", "none", "fp32"),
    "static": exported.make_cell("onnxruntime", "static", "int8"),
}
OPENVINO = {
    "fp32": exported.make_cell("openvino", "none", "fp32"),
    "static": exported.make_cell("openvino", "static", "int8"),
    "weight_only": exported.make_cell("openvino", "weight_only", "fp32"),
}
TENSORFLOW = {
    "fp32": torch_tiny.make_cell("tensorflow", "none"),
    "static": torch_tiny.make_cell("tensorflow", "static", weight=PER_TENSOR),
}

_QUIET = """
import os
os.environ.update(TF_CPP_MIN_LOG_LEVEL="1", CUDA_VISIBLE_DEVICES="-1", OMP_NUM_THREADS="1")
"""

_MAKE = program_text(__file__, "emulated_make")

_CHECKPOINT = program_text(__file__, "emulated_checkpoint")

_RUN = program_text(__file__, "emulated_run")

#: The program of each command that OpenVINO's verification starts: the process whose log of kernels it reads.
_STARTED = program_text(__file__, "emulated_started")

_TOLD = 'print(json.dumps({**ran, "layer": layer, "started": globals().get("started")}))'


def both(python: Path, source: str, *args: Any, backend: str | None = None) -> tuple[Any, Any]:
    """Return what a text prints on this host's CPU and on the emulated one."""
    native = run_in(python, source, *args, backend=backend)
    return native, run_in(python, source, *args, backend=backend, host=HASWELL, timeout_seconds=1800)


def plain(cells: dict[str, Cell]) -> dict[str, Any]:
    return {name: cell.to_dict() for name, cell in cells.items()}


def require_avx2(cell: Cell, kernels: dict[str, int]) -> None:
    """Fail when a kernel's name tells an instruction set above the emulated CPU's."""
    assert kernels
    isa_cap.require_held(dataclasses.replace(cell, host=HASWELL), kernels)


def require_saturation(layer: dict[str, float]) -> None:
    """Fail unless sums of 8-bit codes saturate and those of 7-bit codes are exact."""
    assert layer["255"] == pytest.approx(SATURATED, abs=ROUNDING)
    assert layer["127"] == pytest.approx(1, abs=ROUNDING)


def test_names_of_kernels_above_avx2_are_refused_of_an_emulated_cell():
    with pytest.raises(StageError, match=r"host.emulated=Haswell: ran above it: jit:avx512_core_vnni") as caught:
        require_avx2(TORCH["static"], {"jit:avx512_core_vnni": 2, "jit:avx2": 1, "mlas": 1})
    assert caught.value.kind == "isa_ceiling"
    require_avx2(TORCH["static"], {"jit:avx2": 1, "mlas": 1, "gemm:jit": 3})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the checkpoint that torch and TensorFlow begin with."""
    base = tmp_path_factory.mktemp("checkpoint")
    run_in(environment_python("torch"), _CHECKPOINT, base)
    return base / "checkpoint"


@pytest.fixture
def tiny(checkpoint: Path, tmp_path: Path) -> Path:
    """Return a test's own folder, with the checkpoint in it."""
    shutil.copytree(checkpoint, tmp_path / "checkpoint")
    return tmp_path


@pytest.mark.backend("torch")
def test_torch_keeps_to_the_emulated_cpu(tiny: Path):
    python, base = environment_python("torch"), tiny
    run_in(python, _MAKE, base, plain(TORCH))
    native, emulated = both(
        python, f"{_RUN}\n{emulated_layers.TORCH}\nprint(json.dumps([found, layer]))", base, plain(TORCH)
    )
    for name, cell in TORCH.items():
        require_avx2(cell, emulated[0][name]["kernels"])
        assert emulated[0][name]["executed"] == native[0][name]["executed"]
    assert emulated[0]["static"]["executed"][0] == torch_tiny.LINEARS
    assert isa_cap.highest(emulated[0]["static"]["kernels"]) == "avx2"
    assert np.abs(np.subtract(emulated[0]["fp32"]["logits"], native[0]["fp32"]["logits"])).max() <= 1e-4
    for engine in ("onednn", "fbgemm"):
        require_saturation(emulated[1][engine])


@pytest.mark.backend("onnxruntime")
def test_onnxruntime_keeps_to_the_emulated_cpu(tmp_path: Path):
    native, emulated = exported_on_both("onnxruntime", ONNXRUNTIME, emulated_layers.ONNXRUNTIME, tmp_path)
    products = exported.LINEARS + exported.ATTENTION_PRODUCTS
    assert emulated["static"]["executed"]["int8_ops"] == products == native["static"]["executed"]["int8_ops"]
    require_saturation(emulated["layer"])


@pytest.mark.backend("openvino")
def test_openvino_keeps_to_the_emulated_cpu_with_all_that_it_starts(tmp_path: Path):
    before = f"{_STARTED}\n{emulated_layers.OPENVINO}"
    native, emulated = exported_on_both("openvino", OPENVINO, before, tmp_path)
    assert emulated["static"]["executed"]["int8_ops"] >= exported.LINEARS
    assert emulated["started"] == ["qemu-x86_64"]
    assert native["started"] == [str(environment_python("openvino"))]
    require_saturation(emulated["layer"])


def exported_on_both(environment: str, cells: dict[str, Cell], before: str, folder: Path) -> tuple[Any, Any]:
    """Return what artefacts of an exporting backend, and a layer, have given on this host and on the emulated CPU.

    `before` is run first, and sets `layer`.
    """
    runner = exported.StageRunner.open(environment_python(environment), folder)
    runner.prepare(cells)
    native, emulated = (runner.run_with(cells, before, _TOLD, host) for host in (NATIVE, HASWELL))
    for name, cell in cells.items():
        require_avx2(cell, emulated[name]["executed"]["kernels"])
    assert exported.largest_difference(emulated["fp32"]["logits"], native["fp32"]["logits"]) <= 1e-4
    return native, emulated


@pytest.mark.backend("tensorflow")
def test_tensorflow_keeps_to_the_emulated_cpu(tiny: Path):
    python, base = environment_python("tensorflow"), tiny
    run_in(python, _QUIET + _MAKE, base, plain(TENSORFLOW), backend="tensorflow")
    run = f"{_QUIET}{_RUN}\nprint(json.dumps(found))"
    native, emulated = both(python, run, base, plain(TENSORFLOW), backend="tensorflow")
    for name, cell in TENSORFLOW.items():
        require_avx2(cell, emulated[name]["kernels"])
        assert emulated[name]["executed"] == native[name]["executed"]
    assert emulated["static"]["executed"][0] > 0
    assert np.abs(np.subtract(emulated["fp32"]["logits"], native["fp32"]["logits"])).max() <= 1e-4
