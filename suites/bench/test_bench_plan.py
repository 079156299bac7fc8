"""What planning costs: a matrix of 10,000 cells, from the suite's file to cells with digests and reasons."""

from __future__ import annotations

from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

#: 50 x 10 x 10 x 2 values over the axes: 10,000 cells.
MATRIX = (
    "suite=quickstart",
    "task=sentiment",
    "approach=ptq_static",
    "backend=fx,eager",
    f"approach.calibration.samples={','.join(str(n) for n in range(1, 51))}",
    f"protocol.seed={','.join(str(n) for n in range(10))}",
    f"task.max_length={','.join(str(n) for n in range(16, 26))}",
)


def test_bench_plan_of_10000_cells(benchmark):
    shipped = catalogue()
    plan = benchmark.pedantic(make_plan, args=(shipped, MATRIX), rounds=3, warmup_rounds=1)
    assert len(plan.cells) + len(plan.excluded) == 10_000
