"""The speeds of two runs that were not measured interleaved with each other, by what each run has paired within itself.

A host drifts between two runs by more than most changes, and one baseline drifts with its cells: so the speed-up over
the baseline, paired within each run's own blocks, is compared in the place of raw levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.publish.columns import disturbances
from harness.publish.common.recorded import Planned, baseline_of, planned
from harness.publish.compare.columns import ROLES, SPEEDUP, level_columns, refused, speed_columns
from harness.publish.compare.conditions import obstacle
from harness.publish.compare.records import Cell, Run, subject_of
from harness.results import timings
from harness.stats.decisions import changes
from harness.stats.decisions.changes import Rule
from harness.stats.timings.disturbance import is_majority
from harness.stats.timings.estimate import Ratio
from harness.stats.timings.pairs import speed_up


def speeds(cells: Sequence[Cell], runs: Sequence[Run], rule: Rule, root: Path, mode: str) -> list[dict[str, Any]]:
    """Return, for each cell, the columns that tell how the second run's speeds are to the first one's.

    Cells with a baseline by the ratio of both runs' speed-ups; on one host the baseline itself, and cells without one,
    by their levels, with the caution that the drift of the host asks for. On two hosts levels say nothing. As in each
    run's table, disturbed blocks do not count, and a cell in most of whose blocks the host was disturbed gets no
    verdict.

    Parameters
    ----------
    root : the folder of results, which holds the locks of both.
    mode : stored (one host) or hosts.
    """
    variants = [_Variant(run) for run in runs]
    quiet = [variant.quiet for variant in variants]
    found: list[dict[str, Any]] = [{} for _ in cells]
    ratios, levels = [], []
    for row, cell in zip(found, cells, strict=True):
        its = list(zip(variants, cell.digests, strict=True))
        has_baseline = any(variant.baseline(digest) is not None for variant, digest in its)
        busy = ", ".join(
            f"in {name} {words}" for name, (variant, at) in zip("AB", its, strict=True) if (words := variant.busy(at))
        )
        for role in ROLES:
            if not any(variant.is_timed(digest, role) for variant, digest in its):
                continue
            subject = None if mode == "hosts" else subject_of(cell, quiet, role, root, mode)
            if subject is not None:
                row |= level_columns(role, subject, rule.confidence)
                row[f"{role}_batch"] = cell.configs["protocol"][f"{role}_batch_size"]
            first, second = (variant.speed_up(digest, role, rule.confidence) for variant, digest in its)
            speedups = first, second
            row |= {f"{name}_{SPEEDUP[role]}": one.estimate for name, one in zip("ab", speedups, strict=True) if one}
            because = obstacle(cell, runs, role, mode)
            if because or busy:
                row |= refused(role, because or f"the host was slow or busy with something else: {busy}")
            elif None not in speedups:
                ratios.append((row, role, speedups))
            elif has_baseline or (mode != "hosts" and subject is None):
                row |= refused(role, "too little was measured in one variant")
            elif subject is not None:
                levels.append((row, role, subject))
    floors = None if mode == "hosts" else [rule.floor_of(role) for _, role, _ in ratios]
    judged = changes.changes_of_ratios([speedups for *_, speedups in ratios], rule, floors)
    judged += changes.unpaired_changes([subject for *_, subject in levels], rule)
    for (row, role, _), change in zip([*ratios, *levels], judged, strict=True):
        row |= speed_columns(role, change)
    for row, cell in zip(found, cells, strict=True):
        out = sum(variant.left_out(digest) for variant, digest in zip(variants, cell.digests, strict=True))
        row |= {name: out for role in ROLES if (name := f"{role}_left_out") in row}
    return found


class _Variant:
    """One run's cells: each one's baseline, and what was measured of it on an undisturbed host.

    Attributes
    ----------
    quiet : the run with only those invocations that its figures are made of.
    """

    def __init__(self, run: Run) -> None:
        self.quiet = disturbances.counted(run)
        self._run = run
        self._cells = planned(run.header)
        self._by_digest = {cell.digest: cell for cell in self._cells}

    def baseline(self, digest: str) -> Planned | None:
        """Return the other cell that one is compared with; None for the baseline itself, and where there is none."""
        found = baseline_of(self._run.header, self._by_digest[digest], self._cells)
        return None if found is None or found.digest == digest else found

    def is_timed(self, digest: str, role: str) -> bool:
        """Say whether some invocation of a cell has that series."""
        return bool(timings.by_block(self._run.invocations[digest].values(), role))

    def left_out(self, digest: str) -> int:
        """Return in how many of its blocks a cell, or its baseline beside it, was disturbed."""
        return len(disturbances.left_out(self._run, self._by_digest[digest], self.baseline(digest)))

    def busy(self, digest: str) -> str:
        """Return those blocks in words where they are most of what was measured; nothing where they are not."""
        out = self.left_out(digest)
        measured = len(self._run.invocations[digest])
        return f"{out} of {measured} blocks" if is_majority(out, measured) else ""

    def speed_up(self, digest: str, role: str, confidence: float) -> Ratio | None:
        """Return a cell's speed-up over its run's own baseline; None for the baseline, without two pairs, if busy."""
        baseline = self.baseline(digest)
        if baseline is None or self.busy(digest):
            return None
        theirs, own = (
            timings.by_block(self.quiet.invocations[one].values(), role) for one in (baseline.digest, digest)
        )
        found = speed_up(theirs, own, confidence)
        return found if found is not None and found.pairs >= 2 else None
