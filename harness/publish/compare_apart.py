"""The speeds of two runs that were not measured in turns with each other, by what each run has paired within itself.

A host drifts between two runs by more than most changes, and one baseline drifts with its cells: so the speed-up over
the baseline, paired within each run's own blocks, is compared in the place of raw levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from harness.publish import compare_conditions as conditions
from harness.publish.compare_records import Cell, Run, subject_of
from harness.results import cells as entries
from harness.results import timings
from harness.stats import changes
from harness.stats.changes import Change, Rule
from harness.stats.estimate import Ratio
from harness.stats.pairs import speed_up

ROLES = ("latency", "throughput")

#: Role -> how the columns of its speed-ups begin, behind the side.
SPEEDUP = {"latency": "speedup", "throughput": "throughput_speedup"}


def speeds(cells: Sequence[Cell], runs: Sequence[Run], rule: Rule, root: Path, mode: str) -> list[dict[str, Any]]:
    """Return, for each cell, the columns that tell how the second run's speeds are to the first one's.

    Cells with a baseline by the ratio of both runs' speed-ups; on one host the baseline itself, and cells without one,
    by their levels, with the caution that the drift of the host asks for. On two hosts levels say nothing.

    Parameters
    ----------
    root : the folder of results, which holds the locks of both.
    mode : stored (one host) or hosts.
    """
    found: list[dict[str, Any]] = [{} for _ in cells]
    ratios, levels = [], []
    for place, cell in enumerate(cells):
        for role in ROLES:
            sides = [_speed_up(run, digest, role, rule) for run, digest in zip(runs, cell.digests, strict=True)]
            for side, ratio in zip("ab", sides, strict=True):
                if ratio is not None:
                    found[place][f"{side}_{SPEEDUP[role]}"] = ratio.estimate
            subject = None if mode == "hosts" else subject_of(cell, runs, role, root, mode)
            if subject is not None:
                found[place] |= level_columns(role, subject)
                found[place][f"{role}_batch"] = cell.configs["protocol"][f"{role}_batch_size"]
            because = conditions.obstacle(cell, runs, role, mode)
            if because:
                found[place] |= speed_columns(role, refused(because))
            elif None not in sides:
                ratios.append((place, role, sides))
            elif subject is not None and subject.one and subject.other and not _has_baseline(cell, runs):
                levels.append((place, role, subject))
            elif any(sides) or (subject is not None and (subject.one or subject.other)):
                found[place] |= speed_columns(role, refused("too little was measured on one side"))
    floors = None if mode == "hosts" else [rule.floor_of(role) for _, role, _ in ratios]
    judged = changes.changes_of_ratios([sides for *_, sides in ratios], rule, floors)
    for (place, role, _), change in zip(ratios, judged, strict=True):
        found[place] |= speed_columns(role, change)
    judged = changes.unpaired_changes([subject for *_, subject in levels], rule)
    for (place, role, _), change in zip(levels, judged, strict=True):
        found[place] |= speed_columns(role, change)
    return found


def refused(because: str) -> Change:
    """Return the verdict on two sides that cannot be compared."""
    return Change("inconclusive", because, None, None, 0)


def level_columns(role: str, subject: changes.Subject) -> dict[str, float]:
    """Return the median over each side's invocations, in milliseconds a forward pass."""
    sides = {"a": subject.one, "b": subject.other}
    return {
        f"{name}_{role}_ms": median(one.level_ns for one in side.values()) / 1e6 for name, side in sides.items() if side
    }


def speed_columns(role: str, change: Change) -> dict[str, Any]:
    """Return the columns of one role's verdict."""
    columns = {f"{role}_verdict": change.verdict, f"{role}_reason": change.because or None}
    columns |= {f"{role}_p": change.p, f"{role}_left_out": change.left_out}
    if change.ratio is not None:
        columns |= {f"{role}_ratio": change.ratio.estimate, f"{role}_pairs": change.ratio.pairs}
        columns |= {f"{role}_ratio_low": change.ratio.low, f"{role}_ratio_high": change.ratio.high}
    return columns


def _speed_up(run: Run, digest: str, role: str, rule: Rule) -> Ratio | None:
    """Return a cell's speed-up over its run's own baseline; None for the baseline, and without two pairs."""
    baseline = entries.baseline(run.header, _entry(run, digest))
    if baseline is None:
        return None
    one, other = (timings.by_block(run.invocations[wanted].values(), role) for wanted in (baseline["digest"], digest))
    found = speed_up(one, other, rule.confidence)
    return found if found is not None and found.pairs >= 2 else None


def _has_baseline(cell: Cell, runs: Sequence[Run]) -> bool:
    return any(
        entries.baseline(run.header, _entry(run, digest)) is not None
        for run, digest in zip(runs, cell.digests, strict=True)
    )


def _entry(run: Run, digest: str) -> dict[str, Any]:
    return next(entry for entry in run.header["cells"] if entry["digest"] == digest)
