"""The trials of a cell's tuning, read back from a run's records: a table, and queries that run nothing again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from harness.errors import UserError, nearest
from harness.results import cells as of_run
from harness.text.terminal import Text
from harness.tuning.criterion import Bound, Criterion
from harness.tuning.history import History, Trial
from harness.tuning.recipe import Recipe
from harness.tuning.subject import Evaluated

Record = Mapping[str, Any]

#: Characters from which a recipe has a column that is not mostly line breaks.
_WIDE = 130

_STYLES = {"ok": "green", "inaccurate": "yellow", "failed": "red", "timeout": "red"}


@dataclass(frozen=True)
class Tuning:
    """The trials of one cell. `chosen` is the index of the one that became its artefact, None while there is none."""

    cell: str
    metric: str
    greater_is_better: bool
    history: History
    chosen: int | None
    reason: str | None

    @property
    def baseline(self) -> float | None:
        """FP32's metric; None when no trial was evaluated."""
        return None if self.history.baseline is None else self.history.baseline.values[self.metric]


def tuning(records: Sequence[Record], wanted: str) -> Tuning:
    """Return the tuning of the cell that `wanted` names: by its key, or by some of its labels joined by ``/``.

    Raises
    ------
    UserError : no cell with trials, or more than one, is meant.
    """
    header = records[0]
    cell = _cell(header, records, wanted)
    lines = sorted(
        (line for line in records if line["type"] == "trial" and line["cell_digest"] == cell["digest"]),
        key=lambda line: line["index"],
    )
    options = {option["digest"]: option for option in header["options"]}
    task = next(options[one]["config"] for one in cell["options"] if options[one]["axis"] == "task")
    history = History()
    for line in lines:
        history.append(_trial(line))
        if line["metric"] is not None:
            history.baseline = Evaluated({task["metric"]: line["metric"]["baseline"]})
    made = [line for line in records if line["type"] == "prepared" and line["cell_digest"] == cell["digest"]]
    tuned = made[0]["provenance"].get("tuned", {}) if made else {}
    return Tuning(
        cell["key"], task["metric"], task["greater_is_better"], history, tuned.get("chosen"), tuned.get("reason")
    )


def so_far(cell: str, trials: Iterable[Record]) -> Tuning:
    """Return the tuning of a cell that is under way, from the records of its first trials."""
    history, metric = History(), "metric"
    for trial in trials:
        history.append(_trial(trial))
        if trial["metric"] is not None:
            metric = trial["metric"]["name"]
    return Tuning(cell, metric, True, history, None, None)


def summary(trial: Record) -> str:
    """Return one line on a trial's record."""
    metric, parts = trial["metric"], [trial["status"]]
    if trial["message"]:
        parts[0] += f" ({trial['message']})"
    if metric is not None:
        parts.append(f"{metric['name']} {metric['difference']:+.4f}, allowed {metric['allowed']:.4f}")
    if trial["latency_ns"] is not None:
        parts.append(f"{trial['latency_ns'] / 1e6:.1f} ms")
    return f"trial {trial['index']}: {', '.join(parts)}, {len(trial['fallback'])} ops fall back"


def placed(found: Tuning) -> list[Trial]:
    """Return the trials that have a place in a picture: both an accuracy and a latency."""
    return [trial for trial in found.history.trials if found.metric in trial.accuracy and trial.latency_ns]


def allowed(text: str, found: Tuning) -> Criterion:
    """Return the criterion that ``0.005`` (in the metric's own unit) or ``1%`` (of FP32's value) stands for.

    Raises
    ------
    UserError : it is neither.
    """
    share = text.strip().endswith("%")
    try:
        if not text.isascii() or "_" in text:  # Python reads 1_0 and other digits too
            raise ValueError(text)
        value = float(text.strip().removesuffix("%")) / (100 if share else 1)
        return Criterion((Bound(found.metric, value, share, found.greater_is_better),))
    except ValueError:
        raise UserError(f"'{text}': want a loss such as 0.005 (in units of {found.metric}) or 1% (of FP32's)") from None


def shown(found: Tuning, width: int) -> tuple[Table, list[Text]]:
    """Return the trials, in the order of the search, to be printed in `width` characters; the chosen one is marked.

    Recipes are sentences: where a column leaves them no room they stand below the table, numbered as their trials.
    """
    if width >= _WIDE:
        return _table(found, with_recipe=True), []
    numbered = [Text(f"{trial.index}: {describe(trial)}") for trial in found.history.trials]
    return _table(found, with_recipe=False), numbered


def _table(found: Tuning, *, with_recipe: bool) -> Table:
    shown = Table(box=None, pad_edge=False)
    shown.add_column("trial", justify="right")
    shown.add_column("status")
    for name in (f"{found.metric} %" if _is_share(found) else found.metric, "difference [interval]"):
        shown.add_column(Text(name), justify="right")
    shown.add_column("criterion")
    for name in ("rows", "ms", "MB", "s"):
        shown.add_column(name, justify="right")
    if with_recipe:
        shown.add_column("recipe", overflow="fold")
    for trial in found.history.trials:
        mark = "*" if trial.index == found.chosen else ""
        status = f"failed({trial.kind})" if trial.status == "failed" else trial.status
        cells = [*_accuracy(trial, found), str(trial.rows or "-"), _scaled(trial.latency_ns, 1e6)]
        cells += [_scaled(trial.size_bytes, 1e6), f"{trial.seconds:.1f}"]
        recipe = [Text(describe(trial))] if with_recipe else []
        shown.add_row(f"{mark}{trial.index}", Text(status, _STYLES[trial.status]), *cells, *recipe)
    return shown


def line(trial: Trial | None, question: str, found: Tuning) -> str:
    """Return one line that answers a query."""
    if trial is None:
        return f"{question}: no trial"
    accuracy, difference, _ = _accuracy(trial, found)
    return (
        f"{question}: trial {trial.index}, {_scaled(trial.latency_ns, 1e6)} ms, {_scaled(trial.size_bytes, 1e6)} MB, "
        f"{found.metric} {accuracy} ({difference}); {describe(trial)}"
    )


def describe(trial: Trial) -> str:
    """Return a recipe in words: method, activations, weights, and what falls back."""
    approach = trial.recipe.approach
    activation, weight = approach["activation"], approach["weight"]
    parts = [approach["method"]]
    if approach["method"] != "dynamic":
        bits = " 7 bits" if activation["reduce_range"] else ""
        clip = f" {activation['percentile']:g}" if activation["observer"] == "percentile" else ""
        parts.append(f"{activation['observer']}{clip} {activation['scheme']}{bits}")
    parts.append(f"weights {weight['granularity']}")
    others = approach.get("ops", {})
    if others:
        parts.append(f"{len(others)} ops otherwise")
    fallback = trial.recipe.fallback
    if fallback:
        parts.append(f"{len(fallback)} fall back: {', '.join(fallback[:3])}{', ...' if len(fallback) > 3 else ''}")
    return ", ".join(parts)


def _cell(header: Record, records: Iterable[Record], wanted: str) -> Record:
    tuned = {line["cell_digest"] for line in records if line["type"] == "trial"}
    cells = {cell["key"]: cell for cell in header["cells"]}
    there = {key: cell for key, cell in cells.items() if cell["digest"] in tuned}
    meant = [wanted] if wanted in cells else [entry["key"] for entry in of_run.meant(there.values(), wanted)]
    if len(meant) > 1:
        raise UserError(f"cell {wanted}: {len(meant)} cells are so called, e.g. {meant[0]} and {meant[1]}; say more")
    if not meant:
        raise UserError(f"run {header['run']}: no cell '{wanted}' with trials{nearest(wanted, there)}")
    if meant[0] not in there:
        raise UserError(f"cell {wanted}: it has no trials{nearest(wanted, there)}")
    return there[meant[0]]


def _trial(line: Record) -> Trial:
    metric, accuracy = line["metric"], {}
    if metric is not None:
        # Of a trial that ended early only the difference is on the same rows as FP32; so FP32 plus the difference is
        # what compares with the others.
        reading = {
            "value": metric["baseline"] + metric["difference"],
            "difference": metric["difference"],
            "allowed": metric["allowed"],
            "low": metric["difference_low"],
            "high": metric["difference_high"],
            "state": metric["state"],
        }
        accuracy = {metric["name"]: reading}
    plain = {name: line[name] for name in ("kind", "message", "latency_ns", "size_bytes", "rows", "seconds")}
    recipe = Recipe(line["recipe"], tuple(line["fallback"]))
    return Trial(line["index"], recipe, line["status"], accuracy=accuracy, **plain)


def _accuracy(trial: Trial, found: Tuning) -> tuple[str, str, str]:
    reading = trial.accuracy.get(found.metric)
    if reading is None:
        return "-", "-", "-"
    scale, digits = (100, 2) if _is_share(found) else (1, 4)
    difference = f"{scale * reading['difference']:+.{digits}f}"
    if reading["low"] is not None and reading["high"] is not None:
        difference += f" [{scale * reading['low']:+.{digits}f}, {scale * reading['high']:+.{digits}f}]"
    return f"{scale * reading['value']:.{digits}f}", difference, reading["state"]


def _is_share(found: Tuning) -> bool:
    return found.metric == "accuracy"


def _scaled(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:.1f}"
