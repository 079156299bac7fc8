"""Hand-made records of a run, which the schema accepts: known outcomes and timings, for the tests of tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from harness.config.cell import canonical, digest
from harness.config.schema import (
    AXES,
    ApproachConfig,
    BackendConfig,
    HostConfig,
    ModelConfig,
    ProtocolConfig,
    TaskConfig,
    TunerConfig,
)
from harness.results.records import record

#: A record, or an entry of one.
Line = dict[str, Any]

ROWS = 400
RUN = "20261124T091500Z-sample-3f9a"
LOCK = "a" * 16
MS = 1_000_000


def option(axis: str, config: Any, label: str | None = None) -> Line:
    """Return an option as a header holds it."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {
        "digest": digest([axis, canonical(config), label]),
        "axis": axis,
        "label": label or config.name,
        "config": values,
    }


def readings(foreign_share: float, cores: int = 2, own_seconds: float = 4.0) -> Line:
    """Return the readings around ten seconds in which others took a share of the cores' time, and the process its own.

    A tick is a hundredth of a second; what the rule takes off for the coarseness of ticks is put on top.
    """
    ticks = 1000 * cores
    at_work = round(100 * own_seconds + foreign_share * ticks) + 2 * cores
    before = dict.fromkeys(("user_ticks", "nice_ticks", "system_ticks", "irq_ticks", "softirq_ticks", "idle_ticks"), 0)
    before |= dict.fromkeys(("iowait_ticks", "steal_ticks", "process_cpu_ns", "monotonic_ns"), 0)
    after = {**before, "user_ticks": at_work, "idle_ticks": ticks - at_work, "monotonic_ns": 10_000 * MS}
    return {"before": before, "after": {**after, "process_cpu_ns": round(1000 * MS * own_seconds)}}


class SampleRun:
    """Builds the records of one run, cell by cell.

    `kind` and `metric` are the task's; `protocol` and `baseline` the suite's.
    """

    def __init__(self, *, protocol: ProtocolConfig | None = None, baseline: dict[str, str] | None = None, **task: Any):
        self.protocol = protocol or ProtocolConfig(name="quick", blocks=4)
        self.baseline = {"approach": "fp32", "backend": "eager"} if baseline is None else baseline
        self.task = TaskConfig(name="sentiment", **task)
        self.model = ModelConfig(name="minilm")
        self.options: dict[str, Line] = {}
        self.cells: list[Line] = []
        self.excluded: list[Line] = []
        self.lines: list[Line] = []
        self.references = (np.arange(ROWS) % 2).tolist()
        self.order = 0

    def cell(
        self,
        approach: str,
        backend: str = "eager",
        *,
        label: str | None = None,
        tuner: str = "none",
        host: str = "native",
    ) -> Line:
        """Plan a cell and return its entry."""
        precision = {"fp32": "fp32", "bf16": "bf16"}.get(approach, "int8")
        chosen = [
            option("model", self.model),
            option("task", self.task),
            option("approach", ApproachConfig(name=approach, precision=precision), label),
            option("backend", BackendConfig(name=backend, environment="torch")),
            option("tuner", TunerConfig(name=tuner)),
            option("host", HostConfig(name="native"), host),
            option("protocol", self.protocol),
        ]
        self.options |= {one["digest"]: one for one in chosen}
        digests, labels = [one["digest"] for one in chosen], [one["label"] for one in chosen]
        entry = {"key": "/".join(labels), "digest": digest(digests), "labels": labels, "options": digests}
        self.cells.append(entry)
        return entry

    def exclude(self, approach: str, backend: str, because: str, kind: str = "excluded") -> None:
        """Leave a cell out."""
        labels = ["minilm", "sentiment", approach, backend, "none", "native", self.protocol.name]
        self.excluded.append({"key": "/".join(labels), "kind": kind, "because": because, "labels": labels})

    def predictions(self, wrong: set[int]) -> list[int]:
        """Return predictions that are wrong on the rows `wrong` and right elsewhere."""
        return [1 - true if row in wrong else true for row, true in enumerate(self.references)]

    def prepared(self, cell: Line, size_bytes: int = 90_400_000) -> None:
        """Record a cell's artefact."""
        self._add(record.prepared, cell, artefact="art" + cell["digest"][:6], size_bytes=size_bytes, seconds=1.0,
                  reused=False, stages=[], provenance={})  # fmt: skip

    def accuracy(self, cell: Line, predictions: list[float], value: float | None = None, **fields: Any) -> None:
        """Record a cell's accuracy; the metric's value is the share of right predictions unless it is given."""
        references = self.references[: len(predictions)]
        right = float(np.mean(np.array(predictions) == np.array(references)))
        precision = self.options[cell["options"][list(AXES).index("approach")]]["config"]["precision"]
        ops = {name: 38 if name == precision else 0 for name in ("int8", "bf16", "fp32")}
        executed = {f"{name}_ops": count for name, count in ops.items()} | {"source": "torch.profiler", "kernels": {}}
        metric = {"name": self.task.metric, "value": right if value is None else value}
        metric["greater_is_better"] = self.task.greater_is_better
        values = {"executed": executed, "metric": metric, "tokenised": "tok", **fields}
        self._add(record.accuracy, cell, artefact="art" + cell["digest"][:6], reused=False, predictions=predictions,
                  logits_sha256="0" * 64, rows=len(predictions), seconds=1.0, **values)  # fmt: skip

    def invocation(
        self,
        cell: Line,
        block: int,
        latency_ms: float,
        throughput_ms: float = 40.0,
        steady: bool = True,
        threads: int = 2,
        iterations: int = 25,
        foreign_share: float | None = None,
        gemm_ns: int = 1,
        **fields: Any,
    ) -> None:
        """Record an invocation whose series have the given medians, in iterations that spread by 10 %.

        Others took `foreign_share` of its cores meanwhile; None: the host does not tell.
        """
        spread = np.linspace(0.95, 1.05, iterations)
        batches = (self.protocol.latency_batch_size, self.protocol.throughput_batch_size)
        levels = zip(("latency", "throughput"), batches, (latency_ms, throughput_ms), strict=True)
        series = [
            {"role": role, "batch_size": rows, "sequence_length": 128, "steady": steady, "warmup_ns": [],
             "latency_ns": [round(level * MS * factor) for factor in spread]}
            for role, rows, level in levels
        ]  # fmt: skip
        system = {"before": {}, "after": {}} if foreign_share is None else readings(foreign_share, threads)
        control = {"gemm_ns": [gemm_ns], "gemm_size": 1, "stream_ns": [1], "stream_bytes": 1}
        self.order += 1
        self._add(record.invocation, cell, artefact="art" + cell["digest"][:6], block=block, order=self.order,
                  peak_memory_bytes=412_000_000 + block, wall_seconds=1.0, process_seconds=1.0, voluntary_switches=0,
                  involuntary_switches=0, import_seconds=1.0, load_seconds=1.0, rss_loaded_bytes=1, threads=threads,
                  cores=list(range(threads)), series=series, control=control, system=system,
                  timer_ns=50.0, **fields)  # fmt: skip

    def failure(self, cell: Line, stage: str, kind: str, message: str, block: int | None = None) -> None:
        """Record a failure."""
        self._add(record.failure, cell, stage=stage, kind=kind, message=message, block=block, log_tail="")

    def measured(self, cell: Line, wrong: set[int], latencies_ms: list[float], **sizes: Any) -> None:
        """Record a whole cell: artefact, accuracy and one invocation a block."""
        self.prepared(cell, **sizes)
        self.accuracy(cell, self.predictions(wrong))
        for block, latency in enumerate(latencies_ms):
            self.invocation(cell, block, latency, throughput_ms=6 * latency)

    def records(self) -> list[Line]:
        """Return all records, the header first, each held against the schema."""
        header = record.header(
            run=RUN, suite={"name": "sample", "version": 1, "digest": "d"}, overrides=[],
            harness={"version": "0.1.0", "revision": None, "dirty": None}, host="9c2f",
            environments={"torch": LOCK}, options=list(self.options.values()), cells=self.cells,
            excluded=self.excluded, baseline=self.baseline, gates=[], seed=0,
        )  # fmt: skip
        dataset = record.dataset(
            task="sentiment", tokenised="tok", rows={"train": 10, "evaluation": ROWS},
            fingerprints={"train": "a", "evaluation": "b"}, labels=["0", "1"], references=self.references,
        )  # fmt: skip
        lines = [header, dataset, *self.lines]
        for line in lines:
            record.check(line)
        return lines

    def _add(self, function: Any, cell: Line, **fields: Any) -> None:
        self.lines.append(function(cell=cell["key"], cell_digest=cell["digest"], **fields))


def quickstart() -> SampleRun:
    """Return a run like quickstart's: met, failed, undecided, a failure, exclusions and an unsupported cell."""
    run = SampleRun()
    base = set(range(60))
    run.measured(run.cell("fp32"), base, [14.8, 15.3, 15.0, 15.1])
    run.measured(run.cell("bf16"), {*base, 60}, [16.4, 17.0, 16.1, 16.9])
    run.measured(run.cell("ptq_dynamic"), base, [7.2, 7.5, 7.3, 7.2], size_bytes=58_000_000)
    run.measured(run.cell("ptq_static", "fx"), base - {0, 1} | {70, 71}, [7.0, 7.3, 7.25, 7.2], size_bytes=23_100_000)
    run.measured(run.cell("qat", "fx"), set(range(90)), [7.1, 7.4, 7.3, 7.2], size_bytes=23_200_000)
    crashed = run.cell("ptq_static", "fx", label="ptq_static[calibration.samples=500,activation.observer=histogram]")
    run.failure(crashed, "quantize", "oom", "the child took 20.1 GB, the limit is 8 GB (protocol.memory_limit_bytes)")
    because = "FX graph mode runs the same float kernels as eager mode, whose FP32 is the common baseline"
    run.exclude("fp32", "fx", because)
    run.exclude("bf16", "fx", because)
    run.exclude("qat", "eager", "QAT runs in FX graph mode here", kind="unsupported")
    return run
