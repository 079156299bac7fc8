"""Where a cell runs, on machines as they are: their trees are made, the placement is what a person would choose."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.schema import HostConfig
from harness.errors import StageError, UserError
from harness.execute.run import scenarios
from harness.host.describe import Host, describe
from harness.host.placement import Placement, memory_of, misfit, node_memory_bytes, nodes_of, place
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan
from tests.host.machines import MACHINES, described

ICE, SNC4, INTERLEAVED = "2 x 40 Ice Lake", "2 x 56 Sapphire Rapids, SNC4", "2 x 64 Emerald Rapids, nodes interleaved"


def placed(machine: str, **fields: Any) -> Placement:
    return place(HostConfig(name="x", **fields), described(machine))


@pytest.mark.parametrize(
    ("machine", "cores", "memory"),
    [
        (ICE, range(40), (0,)),
        (SNC4, range(14), (0,)),
        (INTERLEAVED, range(0, 128, 2), (0,)),
        ("1 x 96 EPYC, NPS1", range(96), (0,)),
        ("a virtual machine of 2 cores", range(2), (0,)),
        ("a container with a cpuset across nodes", range(28, 40), (0,)),
        ("a container with memory of one node", range(28, 40), (0,)),  # not the 40 cores of the other
        ("a container with a quota of 6.5 CPUs", range(6), (0,)),
        ("a hybrid client CPU", range(0, 16, 2), (0,)),  # one thread of each P-core
        ("2 x 56 Sapphire Rapids with CXL memory", range(56), (0,)),
        ("2 x 40 Ice Lake, CPUs offline", range(40, 80), (1,)),  # node 0 has 24 left
        ("2 x 24 Skylake, SMT off", range(24), (0,)),
        ("2 x 40 Ice Lake, a node without memory", range(40, 80), (1,)),
        ("2 x 56 Sapphire Rapids, cores isolated", range(56, 112), (1,)),  # node 0 has 48 left
    ],
)
def test_by_default_a_cell_has_the_cores_and_the_memory_of_one_node(machine, cores, memory):
    found = placed(machine)
    assert found.cores == tuple(cores)
    assert (found.threads, found.memory_nodes) == (len(cores), memory)
    assert found.nodes == memory


def test_every_made_machine_is_among_those():
    tested = test_by_default_a_cell_has_the_cores_and_the_memory_of_one_node.pytestmark[0].args[1]
    assert {machine for machine, *_ in tested} == set(MACHINES)


@pytest.mark.parametrize(
    ("machine", "fields", "cores", "memory"),
    [
        (ICE, {"numa_node": 1}, range(40, 80), (1,)),
        (ICE, {"sockets": 1}, range(40), (0,)),
        (ICE, {"sockets": 2}, range(80), (0, 1)),
        (ICE, {"whole": True}, range(80), (0, 1)),
        (ICE, {"threads": 4}, range(4), (0,)),
        (ICE, {"threads": 4, "numa_node": 1}, range(40, 44), (1,)),
        (ICE, {"threads": 60, "whole": True}, range(60), (0, 1)),
        (ICE, {"cores": (41, 3, 120)}, (41, 3, 120), (0, 1)),
        (ICE, {"cores": (41, 40), "numa_node": 1, "threads": 2}, (41, 40), (1,)),
        (SNC4, {"sockets": 1}, range(56), (0, 1, 2, 3)),
        (SNC4, {"numa_node": 7}, range(98, 112), (7,)),
        (INTERLEAVED, {"sockets": 2, "threads": 65}, (*range(0, 128, 2), 1), (0, 1)),
        ("a hybrid client CPU", {"whole": True}, (*range(0, 16, 2), *range(16, 32)), (0,)),
        ("a hybrid client CPU", {"cores": (16, 17)}, (16, 17), (0,)),
        ("2 x 56 Sapphire Rapids with CXL memory", {"whole": True}, range(112), (0, 1)),
        ("2 x 40 Ice Lake, a node without memory", {"sockets": 1}, range(40, 80), (1,)),
        ("2 x 40 Ice Lake, a node without memory", {"cores": (1,)}, (1,), ()),
    ],
)
def test_an_option_is_what_it_says(machine, fields, cores, memory):
    found = placed(machine, **fields)
    assert (found.cores, found.memory_nodes) == (tuple(cores), memory)


@pytest.mark.parametrize(
    ("machine", "fields", "line"),
    [
        (ICE, {"numa_node": 2}, "host.numa_node=2: this host has no such node; want one of 0-1"),
        (ICE, {"sockets": 3}, "host.sockets=3: usable cores are on 2 sockets here"),
        (ICE, {"threads": 41}, "host.threads=41: node 0 has 40 usable cores; want at most 40 or host.whole=true"),
        (ICE, {"threads": 81, "whole": True}, "host.threads=81: this host has 80 usable cores; want at most 80"),
        (ICE, {"cores": (3, 160)}, "host.cores: CPU 160 is not online here; want some of 0-159"),
        (ICE, {"cores": (3, 41), "numa_node": 0}, "host.cores: CPU 41 is not on node 0, which host.numa_node names"),
        (
            "2 x 40 Ice Lake, CPUs offline",
            {"cores": (3, 4, 5)},
            "host.cores: CPU 4-5 is not online here; want some of ",
        ),
        (
            "a container with a cpuset across nodes",
            {"cores": (3, 30)},
            "host.cores: CPU 3 may not be used by this process; want some of 28-49",
        ),
        (
            "a container with a quota of 6.5 CPUs",
            {"threads": 7},
            "host.threads=7: the control group allows 6.5 CPUs; want at most 6",
        ),
        (
            "a container with a quota of 6.5 CPUs",
            {"cores": tuple(range(7))},
            "host.cores: 7 cores, and the control group allows 6.5 CPUs",
        ),
        (
            "2 x 56 Sapphire Rapids with CXL memory",
            {"numa_node": 2},
            "host.numa_node=2: no core of it is there: the node is memory only; want one of 0-1",
        ),
        (
            "a container with memory of one node",
            {"numa_node": 1},
            "host.numa_node=1: it has no usable memory; want one of 0",
        ),
        (
            "a hybrid client CPU",
            {"threads": 9},
            "host.threads=9: node 0 has 8 usable cores; want at most 8 or host.whol",
        ),
    ],
)
def test_what_a_host_has_not_is_refused_in_one_line(machine, fields, line):
    because = misfit(HostConfig(name="x", **fields), described(machine))
    assert because is not None and because.startswith(line)
    assert "\n" not in because
    with pytest.raises(StageError) as caught:
        placed(machine, **fields)
    assert (caught.value.kind, caught.value.message) == ("bad_config", because)


@pytest.mark.parametrize(
    ("machine", "fields", "note"),
    [
        ("a container with a quota of 6.5 CPUs", {}, "the control group allows 6.5 CPUs: 6 of 40 cores are used"),
        ("a hybrid client CPU", {}, "efficient cores are left out: CPU 16-31"),
        ("a hybrid client CPU", {"whole": True}, "cores of two kinds together, performance and efficient"),
        ("a hybrid client CPU", {"cores": (0, 1, 2)}, "threads that share a physical core: CPU 0-1"),
        ("2 x 56 Sapphire Rapids, cores isolated", {}, "isolated cores are left out: CPU 48-55"),
        (
            "2 x 56 Sapphire Rapids, cores isolated",
            {"cores": (48, 49)},
            "the kernel spreads no threads over isolated cores: CPU 48-49",
        ),
        (
            "2 x 40 Ice Lake, a node without memory",
            {"cores": (1,)},
            "no memory is near these cores, so it is left to the kernel",
        ),
        (ICE, {}, None),
    ],
)
def test_what_was_left_out_is_said(machine, fields, note):
    assert placed(machine, **fields).notes == ((note,) if note else ())


def test_who_is_given_only_isolated_cores_runs_on_them():
    host = dataclasses.replace(described("2 x 56 Sapphire Rapids, cores isolated"), affinity=tuple(range(48, 56)))
    found = place(HostConfig(name="x"), host)
    assert found.cores == tuple(range(48, 56))
    assert found.notes == ("all allowed cores are isolated: the kernel spreads no threads over them",)


def test_a_quota_below_one_cpu_leaves_one_thread():
    host = dataclasses.replace(described(ICE), cgroup_cpus=0.5)
    assert place(HostConfig(name="x"), host).cores == (0,)


def test_a_host_that_tells_no_nodes_binds_no_memory(tmp_path):
    host = dataclasses.replace(described(ICE), numa=())
    found = place(HostConfig(name="x"), host)
    assert (found.threads, found.nodes, found.memory_nodes) == (80, (), ())
    assert misfit(HostConfig(name="x", numa_node=0), host).endswith("this host has no such node; it tells none")
    nothing = describe(tmp_path)
    assert misfit(HostConfig(name="x"), nothing) == "host: this process may use no core that is online"


def test_a_host_that_does_not_tell_its_sockets_refuses_them():
    host = dataclasses.replace(described(ICE), core_sockets=())
    assert "does not tell" in misfit(HostConfig(name="x", sockets=1), host)
    assert place(HostConfig(name="x"), host).cores == tuple(range(40))


def test_the_words_name_threads_nodes_cpus_and_memory():
    assert str(placed(ICE)) == "40 threads on node 0 (CPU 0-39), memory bound to node 0"
    assert str(placed(INTERLEAVED)) == "64 threads on node 0 (CPU 0,2,...,126), memory bound to node 0"
    assert str(placed(ICE, cores=(9,))) == "1 thread on node 0 (CPU 9), memory bound to node 0"
    assert str(placed(ICE, whole=True)) == "80 threads on nodes 0-1 (CPU 0-79), memory bound to nodes 0-1"


QUICK = ["suite=quickstart", "task=sentiment", "approach=fp32", "backend=eager"]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["host.numa_node=0", "host.sockets=1"], "host.sockets=1: host.numa_node says otherwise; want one of both"),
        (["host.sockets=1", "host.whole=true"], "host.whole=True: host.sockets says otherwise; want one of both"),
        (["host.cores=[1,1]"], "host.cores: CPU 1 is there twice; want each once"),
        (["host.cores=[]"], r"host.cores=\[\]: want at least one logical CPU"),
        (["host.cores=[0,1]", "host.threads=3"], "host.threads=3: host.cores names 2, with a thread on each"),
        (["host.cores=[0]", "host.sockets=1"], "host.sockets=1: host.cores names the cores already"),
        (["host.cores=[-1]"], "host.cores=-1: want at least 0"),
        (["host.threads=0"], "host.threads=0: want at least 1"),
        (["host=nod"], "did you mean 'node'"),
    ],
)
def test_a_contradiction_is_refused_before_anything_runs(overrides, line):
    with pytest.raises(UserError, match=line):
        make_plan(catalogue(), [*QUICK, *overrides], described(ICE))


def test_what_does_not_fit_is_left_out_where_other_options_do():
    plan = make_plan(catalogue(), [*QUICK, "host=node,socket,cores4,whole"], described("a virtual machine of 2 cores"))
    assert [cell.labels[5] for cell in plan.cells] == ["node", "socket", "whole"]
    (left,) = plan.excluded
    assert (left.cell.labels[5], left.reason.kind) == ("cores4", "unsupported")
    assert left.reason.because == "host.threads=4: node 0 has 2 usable cores; want at most 2"
    with pytest.raises(UserError, match=r"no cell is left to run; .*node 0 has 2 usable cores"):
        make_plan(catalogue(), [*QUICK, "host=cores4"], described("a virtual machine of 2 cores"))


NAMES = sorted(MACHINES)


@st.composite
def asked(draw) -> tuple[Host, HostConfig]:
    """Return a made machine, perhaps with less of it allowed, and some host option that may or may not fit."""
    host = described(draw(st.sampled_from(NAMES)))
    if draw(st.booleans()):
        allowed = draw(st.sets(st.sampled_from(host.affinity), min_size=1, max_size=12))
        host = dataclasses.replace(host, affinity=tuple(sorted(allowed)))
    host = dataclasses.replace(host, cgroup_cpus=draw(st.sampled_from((host.cgroup_cpus, 0.5, 3.0, 17.5))))
    some = st.lists(st.integers(0, 230), min_size=1, max_size=8)
    fields = {
        "numa_node": draw(st.none() | st.integers(0, 8)),
        "sockets": draw(st.none() | st.integers(1, 3)),
        "whole": draw(st.booleans()),
        "cores": draw(st.none() | some.map(tuple)),
        "threads": draw(st.none() | st.integers(1, 120)),
    }
    kept = draw(st.sets(st.sampled_from(sorted(fields)), max_size=2))
    return host, HostConfig(name="x", **{name: fields[name] for name in kept})


@given(asked())
def test_whatever_is_asked_for_a_placement_keeps_its_promises_or_is_refused(given_):
    host, config = given_
    because = misfit(config, host)
    if because is not None:
        assert because.startswith("host")
        return
    found, node_of = place(config, host), nodes_of(host)
    online = {cpu for core in host.cores for cpu in core}
    assert found.cores and found.threads == len(found.cores) == len(set(found.cores))
    assert set(found.cores) <= online & set(host.affinity)
    assert config.threads is None or found.threads == config.threads
    assert host.cgroup_cpus is None or found.threads <= max(1, host.cgroup_cpus)
    nodes = {node_of[cpu] for cpu in found.cores}
    assert found.nodes == tuple(sorted(nodes))
    if config.cores is not None:
        assert found.cores == config.cores
    else:
        assert all(len(set(core).intersection(found.cores)) <= 1 for core in host.cores)
    if config.cores is None and config.sockets is None and not config.whole:
        assert len(nodes) == 1
    if config.numa_node is not None:
        assert nodes == {config.numa_node}
    if config.sockets is not None:
        sockets = {socket for core, socket in zip(host.cores, host.core_sockets, strict=True)
                   if set(core).intersection(found.cores)}  # fmt: skip
        assert len(sockets) <= config.sockets
    empty = {node.number for node in host.numa if node.memory_bytes == 0}
    assert set(found.memory_nodes) == (nodes & set(host.memory_nodes)) - empty


@given(asked(), st.none() | st.integers(1, 64))
def test_no_instance_lies_across_nodes_unless_asked_and_each_has_its_memory_near(given_, wanted):
    host, config = given_
    if misfit(config, host) is not None:
        return
    if wanted is None or wanted <= place(config, host).threads:
        _check_instances(host, config, wanted)


@pytest.mark.parametrize("fields", [{}, {"sockets": 1}, {"whole": True}, {"whole": True, "threads": 2}], ids=str)
@pytest.mark.parametrize("machine", NAMES)
def test_the_instances_of_every_machines_layouts_keep_to_their_nodes(machine, fields):
    _check_instances(described(machine), HostConfig(name="x", **fields), None)


def _check_instances(host: Host, config: HostConfig, wanted: int | None) -> None:
    cell, node_of = place(config, host), nodes_of(host)
    per_node = [sum(node_of[cpu] == node for cpu in cell.cores) for node in cell.nodes]
    for size in scenarios.instance_sizes(cell.threads, max(per_node), None if wanted is None else [wanted]):
        pins = scenarios.groups(cell.cores, node_of, size)
        used = [cpu for pin in pins for cpu in pin]
        assert pins and len(used) == len(set(used)) and set(used) <= set(cell.cores)
        for pin in pins:
            nodes = {node_of[cpu] for cpu in pin}
            is_asked = wanted is not None or size == cell.threads
            assert len(nodes) == 1 or (is_asked and size > max(per_node))
            assert set(memory_of(pin, host)) <= nodes


def test_a_single_node_that_tells_less_than_the_host_has_limits_nobody():
    # As a virtual machine does whose memory comes little by little.
    host = described("a virtual machine of 2 cores")
    (node,) = host.numa
    grown = dataclasses.replace(host, numa=(dataclasses.replace(node, memory_bytes=host.memory_total_bytes // 5),))
    assert node_memory_bytes((0,), grown) == host.memory_total_bytes


def test_a_node_of_two_has_half_of_the_hosts_memory():
    host = described("2 x 40 Ice Lake")
    assert node_memory_bytes((0,), host) == pytest.approx(host.memory_total_bytes / 2, rel=1e-6)
    assert node_memory_bytes((0, 1), host) == pytest.approx(host.memory_total_bytes, rel=1e-6)
    assert node_memory_bytes((), host) is None
