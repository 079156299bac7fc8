"""From the records of two runs to one row a cell: is the second faster, slower, better or worse than the first?

Runs of one host that were measured in turns are compared pair by pair; all others by the ratio of their speed-ups over
the baseline, each paired within its own run, and by their accuracies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import UserError
from harness.plan.config import AXES
from harness.publish import compare_conditions
from harness.publish import rows as run_rows
from harness.publish.compare_apart import speeds
from harness.publish.compare_columns import ROLES, level_columns, refused, speed_columns
from harness.publish.compare_records import (
    Cell,
    Run,
    failed_or_missing,
    matched,
    mode_of,
    references_of,
    subject_of,
)
from harness.stats import accuracy as accuracies
from harness.stats import accuracy_changes, changes
from harness.stats.changes import Rule
from harness.stats.estimate import Interval
from harness.stats.pairs import paired_levels

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
    **dict.fromkeys(("a_speedup", "b_speedup", "a_throughput_speedup", "b_throughput_speedup"), "Float64"),
    "metric": "string",
    **dict.fromkeys(("a_value", "b_value", "difference", "difference_low", "difference_high"), "Float64"),
    **dict.fromkeys(("broken", "fixed"), "Int64"),
    "accuracy_p": "Float64",
    **dict.fromkeys(
        ("accuracy_verdict", "accuracy_reason", "a_failed", "b_failed", "a_missing", "b_missing", "a_run", "b_run"),
        "string",
    ),
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
        one, other = (
            [compare_conditions.facts(cell, run, side) for cell in cells] for side, run in enumerate(self.runs)
        )
        return one, other

    @property
    def is_regression(self) -> bool:
        """Whether some cell got slower, on two hosts in comparison with its baseline, or less accurate."""
        slower = any((self.rows[f"{role}_verdict"] == "slower").any() for role in ROLES)
        return bool(slower or (self.rows["accuracy_verdict"] == "worse").any())

    @property
    def has_failed(self) -> bool:
        """Whether some cell has failed on either side."""
        return bool(self.rows[["a_failed", "b_failed"]].notna().any(axis=None))

    @property
    def is_open(self) -> bool:
        """Whether some question has no answer: not measured on a side, not comparable, or measured and inconclusive."""
        is_missing = bool(self.rows[["a_missing", "b_missing"]].notna().any(axis=None))
        verdicts = self.rows[[f"{name}_verdict" for name in (*ROLES, "accuracy")]]
        return is_missing or bool((verdicts == "inconclusive").any(axis=None))


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
    if mode == "interleaved":
        pairs = _in_turns(found, cells, runs, rule, root)
    else:
        for row, columns in zip(found, speeds(cells, runs, rule, root, mode), strict=True):
            row |= columns
    for row, columns in zip(found, _accuracies(cells, runs, rule), strict=True):
        row |= columns
    return Comparison(mode, runs, rule, run_rows.as_frame(found, COLUMNS), pairs, unmatched)


def _in_turns(
    found: Sequence[dict[str, Any]], cells: Sequence[Cell], runs: Sequence[Run], rule: Rule, root: Path
) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Put the speeds of runs that were measured in turns into their rows, and return the pairs that count."""
    pairs = {}
    subjects = []
    for row, cell in zip(found, cells, strict=True):
        for role in ROLES:
            because = compare_conditions.obstacle(cell, runs, role, "interleaved")
            if because:
                row |= refused(role, because)
                continue
            subject = subject_of(cell, runs, role, root, "interleaved")
            if subject is not None:
                subjects.append((row, cell, role, subject))
    judged = changes.paired_changes([subject for *_, subject in subjects], rule)
    for (row, cell, role, subject), change in zip(subjects, judged, strict=True):
        row |= level_columns(role, subject, rule.confidence, change.counted) | speed_columns(role, change)
        row[f"{role}_batch"] = cell.configs["protocol"][f"{role}_batch_size"]
        sides = ([side[pair] for pair in change.counted] for side in (subject.one, subject.other))
        pairs[cell.key, role] = paired_levels(*sides)
    return pairs


def _facts(cell: Cell, runs: Sequence[Run]) -> dict[str, Any]:
    row: dict[str, Any] = {**dict(zip(AXES, cell.labels, strict=True)), "cell_key": cell.key}
    for side, run, digest, configs in zip("ab", runs, cell.digests, cell.both, strict=True):
        row[f"{side}_run"] = run.name
        row[f"{side}_failed"], row[f"{side}_missing"] = failed_or_missing(run, digest, configs)
    return row


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
