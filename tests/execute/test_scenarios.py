"""Layouts of instances, their sweep, and the throughput of several together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StageError
from harness.execute import scenarios


@given(
    st.lists(st.integers(0, 63), min_size=1, max_size=64, unique=True), st.integers(1, 4), st.integers(1, 64), st.data()
)
def test_groups_are_disjoint_of_one_size_and_stay_within_a_node_where_they_can(cores, count, size, data):
    node_of = {core: data.draw(st.integers(0, count - 1)) for core in cores}
    size = min(size, len(cores))
    found = scenarios.groups(cores, node_of, size)
    assert found and all(len(group) == size for group in found)
    used = [core for group in found for core in group]
    assert len(set(used)) == len(used) and set(used) <= set(cores)
    per_node = [sum(node_of[core] == node for core in cores) for node in range(count)]
    if max(per_node) >= size:
        assert all(len({node_of[core] for core in group}) == 1 for group in found)
        assert len(found) == sum(there // size for there in per_node)


def test_the_first_instances_lie_on_different_nodes():
    node_of = {core: core // 4 for core in range(8)}
    assert scenarios.groups(range(8), node_of, 2) == [[0, 1], [4, 5], [2, 3], [6, 7]]


def test_an_instance_has_all_cores_then_halves_of_them_or_what_is_wanted():
    assert scenarios.instance_sizes(12, None) == [12, 6, 3, 1]
    assert scenarios.instance_sizes(1, None) == [1]
    assert scenarios.instance_sizes(8, (2, 8)) == [2, 8]
    with pytest.raises(StageError, match="offline_cores: 16 cores an instance, and the cell has 8") as caught:
        scenarios.instance_sizes(8, (2, 16))
    assert caught.value.kind == "bad_config"


@pytest.mark.parametrize(
    ("rates", "growth", "counts"),
    [
        ({1: 10, 2: 20, 4: 40, 6: 60}, 0.02, [1, 2, 4, 6]),  # as long as it grows, up to all
        ({1: 10, 2: 20, 4: 20.1, 6: 60}, 0.02, [1, 2, 4]),  # no further than where it did not
        ({1: 10, 2: 9}, 0.02, [1, 2]),
        ({1: 0.0}, 0.02, [1]),  # an instance that did nothing
    ],
)
def test_a_sweep_doubles_the_instances_until_they_bring_too_little(rates, growth, counts):
    tried = []
    scenarios.sweep([[core] for core in range(6)], lambda pins: tried.append(len(pins)) or rates[len(pins)], growth)
    assert tried == counts


def test_batches_count_within_the_window_that_all_share_and_in_part_at_its_ends():
    second = 1_000_000_000
    # From 1 s, when the second one begins, to 4 s, when it ends: of the first one a half, two whole ones and a half.
    values = [
        {"batch_size": 8, "begin_ns": second // 2, "latency_ns": [second] * 5},
        {"batch_size": 8, "begin_ns": second, "latency_ns": [3 * second // 2] * 2},
    ]
    assert scenarios.throughput(values) == (pytest.approx(8 * (3 + 2) / 3), 3.0)


def test_instances_that_were_never_at_work_together_have_no_throughput():
    values = [{"batch_size": 8, "begin_ns": begin, "latency_ns": [10]} for begin in (0, 10)]
    assert scenarios.throughput(values) == (0.0, 0.0)


@given(st.lists(st.integers(10**5, 10**6), min_size=1, max_size=5), st.integers(1, 64))
def test_equal_steady_instances_give_the_sum_of_their_rates(taken_ns, batch_size):
    values = [
        {"batch_size": batch_size, "begin_ns": 0, "latency_ns": [taken] * (2 * 10**7 // taken)} for taken in taken_ns
    ]
    wanted = sum(batch_size / (taken / 1e9) for taken in taken_ns)
    assert scenarios.throughput(values)[0] == pytest.approx(wanted, rel=1e-6)


def test_nodes_are_read_from_the_system_and_are_one_where_it_has_none(tmp_path):
    assert scenarios.nodes([0, 5], tmp_path) == {0: 0, 5: 0}
    for node, cpus in enumerate(("0-3,8\n", "4-7\n")):
        folder = tmp_path / "sys/devices/system/node" / f"node{node}"
        folder.mkdir(parents=True)
        (folder / "cpulist").write_text(cpus)
    assert scenarios.nodes([0, 5, 8], tmp_path) == {0: 0, 5: 1, 8: 0}
