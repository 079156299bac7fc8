"""From the records of two runs to one row a cell: is the second faster, slower, better or worse than the first?

Runs of one host that were measured in turns are compared pair by pair; others of one host only with the caution that
their drift asks for; runs of two hosts only as ratios of speed-ups over the baseline, and as accuracies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from harness.errors import UserError
from harness.plan.config import AXES
from harness.publish import conditions
from harness.publish import rows as run_rows
from harness.publish.compare_records import Cell, Run, matched, mode_of, references_of, subject_of
from harness.stats import accuracy as accuracies
from harness.stats import accuracy_changes, changes
from harness.stats.changes import Change, Rule
from harness.stats.estimate import Interval, Ratio, over_invocations, with_ends
from harness.stats.pairs import levels, paired_levels

ROLES = ("latency", "throughput")

_SPEED = ("ratio", "ratio_low", "ratio_high", "p")

#: Column -> its type when it is written. `a` is the first side, `b` the second; a ratio above 1 means that b is faster.
COLUMNS: dict[str, str] = {
    **dict.fromkeys((*AXES, "cell_key"), "string"),
    **{
        name: kind
        for role in ROLES
        for name, kind in {
            f"{role}_batch": "Int64",
            **{f"{side}_{role}_ms{end}": "Float64" for side in "ab" for end in ("", "_low", "_high")},
            **dict.fromkeys((f"{role}_{name}" for name in _SPEED), "Float64"),
            **dict.fromkeys((f"{role}_pairs", f"{role}_left_out"), "Int64"),
            **dict.fromkeys((f"{role}_verdict", f"{role}_reason"), "string"),
        }.items()
    },
    **dict.fromkeys(("a_speedup", "b_speedup"), "Float64"),
    "metric": "string",
    **dict.fromkeys(("a_value", "b_value", "difference", "difference_low", "difference_high"), "Float64"),
    **dict.fromkeys(("broken", "fixed"), "Int64"),
    "accuracy_p": "Float64",
    **dict.fromkeys(("accuracy_verdict", "accuracy_reason", "a_failed", "b_failed", "a_run", "b_run"), "string"),
}


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side. `mode` is interleaved, stored or hosts; `rows` have the columns of :data:`COLUMNS`.

    `pairs` holds, for each cell and role, the two sides' levels in nanoseconds in the pairs that count, in the order
    of time, with the ratio that each pair has shown; empty unless the runs were interleaved.
    """

    mode: str
    runs: tuple[Run, Run]
    rule: Rule
    rows: pd.DataFrame
    pairs: Mapping[tuple[str, str], tuple[list[float], list[float]]]
    unmatched: tuple[str, ...]

    @property
    def conditions(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Under which conditions the cells in common were measured, in either run."""
        cells, _ = matched(*self.runs)
        first, second = (
            [
                conditions.columns([*run.invocations[cell.digests[side]].values()], cell.protocols[side])
                for cell in cells
            ]
            for side, run in enumerate(self.runs)
        )
        return first, second

    @property
    def is_regression(self) -> bool:
        """Whether some cell got slower on one host, or less accurate on any."""
        slower = self.mode != "hosts" and any((self.rows[f"{role}_verdict"] == "slower").any() for role in ROLES)
        return bool(slower or (self.rows["accuracy_verdict"] == "worse").any())


def comparison(one: Run, other: Run, root: Path, rule: Rule) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    root : the folder of results, which holds the locks of both.
    rule : how it is judged; its floor is the host's.

    Raises
    ------
    UserError : the runs have no cell in common.
    """
    cells, unmatched = matched(one, other)
    if not cells:
        raise UserError(f"{one.name} and {other.name} have no cell in common; want two runs of one suite")
    mode = mode_of(one, other)
    runs = (one, other)
    found = [_facts(cell, runs) for cell in cells]
    pairs: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    if mode == "hosts":
        for row, change in zip(found, _across_hosts(cells, runs, rule), strict=True):
            row |= change
    else:
        subjects = [
            (row, cell, role, subject_of(cell, runs, role, root, mode))
            for row, cell in zip(found, cells, strict=True)
            for role in ROLES
        ]
        subjects = [one for one in subjects if one[3] is not None]
        judge = changes.paired_changes if mode == "interleaved" else changes.unpaired_changes
        judged = judge([subject for *_, subject in subjects], rule)
        for (row, cell, role, subject), change in zip(subjects, judged, strict=True):
            row |= {**_levels(role, subject, change, rule.confidence), **_speed_columns(role, change)}
            row[f"{role}_batch"] = cell.configs["protocol"][f"{role}_batch_size"]
            if mode == "interleaved":
                sides = ([side[pair] for pair in change.counted] for side in (subject.one, subject.other))
                pairs[cell.key, role] = paired_levels(*sides)
    for row, columns in zip(found, _accuracies(cells, runs, rule), strict=True):
        row |= columns
    return Comparison(mode, runs, rule, run_rows.as_frame(found, COLUMNS), pairs, unmatched)


def _facts(cell: Cell, runs: Sequence[Run]) -> dict[str, Any]:
    row: dict[str, Any] = {**dict(zip(AXES, cell.labels, strict=True)), "cell_key": cell.key}
    for side, run, digest in zip("ab", runs, cell.digests, strict=True):
        row[f"{side}_run"] = run.name
        row[f"{side}_failed"] = next(iter(run.failures[digest]), None)
    return row


def _levels(role: str, subject: changes.Subject, change: Change, confidence: float) -> dict[str, float | None]:
    """Return each side's level in milliseconds a forward pass, such that their ratio is the one that is printed.

    a's is over its invocations that count, and b's those with the ratios to them; without a ratio both are their own.
    """
    one, other = ({pair: side[pair] for pair in (change.counted or side)} for side in (subject.one, subject.other))
    if change.counted:
        other = {pair: replace(other[pair], level_ns=level) for pair, level in levels(one, other).items()}
    row: dict[str, float | None] = {}
    for name, side in (("a", one), ("b", other)):
        level = over_invocations([invocation.level_ns for invocation in side.values()], confidence)
        row |= {} if level is None else with_ends(f"{name}_{role}_ms", level, 1e-6)
    return row


def _speed_columns(role: str, change: Change) -> dict[str, Any]:
    columns = {f"{role}_verdict": change.verdict, f"{role}_reason": change.because or None}
    columns |= {f"{role}_p": change.p, f"{role}_left_out": change.left_out}
    if change.ratio is not None:
        columns |= {f"{role}_ratio": change.ratio.estimate, f"{role}_pairs": change.ratio.pairs}
        columns |= {f"{role}_ratio_low": change.ratio.low, f"{role}_ratio_high": change.ratio.high}
    return columns


def _across_hosts(cells: Sequence[Cell], runs: Sequence[Run], rule: Rule) -> list[dict[str, Any]]:
    """Return the ratio of both hosts' speed-ups over their own baselines."""
    tables = [run_rows.rows(run.lines).set_index("cell_digest") for run in runs]
    speedups = [
        tuple(_speedup(table.loc[digest]) for table, digest in zip(tables, cell.digests, strict=True)) for cell in cells
    ]
    found = []
    for pair, change in zip(speedups, changes.changes_of_ratios(speedups, rule), strict=True):
        row = {f"{side}_speedup": ratio.estimate for side, ratio in zip("ab", pair, strict=True) if ratio}
        found.append(row | _speed_columns("latency", change) if all(pair) else row)
    return found


def _speedup(row: pd.Series) -> Ratio | None:
    """Return a table's speed-up as a ratio, its standard error from its t interval; None on a disturbed host."""
    pairs = row["speedup_pairs"]
    if row["status"] == "disturbed" or not (pairs >= 2 and row["speedup_low"] > 0):
        return None
    mean = math.log(row["speedup"])
    reach = (math.log(row["speedup_high"]) - math.log(row["speedup_low"])) / 2
    error = reach / float(stats.t.ppf((1 + row["confidence"]) / 2, pairs - 1))
    return Ratio(row["speedup"], row["speedup_low"], row["speedup_high"], int(pairs), mean, error, None)


def _accuracies(cells: Sequence[Cell], runs: Sequence[Run], rule: Rule) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    subjects, places = [], []
    for place, cell in enumerate(cells):
        lines = [run.accuracy.get(digest) for run, digest in zip(runs, cell.digests, strict=True)]
        if None in lines:
            found.append({})
            continue
        values = [line["metric"]["value"] for line in lines]
        row = {"metric": lines[0]["metric"]["name"], "a_value": values[0], "b_value": values[1]}
        row |= {"difference": values[1] - values[0]}
        found.append(row)
        references = references_of(lines, runs)
        if references is None or lines[0]["metric"]["name"] != lines[1]["metric"]["name"]:
            row |= {
                "accuracy_verdict": "inconclusive",
                "accuracy_reason": "not evaluated on the same rows by one metric",
            }
            continue
        protocol = cell.configs["protocol"]
        allowed = accuracies.allowed_loss(values[0], protocol["criterion"], protocol["criterion_relative"])
        sides = (
            accuracy_changes.Evaluated(line["metric"]["name"], value, line["predictions"], line["logits_sha256"])
            for line, value in zip(lines, values, strict=True)
        )
        better = lines[0]["metric"]["greater_is_better"]
        subjects.append(accuracy_changes.Subject(*sides, references, allowed, better))
        places.append(place)
    judged = accuracy_changes.accuracy_changes(subjects, rule.alpha, rule.confidence)
    for place, change in zip(places, judged, strict=True):
        found[place] |= _accuracy_columns(change.verdict, change.difference)
        found[place] |= {"broken": change.broken, "fixed": change.fixed, "accuracy_p": change.p}
    return found


def _accuracy_columns(verdict: str, difference: Interval) -> dict[str, Any]:
    return {
        "accuracy_verdict": verdict,
        "difference": difference.estimate,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }
