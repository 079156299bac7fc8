"""The artefact of PT2E: a package of native code that AOTInductor compiles, with the weights inside.

Loading runs the code in it, so only a package that this harness has made may be loaded; the artefact store checks its
hash.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch._inductor

from harness.backends.torch_common.example import example
from harness.backends.torch_common.verify import require_same
from harness.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE_FILE = "model.pt2"

#: (rows, tokens) of the batches on which they are compared: others than the graph was exported with.
_SHAPES = ((1, 5), (3, 17))

_INPUTS = "inputs"


def require_compiler() -> None:
    """Raise ``environment`` when there is no C++ compiler, which the child would look for in vain a minute later."""
    wanted = os.environ.get("CXX", "g++")
    if shutil.which(wanted) is None:
        raise StageError("environment", f"pt2e compiles native code: no C++ compiler {wanted} on the PATH")


def save(exported: torch.export.ExportedProgram, names: tuple[str, ...], out: Path) -> dict[str, Any]:
    """Compile `exported` into a package in the folder `out`; return what the code was compiled for."""
    import torchao.quantization.pt2e.inductor_passes.x86  # noqa: F401  (registers the fusions of INT8 layers)
    from torch._inductor.cpu_vec_isa import pick_vec_isa
    from torch._inductor.utils import fresh_cache

    options = {
        "freezing": True,  # weights are packed for the kernels now; without it nothing is fused into INT8 layers
        "compile_threads": 1,  # the compiler keeps to this child's cores
        "aot_inductor.metadata": {_INPUTS: ",".join(names)},
    }
    # Freezing is passed over in silence where gradients are on. Without a cache of its own, a child would take code
    # that another process may have written.
    with torch.no_grad(), fresh_cache():
        torch._inductor.aoti_compile_and_package(
            exported, package_path=str(out / PACKAGE_FILE), inductor_configs=options
        )
    return {"instruction_set": str(pick_vec_isa())}


def load(artefact: Path) -> tuple[Callable[..., torch.Tensor], tuple[str, ...]]:
    """Return the package that :func:`save` wrote and the names of its inputs in order.

    Raises
    ------
    StageError : ``missing_file`` or ``damaged``.
    """
    path = artefact / PACKAGE_FILE
    if not path.is_file():
        raise StageError("missing_file", f"artefact: no {PACKAGE_FILE} in {artefact}")
    before = os.environ.get("TMPDIR")
    # The loader unpacks the code below TMPDIR and removes it when its process ends in peace, which a child does not.
    # Code that is loaded stays so when its file is gone.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["TMPDIR"] = folder
        try:
            package = torch._inductor.aoti_load_package(str(path))
        except RuntimeError as error:
            raise StageError("damaged", f"{path}: {(str(error).splitlines() or [''])[0]}") from error
        finally:
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before
    return package, tuple(package.loader.get_metadata()[_INPUTS].split(","))


def require_same_as(out: Path, module: torch.nn.Module, vocabulary: int, precision: str) -> dict[str, Any]:
    """Return how the package in `out` agrees with the `module` it was compiled from, as provenance.

    Raises
    ------
    StageError : ``error`` when their logits differ (see :mod:`harness.backends.torch_common.verify`).
    """
    package, names = load(out)
    batches = [tuple(example(names, vocabulary, *shape).values()) for shape in _SHAPES]
    return require_same(lambda batch: package(*batch), lambda batch: module(*batch), batches, precision)
