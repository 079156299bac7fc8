"""A stage's key follows the code that it can run: the closure is held against what Python really imports."""

from __future__ import annotations

import subprocess
import sys

from harness.execute.artefacts.keys import code_digest
from harness.execute.process.code_layout import layout_of
from harness.execute.process.import_closure import PACKAGE, closure


def _names(paths):
    return {str(path.relative_to(PACKAGE)) for path in paths}


def test_the_closure_holds_every_module_that_python_loads():
    root = PACKAGE / "publish" / "table" / "render.py"
    code = (
        "import sys, harness.publish.table.render\n"
        "print(*[m.__file__ for n, m in sys.modules.items() if n.startswith('harness.')], sep='\\n')"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    inside = {path[len(str(PACKAGE)) + 1 :] for path in loaded}
    inside = {name for name in inside if not name.endswith("__init__.py")}
    assert len(inside) > 5
    assert inside <= _names(closure([root]))


def test_a_backend_is_not_made_of_another():
    files = _names(closure([PACKAGE / "backends" / "openvino" / "backend.py"], layout_of(PACKAGE).tuners))
    assert "backends/openvino/export.py" in files  # imported inside a function
    assert "approaches/calibration.py" in files
    assert not {name for name in files if name.startswith(("backends/tensorflow", "backends/torch_common/tuning/"))}


def test_what_is_left_out_takes_its_own_imports_along():
    root = PACKAGE / "backends" / "eager" / "backend.py"
    everything, rest = _names(closure([root])), _names(closure([root], layout_of(PACKAGE).tuners))
    assert "backends/torch_common/tuning/candidates.py" in everything - rest
    assert not {name for name in rest if name.startswith("tuning/")}


def test_the_digest_tells_one_backend_from_another():
    digests = {code_digest("quantize", name, "vader", "bert", "accuracy") for name in ("eager", "fx", "openvino")}
    assert len(digests) == 3
