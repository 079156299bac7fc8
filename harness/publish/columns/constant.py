"""Says in a run's table where the baseline is no better than one answer for every row: then no speed-up is of use."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.publish.common.recorded import Planned
from harness.stats.predictions import constant

#: What stands behind the title of a group.
_TITLE = "; THE BASELINE IS NOT BETTER THAN A CONSTANT ANSWER"

_NOT_BETTER = "not shown to be better"


def column(
    cell: Planned, row: Mapping[str, Any], predictions: Sequence[float], references: Sequence[float], labels: list[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the column ``beats_constant`` of an evaluated cell, and a note where the cell does not.

    A classifier whose own metric (F1, correlation) is beyond doubt above the constant's is better too: where classes
    are rare, accuracy alone says little.

    Parameters
    ----------
    row : the metric's name and, where it is known, the lower end of its interval.
    labels : names of the classes; empty for a regression.
    """
    kind, confidence = cell.configs["task"]["kind"], cell.configs["protocol"]["confidence"]
    if kind == "language_modelling":
        return {}, []
    if kind == "regression":
        scale_free = str(row["metric"]).split(".")[-1] in constant.SCALE_FREE
        found = constant.numbers(predictions, references, confidence, scale_free)
        return {"beats_constant": found.better}, [] if found.better else [_number_note(found, scale_free)]
    found = constant.classes(predictions, references, confidence)
    better, low = found.better, row.get("value_low")
    if not better and row["metric"] != "accuracy" and low is not None:
        theirs = constant.metric_of_constant(row["metric"], references, found.answer)
        better = theirs is not None and low > theirs
    return {"beats_constant": better}, [] if better else [_class_note(found, labels, len(references))]


def _class_note(found: constant.Against, labels: list[str], rows: int) -> str:
    answer = int(found.answer)
    name = labels[answer] if answer < len(labels) else str(answer)
    mine = found.model
    assert mine.low is not None and mine.high is not None, "a share has Wilson's ends"
    return (
        f"{_NOT_BETTER} than always answering '{name}': {100 * mine.estimate:.1f} % of {rows} rows are right "
        f"[{100 * mine.low:.1f}, {100 * mine.high:.1f}], that class alone has {100 * found.constant:.1f} %"
    )


def _number_note(found: constant.Against, scale_free: bool) -> str:
    what = "correlation with the labels" if scale_free else "share of the labels' variance that it explains"
    known = "" if found.model.low is None else f" [{found.model.low:.3f}, {found.model.high:.3f}]"
    value = "not defined" if math.isnan(found.model.estimate) else f"{found.model.estimate:.3f}{known}"
    return f"{_NOT_BETTER} than always answering the labels' mean {found.answer:.3g}: {what} is {value}"


def _of_baseline(group: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a group that others are compared with: the baseline; FP32 where there is none."""
    found = group[(group["baseline"] == group["cell_key"]) & group["baseline"].notna()]
    return found if len(found) else group[group["approach"] == "fp32"]


def is_beaten(group: pd.DataFrame) -> bool:
    """Say whether the baseline of a comparison group is not shown to be better than a constant answer."""
    return bool((_of_baseline(group)["beats_constant"].dropna() == False).any())  # noqa: E712


def title(group: pd.DataFrame) -> str:
    """Return what the group's title must say; empty where the baseline is sane."""
    return _TITLE if is_beaten(group) else ""


def sentence(group: pd.DataFrame) -> str | None:
    """Return why no cell of the group is called the fastest; None where the baseline is sane."""
    if not is_beaten(group):
        return None
    told = re.search(rf"{_NOT_BETTER}.*?(?=; |$)", "; ".join(_of_baseline(group)["reason"].dropna()))
    reason = told[0] if told else f"{_NOT_BETTER} than a constant answer"
    return (
        f"Nothing is called the fastest here: the baseline is {reason}. Before any speed-up is of use, check the order "
        "of the labels (below, or in 'harness plan'), the model's head, and that the data are those it was trained for."
    )
