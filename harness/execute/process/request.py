"""One child of a cell: the spec it is given, the limits it runs under, and its outcome or its typed failure."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config import emulation, instructions, isa_cap
from harness.config.cell import Cell
from harness.errors import StageError
from harness.execute.process.launch import Outcome
from harness.execute.process.parallel import Call, launch_together
from harness.host.describe import Host
from harness.host.placement import Placement, memory_of, node_memory_bytes, nodes_of
from harness.host.placement import place as place_on

#: Share of the host's allowed memory a child may use when the protocol sets no limit.
MEMORY_SHARE = 0.9


#: Stages that time forward passes.
_TIMED = ("measure", "instance", "scenario", "peak")

#: Has malloc ask for huge pages (glibc 2.35 or newer, and a kernel whose transparent huge pages are not off). With
#: small ones, which physical pages a process got is luck, and its speed with it: two processes of one cell differed by
#: 8 % (standard deviation of log-ratios of iterations taken interleaved), and by under 2 % with huge ones.
_HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class ChildError(StageError):
    """A child's typed failure together with the end of its log."""

    def __init__(self, kind: str, message: str, log_tail: str = ""):
        super().__init__(kind, message)
        self.log_tail = log_tail


def require_ok(outcome: Outcome) -> None:
    """Raise :class:`ChildError` for a child that came to any other end than a result."""
    if outcome.status != "ok":
        raise ChildError(outcome.status, outcome.message, outcome.log_tail)


def _waiting(cell: Cell) -> dict[str, str]:
    policy = cell.protocol.omp_wait_policy
    return {} if policy == "default" else {"OMP_WAIT_POLICY": policy}


@dataclass(frozen=True)
class Children:
    """Launches the stages of cells in their environments, each in a fresh process.

    `pythons` maps an environment's name to its python, `variables` to what its YAML sets; `memory_bytes` is what all
    children of `host` may use together. `encode` writes a cell down for the code that the children run.
    """

    pythons: Mapping[str, Path]
    host: Host
    memory_bytes: int
    logs: Path
    cache: Path
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    encode: Callable[[Cell], dict[str, Any]] = Cell.to_dict

    def placement(self, cell: Cell) -> Placement:
        """Return where the stages of a cell run.

        Raises
        ------
        StageError : ``bad_config`` when this host has not what the cell's host option asks for.
        """
        return place_on(cell.host, self.host)

    def cores(self, cell: Cell) -> list[int]:
        """Return the cores a cell is pinned to, in the order of :class:`~harness.host.placement.Placement`."""
        return list(self.placement(cell).cores)

    @property
    def node_of(self) -> dict[int, int]:
        """The NUMA node of each logical CPU; 0 for all where the host tells none."""
        told = nodes_of(self.host)
        return {cpu: told.get(cpu, 0) for core in self.host.cores for cpu in core}

    def run(
        self,
        stage: str,
        cell: Cell,
        *,
        environment: str,
        inputs: Mapping[str, Path | None],
        out: Path | None = None,
        options: Mapping[str, Any] | None = None,
        on_message: Callable[[dict[str, Any]], None] | None = None,
    ) -> Outcome:
        """Run one stage to its end and return the outcome; raise :class:`ChildError` for any other end."""
        call = self.call(stage, cell, environment=environment, inputs=inputs, out=out, options=options)
        outcome = call.launch(emulation.patience(cell.protocol.time_limit_seconds, bool(call.emulator)), on_message)
        require_ok(outcome)
        return outcome

    def call(
        self,
        stage: str,
        cell: Cell,
        *,
        environment: str,
        inputs: Mapping[str, Path | None],
        out: Path | None = None,
        options: Mapping[str, Any] | None = None,
        share: int = 1,
    ) -> Call:
        """Return what a stage is started with on all cores of its cell; `share` children divide the memory."""
        return self._call(stage, cell, environment, inputs, out, options, self.cores(cell), share)

    def run_together(
        self,
        stage: str,
        cell: Cell,
        *,
        environment: str,
        inputs: Mapping[str, Path | None],
        pins: Sequence[Sequence[int]],
        gate: Path,
        options: Mapping[str, Any] | None = None,
    ) -> list[Outcome]:
        """Run a process of a stage for each list of cores in `pins`, all let go together when the last one is ready.

        Each has a thread a core, its share of the memory of its cores' nodes, its place in ``options["instance"]``, and
        waits at the file `gate` (see :func:`harness.execute.process.parallel.launch_together`). Raises
        :class:`ChildError` for the first that came to any other end than a result; none is left then.
        """
        calls = [
            self._call(
                stage,
                cell,
                environment,
                inputs,
                None,
                {**(options or {}), "instance": place, "gate": str(gate)},
                cores,
                share=len(pins),
                neighbours=sum(memory_of(other, self.host) == memory_of(cores, self.host) for other in pins),
            )
            for place, cores in enumerate(pins)
        ]
        outcomes = launch_together(calls, time_limit_seconds=cell.protocol.time_limit_seconds, gate=gate)
        for place, outcome in sorted(outcomes.items()):
            if outcome.status != "ok":
                message = f"instance {place + 1} of {len(pins)}: {outcome.message}"
                raise ChildError(outcome.status, message, outcome.log_tail)
        return [outcomes[place] for place in range(len(pins))]

    def _call(
        self,
        stage: str,
        cell: Cell,
        environment: str,
        inputs: Mapping[str, Path | None],
        out: Path | None,
        options: Mapping[str, Any] | None,
        cores: Sequence[int],
        share: int = 1,
        neighbours: int | None = None,
    ) -> Call:
        """Return what a child is started with.

        `share` children divide the memory that one may use, and `neighbours` of them (None: all) that of its nodes.
        """
        node_of, memory_nodes = nodes_of(self.host), memory_of(cores, self.host)
        there = node_memory_bytes(memory_nodes, self.host)
        memory_bytes = self.memory_bytes / share
        if there is not None:
            memory_bytes = min(memory_bytes, there / (neighbours or share))
        chosen = dict(options or {})
        spec: dict[str, Any] = {
            "stage": stage,
            "cell": self.encode(cell),
            "inputs": {name: None if path is None else str(path) for name, path in inputs.items()},
            "out": None if out is None else str(out),
            "cores": list(cores),
            "threads": len(cores),
            "nodes": sorted({node_of[core] for core in cores if core in node_of}),
            "memory_nodes": list(memory_nodes),
            "amx": "amx_tile" in instructions.effective(cell.host, self.host.isa),
            "memory_limit_bytes": cell.protocol.memory_limit_bytes or int(memory_bytes * MEMORY_SHARE),
            "seed": cell.protocol.seed,
            "options": chosen,
        }
        variables = {
            "OMP_NUM_THREADS": str(spec["threads"]),
            **_waiting(cell),
            "HF_HOME": str(self.cache / "hub"),
            **(_HUGE_PAGES if cell.protocol.huge_pages and stage in _TIMED else {}),
            **self.variables.get(environment, {}),
            **(cell.backend.variables if environment == cell.backend.environment else {}),
            **(isa_cap.variables(cell) | emulation.variables(cell.host) if stage in isa_cap.STAGES else {}),
        }
        if cell.model.source.hub_id is None and cell.task.source.hub_id is None:
            variables |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        self.logs.mkdir(parents=True, exist_ok=True)
        place = f"-{chosen['instance']}" if "instance" in chosen else ""
        log_path = self.logs / f"{stage}-{cell.digest}-{os.getpid()}{place}.log"
        emulator = emulation.prefix(cell.host) if stage in isa_cap.STAGES else ()
        return Call(self.pythons[environment], spec, log_path, variables, emulator)
