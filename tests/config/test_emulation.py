"""An emulated CPU: where it can be had, which processes it is shown to, and that nothing on it is ever timed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.config import emulation, instructions, isa_cap
from harness.config.schema import EMULATED_CPUS
from harness.errors import UserError
from harness.execute.artefacts.keys import stage_keys
from harness.execute.process.request import Children
from harness.execute.run import budget
from harness.execute.run.schedule import interleaved_groups
from harness.host.describe import describe
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

QUICK = ["suite=quickstart", "task=sentiment", "approach=fp32", "backend=eager"]
EMULATED = [*QUICK, "host=emulated_avx2"]

#: A Sapphire Rapids, as /proc/cpuinfo tells of it.
SAPPHIRE_RAPIDS = dataclasses.replace(
    describe(), isa=("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16")
)


_TWO_HOSTS = """
name: two
version: 1
axes: {model: minilm, task: sentiment, approach: [fp32, bf16], backend: eager, tuner: none,
       host: [native, emulated_avx2], protocol: smoke}
exclude:
  - {match: {approach: bf16}, without: [avx512_bf16, amx_bf16], because: no BF16}
baseline: {approach: fp32, backend: eager}
"""


@pytest.fixture
def qemu_of(tmp_path, monkeypatch):
    """Return a function that puts a QEMU of some version, or none, on the PATH."""

    def put(version: str | None) -> None:
        if version is not None:
            program = tmp_path / version / emulation.QEMU
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\necho 'qemu-x86_64 version {version} (Debian 1:{version}+dfsg-7)'\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / str(version)}:/usr/bin-without-qemu:/bin-without-qemu")

    put("7.2.22")
    return put


def emulated(*overrides: str):
    (cell,) = make_plan(catalogue(), [*EMULATED, *overrides], SAPPHIRE_RAPIDS).cells
    return cell


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (None, "no qemu-x86_64 on the PATH; install QEMU's user mode, 7.2 or newer (Debian: apt-get install"),
        ("5.2.0", "qemu-x86_64 5.2.0 emulates no AVX2; install"),
        ("7.1.99", "qemu-x86_64 7.1.99 emulates no AVX2; install"),
    ],
)
def test_without_a_qemu_that_can_the_cell_is_unsupported_and_says_what_to_install(qemu_of, version, words):
    qemu_of(version)
    plan = make_plan(catalogue(), [*QUICK, "host=native,emulated_avx2"], SAPPHIRE_RAPIDS)
    assert [cell.host.name for cell in plan.cells] == ["native"]
    (left_out,) = plan.excluded
    assert left_out.reason.kind == "unsupported"
    assert left_out.reason.because.startswith(f"host.emulated=Haswell: {words}")


@pytest.mark.parametrize("version", ["7.2.0", "8.0.2", "10.1.0"])
def test_with_one_that_can_it_is_planned(qemu_of, version):
    qemu_of(version)
    assert emulated().host.emulated == "Haswell"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["host.isa=avx2"], "host.isa=avx2 and host.emulated=Haswell: .* want one of them"),
        (["host.emulated=Haswel"], "host.emulated=Haswel: want one of Haswell, Nehalem; did you mean 'Haswell'"),
        (["tuner=sensitivity"], "a tuner ranks by latency, which no emulated CPU has; want tuner=none"),
        (["protocol.memory_limit_bytes=4000000000"], "cannot keep to a protocol.memory_limit_bytes"),
    ],
)
def test_contradictions_are_one_line(qemu_of, overrides, words):
    with pytest.raises(UserError, match=words):
        make_plan(catalogue(), [*EMULATED, *overrides], SAPPHIRE_RAPIDS)
    assert emulated("host.isa=native").host.isa == "native"


def test_what_can_run_is_decided_by_the_emulated_cpu_whatever_the_host_has(qemu_of, tmp_path, monkeypatch):
    for isa in ((), SAPPHIRE_RAPIDS.isa):
        assert instructions.effective(emulated().host, isa) == ("avx2",)
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "two.yaml").write_text(_TWO_HOSTS)
    given = []
    monkeypatch.setattr(
        "harness.backends.eager.backend.Backend.supports", lambda cell, isa=None: given.append((cell, isa))
    )
    plan = make_plan(catalogue(tmp_path), ["suite=two"], SAPPHIRE_RAPIDS)
    assert [cell.key.split("/")[2:6:3] for cell in plan.cells] == [
        *(["fp32", "native"], ["fp32", "emulated_avx2"], ["bf16", "native"])
    ]
    assert {isa for cell, isa in given if cell.host.emulated} == {("avx2",)}


def test_each_emulated_cpu_is_known_to_all_that_ask():
    for name in EMULATED_CPUS:
        host = dataclasses.replace(emulated_host(), emulated=name)
        assert set(instructions.effective(host, ("avx512f",))) <= {"avx2"}
        assert emulation.variables(host)["TORCHINDUCTOR_CPP_MARCH"] == name.lower()
        assert name in isa_cap.label("here", None, name)


def emulated_host():
    return make_plan(catalogue(), QUICK).cells[0].host


def test_what_cells_share_is_shared_with_native_ones_and_the_rest_never(qemu_of):
    def keys(cell):
        return stage_keys(cell, locks={"torch": "lock"}, host="h", cores=2, contents=(None, None))

    (native,) = make_plan(catalogue(), QUICK, SAPPHIRE_RAPIDS).cells
    found = [keys(native), keys(emulated()), keys(emulated("host.emulated=Nehalem"))]
    qemu_of("9.2.0")
    found.append(keys(emulated()))
    assert len({(one.tokenise, one.finetune) for one in found}) == 1
    assert len({one.artefact for one in found}) == len({one.evaluate for one in found}) == len(found)


def test_only_the_stages_of_its_own_artefact_are_emulated_and_may_take_longer(qemu_of, tmp_path):
    children = Children({"torch": Path("python")}, describe(), 2**30, tmp_path / "logs", tmp_path / "cache")
    cell = emulated()
    for stage in ("tokenise", "finetune", "score", "quantize", "evaluate"):
        call = children.call(stage, cell, environment="torch", inputs={})
        own = stage in ("quantize", "evaluate")
        assert call.emulator == (("qemu-x86_64", "-cpu", "Haswell,check=off") if own else ())
        assert (call.variables.get(emulation.VARIABLE) == "qemu-x86_64 -cpu Haswell,check=off") is own
        assert (call.variables.get("TORCHINDUCTOR_CPP_MARCH") == "haswell") is own


def test_a_stage_may_take_longer_only_where_it_is_emulated(qemu_of, tmp_path, monkeypatch):
    limits = {}

    def seen(call, seconds, on_message):
        limits[call.spec["stage"]] = seconds
        raise InterruptedError

    monkeypatch.setattr("harness.execute.process.request.Call.launch", seen)
    children = Children({"torch": Path("python")}, describe(), 2**30, tmp_path / "logs", tmp_path / "cache")
    for stage in ("finetune", "evaluate"):
        with pytest.raises(InterruptedError):
            children.run(stage, emulated("protocol.time_limit_seconds=100"), environment="torch", inputs={})
    assert limits == {"finetune": 100, "evaluate": 100 * emulation.TIME_FACTOR}


def test_nothing_of_it_is_scheduled_and_no_budget_is_spent_on_it(qemu_of):
    both = ["suite=quickstart", "task=sentiment", "approach=fp32,ptq_dynamic", "backend=eager"]
    both += ["host=native,emulated_avx2", "protocol.target_half_width=0.02", "protocol.budget_seconds=60"]
    plan = make_plan(catalogue(), both, SAPPHIRE_RAPIDS)
    assert len(plan.cells) == 4
    slots = [slot for ring in interleaved_groups(plan.cells, plan.suite.baseline) for slot in ring]
    assert {slot.cell.host.name for slot in slots} == {"native"}
    assert [slot.order for slot in slots] == list(range(2 * plan.cells[0].protocol.blocks))
    (pool,) = budget.pools(plan.cells, plan.suite.baseline)
    assert {cell.host.name for cell in pool.cells.values()} == {"native"}


@pytest.mark.parametrize("command", [["aa"], ["compare", "now", "now"]])
def test_no_comparison_of_speeds_is_begun(qemu_of, command, capsys, tmp_path):
    assert main([*command, *EMULATED, "--results", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "host.emulated=Haswell has no speed to measure interleaved" in line and "--stored" in line
    assert not list(tmp_path.glob("runs/*"))
