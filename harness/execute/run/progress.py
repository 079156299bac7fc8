"""What the records of a run hold already: the only memory of a run that goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.results import timings
from harness.results.disturbances import Place, Watched, watched
from harness.stats.timings.disturbance import Invocation


@dataclass
class Progress:
    """What the records of a run already hold."""

    prepared: set[str] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)
    trials: set[tuple[str, int]] = field(default_factory=set)
    evaluated: set[str] = field(default_factory=set)
    peaks: set[tuple[int, ...]] = field(default_factory=set)  # cores whose peak is known
    invoked: set[tuple[str, int]] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    failed_invocations: Counter[str] = field(default_factory=Counter)
    scenarios: set[tuple[str, int, str]] = field(default_factory=set)
    failed_scenarios: Counter[tuple[str, str]] = field(default_factory=Counter)
    timings: dict[str, dict[int, Invocation]] = field(default_factory=dict)  # cell -> block -> its latency
    watched: dict[Place, Watched] = field(default_factory=dict)  # what the host did beside an invocation
    replacements: dict[str, set[int]] = field(default_factory=dict)  # cell -> blocks in the place of disturbed ones
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)  # cell -> block -> what the invocation took

    def add(self, line: Mapping[str, Any]) -> None:
        """Take one record into account."""
        kind, cell = line["type"], line.get("cell_digest", "")
        if kind == "prepared":
            self.prepared.add(cell)
        elif kind == "dataset":
            self.datasets.add(line["tokenised"])
        elif kind == "peak":
            self.peaks.add(tuple(line["cores"]))
        elif kind == "trial":
            self.trials.add((cell, line["index"]))
        elif kind == "accuracy":
            self.evaluated.add(cell)
        elif kind == "invocation":
            self.invoked.add((cell, line["block"]))
            # Those of an interleaved group are there together.
            self.seconds.setdefault(cell, {})[line["block"]] = line["wall_seconds"] / len(line.get("ring", [0]))
            self.watched[cell, line["block"]] = watched(line)
            if line.get("replacement"):
                self.replacements.setdefault(cell, set()).add(line["block"])
            timing = timings.timing(line, "latency")
            if timing is not None:
                self.timings.setdefault(cell, {})[line["block"]] = timing
        elif kind == "scenario":
            self.scenarios.add((cell, line["block"], line["scenario"]))
        elif kind == "failure" and "scenario" in line:
            self.scenarios.add((cell, line["block"], line["scenario"]))
            self.failed_scenarios[cell, line["scenario"]] += 1
        elif kind == "failure" and line["block"] is not None:
            self.invoked.add((cell, line["block"]))
            self.failed_invocations[cell] += 1
        elif kind == "failure" and cell:
            self.failed.add(cell)


def progress_so_far(lines: Iterable[Mapping[str, Any]]) -> Progress:
    """Return what the records of a run hold."""
    done = Progress()
    for line in lines:
        done.add(line)
    return done
