"""What every option keeps, of whatever kind: importing its file imports no framework, for the parent has none."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harness.registry import KINDS
from tests.backend_env import REPOSITORY

_IMPORT = """
import json, sys

FRAMEWORKS = {
    "torch", "torchvision", "torchao", "tensorflow", "keras", "transformers", "tokenizers", "datasets", "evaluate",
    "onnx", "onnxruntime", "openvino", "nncf", "neural_compressor", "intel_extension_for_pytorch",
    "intel_extension_for_tensorflow", "optimum", "sklearn", "gguf", "mlperf_loadgen",
}
asked = []


class Watch:
    # The first that is asked for each module, whether it is installed here or not.
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FRAMEWORKS:
            asked.append(name)
        return None


sys.meta_path.insert(0, Watch())
from harness.registry import KINDS
found = {}
for kind in KINDS:
    for name in kind.names():
        module = kind.module(name)
        documented = bool((module.__doc__ or "").strip())
        found[f"{kind.name} {name}"] = {"asked": asked[:], "offers": hasattr(module, kind.offers), "doc": documented}
        asked.clear()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, dict]:
    finished = subprocess.run(
        [sys.executable, "-c", _IMPORT],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.mark.parametrize("option", [f"{kind.name} {name}" for kind in KINDS for name in kind.names()])
def test_importing_an_option_asks_for_no_framework(imported, option):
    assert imported[option] == {"asked": [], "offers": True, "doc": True}
