"""DistilBERT, RoBERTa and ELECTRA on every backend: made in one process, loaded and run in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.approaches.mapping import signal_to_noise_db
from harness.backends.base import backend_class
from harness.config.cell import Cell
from tests.backend_env import environment_python, program_text, run_in
from tests.backends.torch_tiny import make_cell

#: By ``model.architecture``: the class's name before ``Config``, and what its config has beyond the usual. As the
#: pretrained weights of a BERT are put into them: padding is token 0, and no embedding is narrower than the layers.
KINDS = {
    "distilbert": ("DistilBert", {"n_layers": 1}),
    "roberta": ("Roberta", {"num_hidden_layers": 1, "pad_token_id": 0}),
    "electra": ("Electra", {"num_hidden_layers": 1, "embedding_size": 64}),
}

#: Six in the one layer, two in the head.
LINEARS = 8


def _cells(architecture: str) -> dict[str, dict[str, Cell]]:
    """Return the cells of one architecture, by environment and name."""

    def cell(backend: str, method: str, **changes: Any) -> Cell:
        return make_cell(backend, method, architecture=architecture, **changes)

    histogram = {"observer": "histogram"}
    return {
        "torch": {
            "fp32": cell("eager", "none"),
            "dynamic": cell("eager", "dynamic"),
            "static": cell("fx", "static", activation=histogram),
        },
        "ipex": {"static": cell("ipex", "static", activation=histogram)},
        "onnxruntime": {"static": cell("onnxruntime", "static")},
        "openvino": {"static": cell("openvino", "static")},
        "tensorflow": {"static": cell("tensorflow", "static", weight={"granularity": "per_tensor"})},
    }


CELLS = {architecture: _cells(architecture) for architecture in KINDS}

ENVIRONMENTS = tuple(CELLS["roberta"])

_CHECKPOINTS = program_text(__file__, "architectures_checkpoints")

_MAKE = program_text(__file__, "architectures_make")

_RUN = program_text(__file__, "architectures_run")

_GRAPHS = program_text(__file__, "architectures_graphs")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """The folder of the tiny checkpoints, as fine-tuning makes them, and PyTorch's logits of each."""
    base = tmp_path_factory.mktemp("architectures")
    logits = run_in(environment_python("torch"), _CHECKPOINTS, base, KINDS)
    return base, {architecture: np.array(values) for architecture, values in logits.items()}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.backend(name)) for name in ENVIRONMENTS])
def stack(request: pytest.FixtureRequest, checkpoints: tuple[Path, dict[str, np.ndarray]]) -> dict[str, Any]:
    """All artefacts of one environment, made in one process, and what another found in them."""
    cells = {
        architecture: {name: cell.to_dict() for name, cell in by_environment[request.param].items()}
        for architecture, by_environment in CELLS.items()
    }
    python = environment_python(request.param)
    # One backend an environment, but for eager mode and FX, which set nothing.
    backend = None if request.param == "torch" else request.param
    run_in(python, _MAKE, checkpoints[0], cells, backend=backend)
    return run_in(python, _RUN, checkpoints[0], cells, backend=backend)


def test_each_cell_gives_the_logits_of_pytorch_or_runs_int8_kernels_near_them(stack, checkpoints):
    for architecture, name, found in _each(stack):
        wanted, logits, (int8, bf16, _) = checkpoints[1][architecture], np.array(found["logits"]), found["executed"]
        assert np.ptp(wanted) > 0.5
        if name == "fp32":
            assert np.abs(logits - wanted).max() < 1e-5 and int8 == 0, architecture
            continue
        # Some backends quantize attention's products too; IPEX then joins query, key and value.
        assert int8 >= LINEARS and bf16 == 0, (architecture, name, found["kernels"])
        assert signal_to_noise_db(wanted, logits) > 12, (architecture, name)
        assert np.abs(logits - wanted).max() > 1e-4, (architecture, name)


def test_a_row_alone_and_padded_gives_the_logits_it_gives_in_a_batch(stack):
    # RoBERTa counts its positions from the tokens, so that padding must not move them.
    for architecture, name, found in _each(stack):
        together, alone = np.array(found["logits"])[:8], np.array(found["alone"])
        assert np.sum((together - alone) ** 2) < 0.01 * np.sum(together**2), (architecture, name)


def _each(stack: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(architecture, name, found) for architecture in KINDS for name, found in stack[architecture].items()]


@pytest.mark.backend("torchao")
def test_pt2e_quantizes_the_graph_of_each(checkpoints):
    # Not compiled, which takes half a minute each and is the same for any graph.
    cells = {architecture: make_cell("pt2e", "static", architecture=architecture).to_dict() for architecture in KINDS}
    graphs = run_in(environment_python("torchao"), _GRAPHS, checkpoints[0], cells)
    for architecture, found in graphs.items():
        assert found["weights"] == LINEARS, architecture
        assert signal_to_noise_db(checkpoints[1][architecture], np.array(found["logits"])) > 12, architecture


@pytest.mark.parametrize("architecture", KINDS)
def test_every_cell_that_runs_here_is_supported(architecture):
    cells = [cell for cells in CELLS[architecture].values() for cell in cells.values()]
    for cell in [*cells, make_cell("pt2e", "static", architecture=architecture)]:
        assert backend_class(cell.backend.name).supports(cell) is None, cell.key


@pytest.mark.parametrize("backend", ["fx", "ipex", "pt2e", "onnxruntime", "openvino", "tensorflow"])
def test_an_architecture_that_reads_what_was_not_tried_is_refused_in_one_line(backend):
    because = backend_class(backend).supports(make_cell(backend, "none", architecture="llama"))
    assert "llama" in because and "\n" not in because
