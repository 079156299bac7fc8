"""From the records of two runs to one row a cell: is the second faster, slower, better or worse than the first?

Runs of one host that were measured interleaved are compared pair by pair; all others by the ratio of their speed-ups
over the baseline, each paired within its own run, and by their accuracies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.config.schema import AXES
from harness.errors import UserError
from harness.publish.compare import conditions as compare_conditions
from harness.publish.compare.apart import speeds
from harness.publish.compare.columns import ROLES, level_columns, refused, speed_columns
from harness.publish.compare.records import (
    Cell,
    Run,
    failed_or_missing,
    matched,
    mode_of,
    references_of,
    subject_of,
)
from harness.publish.table import rows as run_rows
from harness.stats.decisions import accuracy_changes, changes
from harness.stats.decisions.changes import Rule
from harness.stats.predictions import accuracy as accuracies
from harness.stats.timings.estimate import Interval
from harness.stats.timings.pairs import paired_levels

_SPEED = ("ratio", "ratio_low", "ratio_high", "p")

#: Column -> its type when it is written. `a` is the first variant, `b` the second; above a ratio of 1 b is faster.
COLUMNS: dict[str, str] = {
    **dict.fromkeys((*AXES, "cell_key"), "string"),
    **{
        name: kind
        for role in ROLES
        for name, kind in {
            f"{role}_batch": "Int64",
            **{f"{variant}_{role}_ms{end}": "Float64" for variant in "ab" for end in ("", "_low", "_high")},
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
    """Two runs variant by variant. `mode` is interleaved, stored or hosts; `rows` have the columns of :data:`COLUMNS`.

    `pairs` holds, for each cell and role, the two variants' levels in nanoseconds in the pairs that count, in the order
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
            [compare_conditions.facts(cell, run, variant) for cell in cells] for variant, run in enumerate(self.runs)
        )
        return one, other

    @property
    def is_regression(self) -> bool:
        """Whether some cell got slower, on two hosts in comparison with its baseline, or less accurate."""
        slower = any((self.rows[f"{role}_verdict"] == "slower").any() for role in ROLES)
        return bool(slower or (self.rows["accuracy_verdict"] == "worse").any())

    @property
    def has_failed(self) -> bool:
        """Whether some cell has failed in either variant."""
        return bool(self.rows[["a_failed", "b_failed"]].notna().any(axis=None))

    @property
    def is_open(self) -> bool:
        """Whether some question has no answer: not measured in a variant, not comparable, or inconclusive."""
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
        pairs = _interleaved(found, cells, runs, rule, root)
    else:
        for row, columns in zip(found, speeds(cells, runs, rule, root, mode), strict=True):
            row |= columns
    for row, columns in zip(found, _accuracies(cells, runs, rule), strict=True):
        row |= columns
    return Comparison(mode, runs, rule, run_rows.as_frame(found, COLUMNS), pairs, unmatched)


def _interleaved(
    found: Sequence[dict[str, Any]], cells: Sequence[Cell], runs: Sequence[Run], rule: Rule, root: Path
) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Put the speeds of runs that were measured interleaved into their rows, and return the pairs that count."""
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
        variants = ([variant[pair] for pair in change.counted] for variant in (subject.one, subject.other))
        pairs[cell.key, role] = paired_levels(*variants)
    return pairs


def _facts(cell: Cell, runs: Sequence[Run]) -> dict[str, Any]:
    row: dict[str, Any] = {**dict(zip(AXES, cell.labels, strict=True)), "cell_key": cell.key}
    for variant, run, digest, configs in zip("ab", runs, cell.digests, cell.both, strict=True):
        row[f"{variant}_run"] = run.name
        row[f"{variant}_failed"], row[f"{variant}_missing"] = failed_or_missing(run, digest, configs)
    return row


def _accuracies(cells: Sequence[Cell], runs: Sequence[Run], rule: Rule) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    subjects, places = [], []
    for place, cell in enumerate(cells):
        there = [run.accuracy.get(digest) for run, digest in zip(runs, cell.digests, strict=True)]
        lines = [line for line in there if line is not None]
        if len(lines) < len(there):
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
        first, second = (
            accuracy_changes.Evaluated(line["metric"]["name"], value, line["predictions"], line["logits_sha256"])
            for line, value in zip(lines, values, strict=True)
        )
        better = lines[0]["metric"]["greater_is_better"]
        subjects.append(accuracy_changes.Subject(first, second, references, allowed, better))
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
