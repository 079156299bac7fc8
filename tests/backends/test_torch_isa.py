"""Ceilings on torch's libraries, each in a fresh process: the kernels that they tell, and the sums that they then make.

Without VNNI a kernel adds two products of 8-bit codes in 16 bits, which saturate: 2 x 255 x 127 does not fit, and
2 x 127 x 127 does. That is what 7-bit activations (`reduce_range`) are for, and it shows which kernel really ran.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness.config import isa_cap
from harness.config.schema import ISA_CEILINGS
from harness.host.describe import describe
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan
from tests.backend_env import environment_python, program_text, run_in

pytestmark = pytest.mark.backend("torch")

_PROBE = program_text(__file__, "torch_isa_probe")


_CELLS = make_plan(
    catalogue(),
    ["suite=quickstart", "task=sentiment", "approach=fp32", "backend=eager", f"host=native,{','.join(ISA_CEILINGS)}"],
).cells


@pytest.fixture(scope="module", params=_CELLS, ids=lambda cell: cell.labels[5])
def ran(request: pytest.FixtureRequest) -> tuple[Any, dict[str, Any]]:
    """Return a cell below a ceiling that this host can have, and what the probe found with the cell's variables."""
    cell = request.param
    with pytest.MonkeyPatch.context() as patch:
        for name, value in isa_cap.variables(cell).items():
            patch.setenv(name, value)
        return cell, run_in(environment_python("torch"), _PROBE)


def test_both_engines_keep_below_the_ceiling_and_tell_so(ran):
    cell, found = ran
    for name, one in found.items():
        isa_cap.require_held(cell, one["kernels"])
        library = "oneDNN" if name.startswith("onednn") else "FBGEMM"
        assert any(kernel.startswith(library) for kernel in one["kernels"]), one["kernels"]


def test_sums_of_8_bit_codes_saturate_without_vnni_and_those_of_7_bits_never_do(ran):
    cell, found = ran
    has_vnni = "avx512_vnni" in describe().isa and cell.host.isa not in ("avx2", "avx512_core")
    saturates = cell.host.isa in ("avx2", "avx512_core")  # a host of its own may have AVX-VNNI
    for engine in ("onednn", "fbgemm"):
        assert found[f"{engine} 127"]["off"] <= 0.51
        if has_vnni:
            assert found[f"{engine} 255"]["off"] <= 0.51
        if saturates:
            # All pairs saturate to 32767 of 64770: about half of the range is lost.
            assert found[f"{engine} 255"]["off"] > 100
