"""Layouts of instances, their sweep, and the throughput of several together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StageError
from harness.execute.run import scenarios


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
    assert scenarios.instance_sizes(12, 12, None) == [12, 6, 3, 1]
    assert scenarios.instance_sizes(1, 1, None) == [1]
    assert scenarios.instance_sizes(8, 8, (2, 8)) == [2, 8]
    # Four nodes of 14: no half of the 56 lies across two of them, unless it is wanted.
    assert scenarios.instance_sizes(56, 14, None) == [56, 14, 7, 3, 1]
    assert scenarios.instance_sizes(56, 14, (28,)) == [28]
    with pytest.raises(StageError, match="offline_cores: 16 cores an instance, and the cell has 8") as caught:
        scenarios.instance_sizes(8, 8, (2, 16))
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


def test_the_memory_of_a_layout_is_bound_only_where_every_process_says_so():
    one = {"batch_size": 1, "begin_ns": 0, "latency_ns": [10], "steady": True, "warmup_ns": [], "system": {}}
    bound, free, old = (
        {**one, **more} for more in ({"placement": {"bound": True}}, {"placement": {"bound": False}}, {})
    )

    def layout(*values, node_of):
        return scenarios._layout([{**value, "cores": [core]} for core, value in enumerate(values)], node_of)

    two = {0: 0, 1: 1}
    assert layout(bound, bound, node_of=two)["memory"] == "bound"
    assert layout(bound, free, node_of=two)["memory"] == "first touch"
    assert layout(old, old, node_of=two)["memory"] == "first touch"
    assert layout(free, node_of={0: 0})["memory"] == "one node"
    assert [value["nodes"] for value in layout(bound, bound, node_of=two)["series"]] == [[0], [1]]
