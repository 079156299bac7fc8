"""From a run's records to one row a cell: accuracy, speed, size and what was really executed, each traceable.

A number that the records do not support stays empty: no baseline, no difference; one block, no interval.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.config import emulation, isa_cap
from harness.config.schema import AXES
from harness.errors import UserError
from harness.publish.columns import (
    constant,
    costs,
    coverage,
    disturbances,
    fastest,
    held_out,
    placements,
    saturation,
    scenarios,
    speeds,
    steady,
    tunings,
)
from harness.publish.common import conditions
from harness.publish.common.numbers import stable
from harness.publish.common.recorded import Planned, Record, Recorded, baseline_of, failures_of, index, planned
from harness.stats.decisions import budget, verdict
from harness.stats.predictions import accuracy as accuracies
from harness.stats.timings import estimate
from harness.text.printable import plain

#: Column -> its type when it is written: text, a count, a number (its unit ends its name) or a yes or no.
COLUMNS: dict[str, str] = {
    **dict.fromkeys((*AXES, "status", "reason", "metric"), "string"),
    **dict.fromkeys(("value", "value_low", "value_high"), "Float64"),
    "rows": "Int64",
    "beats_constant": "boolean",
    "baseline": "string",
    **dict.fromkeys(("difference", "difference_low", "difference_high", "agreement"), "Float64"),
    **dict.fromkeys(("broken", "fixed"), "Int64"),
    "mcnemar_p": "Float64",
    "criterion": "string",
    "criterion_within": "boolean",
    **dict.fromkeys(("criterion_allowed", "confidence"), "Float64"),
    **dict.fromkeys(("latency_batch", "sequence_length"), "Int64"),
    **{f"{name}_ms{end}": "Float64" for name in ("p50", "p90", "p99") for end in ("", "_low", "_high")},
    **dict.fromkeys(("iterations", "throughput_batch"), "Int64"),
    **dict.fromkeys(("throughput_per_s", "throughput_per_s_low", "throughput_per_s_high"), "Float64"),
    **dict.fromkeys(("speedup", "speedup_low", "speedup_high"), "Float64"),
    "speedup_pairs": "Int64",
    **fastest.COLUMNS,
    **dict.fromkeys(("size_mb", "peak_memory_mb"), "Float64"),
    **dict.fromkeys(("int8_ops", "bf16_ops", "fp32_ops"), "Int64"),
    "ops_source": "string",
    **dict.fromkeys(("blocks", "blocks_wanted"), "Int64"),
    **disturbances.COLUMNS,
    **conditions.COLUMNS,
    **costs.COLUMNS,
    **dict.fromkeys(("artefact", "environment", "environment_lock", "cell_key", "cell_digest", "run"), "string"),
}

#: Likewise; only a run has them that has measured what they tell.
OPTIONAL_COLUMNS: dict[str, str] = {
    **scenarios.COLUMNS,
    **tunings.COLUMNS,
    **costs.OPTIONAL_COLUMNS,
    **coverage.COLUMNS,
    **placements.COLUMNS,
    **placements.TILE_COLUMNS,
}


def rows(records: Iterable[Record], isa: Collection[str] | None = None) -> pd.DataFrame:
    """Return one row for each cell of a run, and one for each that is excluded or unsupported.

    Parameters
    ----------
    isa : the instruction sets of the run's host, as /proc/cpuinfo spells them; None where they are not known.

    Columns are those of :data:`COLUMNS`, in that order, and those of :mod:`harness.publish.columns.scenarios`,
    :mod:`~harness.publish.columns.tunings`, :mod:`~harness.publish.columns.coverage` and
    :mod:`~harness.publish.columns.placements` where the run has measured scenarios, tuned, or told multiplications or
    where it ran; what is not known is None (text) or NaN (numbers). Shares are from 0 to 1; a megabyte is 10**6 bytes;
    `speedup` is the baseline's p50 over the cell's, both at the latency batch.

    Raises
    ------
    UserError : the records hold no header, or predictions without their references.
    """
    run = index(records)
    cells = planned(run.header)
    quiet = disturbances.counted(run)
    found = [_row(run, quiet, cell, baseline_of(run.header, cell, cells), isa) for cell in cells]
    fastest.mark(quiet, cells, found)
    found += [_left_out(run.header, entry) for entry in run.header["excluded"]]
    more = scenarios.COLUMNS if run.scenarios or run.failed_scenarios else {}
    more = {**more, **(tunings.COLUMNS if run.trials else {})}
    told = [{name: kind} for name, kind in costs.OPTIONAL_COLUMNS.items()]
    for optional in (*told, coverage.COLUMNS, placements.COLUMNS, placements.TILE_COLUMNS):
        more |= optional if any(name in row for row in found for name in optional) else {}
    return as_frame(found, {**COLUMNS, **more})


def as_frame(found: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return rows as a frame of `columns` (name -> the type it is written as), in that order; numbers are floats.

    Texts are as they may be shown (:func:`harness.text.printable.plain`), so that each is as wide as it will be.
    """
    values = [{name: _shown(row.get(name)) for name in columns} for row in found]
    frame = pd.DataFrame(values, columns=list(columns), dtype=object)
    numbers = [name for name, kind in columns.items() if kind in ("Float64", "Int64")]
    return frame.astype(dict.fromkeys(numbers, float))


def _shown(value: Any) -> Any:
    # A line break is a blank to a person; what else is no text is shown as its escape.
    return plain(re.sub(r"[\t\r\n]+", " ", value)) if isinstance(value, str) else stable(value)


def _left_out(header: Record, entry: Record) -> dict[str, Any]:
    status = verdict.left_out(entry["kind"], entry["because"])
    labels = dict(zip(AXES, entry.get("labels") or entry["key"].split("/"), strict=False))
    hosts = {option["label"]: option["config"] for option in header["options"] if option["axis"] == "host"}
    if labels.get("host") in hosts:
        labels["host"] = _host(labels["host"], hosts[labels["host"]])
    return {**labels, "status": status.name, "reason": status.reason, "cell_key": entry["key"], "run": header["run"]}


def _row(
    run: Recorded, quiet: Recorded, cell: Planned, baseline: Planned | None, isa: Collection[str] | None = None
) -> dict[str, Any]:
    """Return a cell's row; `quiet` holds of the run's invocations those that figures are made of."""
    backend, protocol = cell.configs["backend"], cell.configs["protocol"]
    host, is_timed = cell.configs["host"], emulation.is_timed(cell.configs["host"])
    blocks = protocol["blocks"] if is_timed else 0
    row: dict[str, Any] = {**cell.labels, "cell_key": cell.key, "cell_digest": cell.digest, "run": run.header["run"]}
    row["host"] = _host(cell.labels["host"], host)
    row |= {"environment": backend["environment"], "confidence": protocol["confidence"]}
    row["environment_lock"] = run.header["environments"].get(backend["environment"])
    row["baseline"] = baseline.key if baseline else None
    row["blocks_wanted"] = blocks if is_timed else None
    failures = failures_of(run, cell)
    notes: list[str] = []
    if cell.digest in run.prepared:
        made = run.prepared[cell.digest]
        row |= {"artefact": made["artefact"], "size_mb": made["size_bytes"] / 1e6}
    if cell.digest in run.accuracy:
        executed = run.accuracy[cell.digest]["executed"]
        row |= {name: executed[name] for name in ("int8_ops", "bf16_ops", "fp32_ops")}
        row["ops_source"] = executed["source"]
        row |= coverage.columns(executed) | placements.tiles(executed)
        if not is_timed or host.get("isa") not in (None, "native"):
            notes.append(f"highest instruction set that its kernels told: {isa_cap.told(executed['kernels'])}")
        row |= _accuracy(run, cell, baseline, notes)
        entry = {"key": cell.key, "digest": cell.digest, "labels": list(cell.labels.values()), **cell.configs}
        saturates = saturation.note(entry, isa, run.prepared.get(cell.digest, {}).get("provenance", {}))
        notes += [saturates] if saturates else []
    if is_timed:
        row |= speeds.columns(quiet, cell, baseline, notes) | disturbances.columns(run, cell, baseline)
        measured = [*run.invocations[cell.digest].values()]
        row |= placements.columns(measured) | conditions.columns(measured, protocol)
        notes += conditions.mixed(measured)
        row |= costs.columns(
            run.prepared.get(cell.digest), measured, row.get("throughput_per_s"), host, row.get("int8_share"), run.peaks
        )
    if cell.digest in run.scenarios:
        undisturbed, busy = disturbances.scenarios(run, cell)
        searched = protocol["scenario"]["server_per_second"] is None
        row |= scenarios.columns(undisturbed, protocol["confidence"], searched)
        notes += busy
    if cell.digest in run.trials:
        row |= tunings.columns(run.trials[cell.digest], run.prepared.get(cell.digest), row.get("rows"))
    for one in run.failed_scenarios.get(cell.digest, ()):
        notes.append(f"{one['scenario']} in block {one['block'] + 1} failed({one['kind']}): {one['message']}")
    notes += _undecided(row, protocol.get("target_half_width"))
    status = verdict.cell_status(
        failures=failures,
        evaluated=cell.digest in run.accuracy,
        invocations=len(run.invocations[cell.digest]),
        blocks=blocks,
        steady=steady.of(quiet.invocations[cell.digest].values()),
        criterion=row.get("criterion"),
        disturbed=row.get("blocks_disturbed", 0),
        int8_share=row.get("int8_share") if cell.configs["approach"]["precision"] == "int8" else None,
    )
    notes = [*(disturbances.took(row) if status.name == "disturbed" else ()), *notes]
    row |= {"status": status.name, "reason": "; ".join(filter(None, (status.reason, *notes))) or None}
    return row


def _host(label: str, config: Mapping[str, Any]) -> str:
    return isa_cap.label(label, config.get("isa"), config.get("emulated"))


def _accuracy(run: Recorded, cell: Planned, baseline: Planned | None, notes: list[str]) -> dict[str, Any]:
    """Return the metric and, beside a baseline that was evaluated on the same rows, the difference and criterion."""
    whole, protocol = run.accuracy[cell.digest], cell.configs["protocol"]
    prepared, whole_references = run.prepared.get(cell.digest), _references(run, whole)
    kept = held_out.unseen(prepared, whole["rows"])
    part = held_out.restricted(whole, whole_references, kept)
    if part is None:
        part, kept = (whole, whole_references), None
    (mine, references), metric = part, part[0]["metric"]
    notes += filter(None, [held_out.note(prepared, kept, whole["rows"])])
    row: dict[str, Any] = {"metric": metric["name"], "value": metric["value"], "rows": mine["rows"]}
    confidence, seed = protocol["confidence"], run.header["seed"]
    interval = accuracies.metric_interval(metric["name"], mine["predictions"], references, confidence, seed)
    if interval is not None and math.isclose(interval.estimate, metric["value"], rel_tol=1e-6, abs_tol=1e-9):
        row |= {"value_low": interval.low, "value_high": interval.high}
    elif interval is not None:
        notes.append(
            f"its {metric['name']} does not follow from its predictions ({interval.estimate:.6g}): no intervals"
        )
    sane, why = constant.column(cell, row, mine["predictions"], references, run.datasets[mine["tokenised"]]["labels"])
    row |= sane
    if baseline is None or baseline.digest == cell.digest or baseline.digest not in run.accuracy:
        notes += why
        return row
    theirs = run.accuracy[baseline.digest]
    is_paired = (theirs["tokenised"], theirs["rows"]) == (whole["tokenised"], whole["rows"])
    if is_paired:
        theirs = (held_out.restricted(theirs, whole_references, kept) or (theirs,))[0]
        is_paired = theirs["rows"] == mine["rows"]
    difference = estimate.Interval(metric["value"] - theirs["metric"]["value"])
    if is_paired:
        sides = (mine["predictions"], theirs["predictions"], references)
        paired = accuracies.paired_difference(metric["name"], *sides, confidence, seed)
        # Where either side's metric does not follow from its predictions, their interval would be of something else.
        if paired is not None and math.isclose(paired.estimate, difference.estimate, rel_tol=1e-6, abs_tol=1e-9):
            difference = paired
        if cell.configs["task"]["kind"] == "classification":
            compared = accuracies.outcomes(*sides)
            row |= {"agreement": compared.agreement, "broken": compared.broken, "fixed": compared.fixed}
            row["mcnemar_p"] = compared.mcnemar_p
    held = accuracies.criterion(
        difference,
        theirs["metric"]["value"],
        protocol["criterion"],
        protocol["criterion_relative"],
        metric["greater_is_better"],
    )
    row |= {"difference": difference.estimate, "difference_low": difference.low, "difference_high": difference.high}
    return row | {"criterion": held.state, "criterion_within": held.within, "criterion_allowed": held.allowed}


def _references(run: Recorded, mine: Record) -> Sequence[float]:
    """Return the true values of the rows that were evaluated: the first of the split, or all."""
    dataset = run.datasets.get(mine["tokenised"])
    there = dataset["references"][: mine["rows"]] if dataset else []
    have = len(mine["predictions"])
    if not len(there) == have == mine["rows"]:
        raise UserError(
            f"run {run.header['run']}: accuracy of {mine['cell']}: {have} predictions of {mine['rows']} rows, and "
            f"{len(there)} references in its dataset record; want as many of each"
        )
    return there


def _undecided(row: Mapping[str, Any], target: float | None) -> list[str]:
    """Return what must be said of a speed-up that is known less well than the protocol wants: it is inconclusive."""
    if target is None or row.get("speedup_pairs") is None:
        return []
    pairs, low, high = row["speedup_pairs"], row.get("speedup_low"), row.get("speedup_high")
    wanted = f"the protocol wants {100 * target:.2g} %"
    if pairs < budget.LEAST_PAIRS or low is None or high is None:
        return [f"speed inconclusive: {pairs} pairs are too few to know its half-width, and {wanted}"]
    width = budget.half_width(low, high)
    return [f"speed inconclusive: known to {100 * width:.2g} % either way, and {wanted}"] if width > target else []
