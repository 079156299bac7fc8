"""The table of one run, from its records and the description of its host: what every printed and written form shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.publish.common import data_notes
from harness.publish.common.heading import Heading, heading
from harness.publish.common.recorded import index
from harness.publish.scaling import layouts, picture
from harness.publish.table import picture as table_picture
from harness.publish.table import render
from harness.publish.table.rows import rows
from harness.results import store
from harness.text.terminal import Console


@dataclass(frozen=True)
class RunTable:
    """The rows of a run, what stands above them, and the layouts that its cells were run in."""

    rows: pd.DataFrame
    heading: Heading
    scales: layouts.Scaling
    lower_is_better: frozenset[str]
    data_notes: tuple[str, ...] = ()

    @property
    def beneath(self) -> list[str]:
        """The sentences on all comparison groups together."""
        return [*self.data_notes, *layouts.sentences(self.scales)]

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        return render.markdown(self.rows, self.heading, self.beneath)

    def show(self, console: Console) -> None:
        """Print the table in the console's width."""
        render.show(self.rows, self.heading, console, self.beneath)

    def write(self, folder: Path) -> list[Path]:
        """Write the table as CSV, Markdown and Parquet into a folder, made if need be, and return their paths.

        Raises
        ------
        UnwritableError : the folder cannot be written.
        """
        return render.write(self.rows, folder, self.heading, self.beneath)

    def draw(self, folder: Path) -> list[Path]:
        """Write the table's pictures into a folder and return their paths."""
        name = self.heading.run
        drawn = table_picture.draw(
            self.rows, self.heading, self.lower_is_better, [folder / f"{name}.{kind}" for kind in ("svg", "png")]
        )
        scaled = [folder / f"{name}-scaling.{kind}" for kind in ("svg", "png")]
        return [*drawn, *picture.draw(self.scales, self.heading, scaled)]


def read(results: Path, run_file: Path, baseline: Mapping[str, str] | None = None) -> RunTable:
    """Return the table of a run whose host is described below `results`.

    Parameters
    ----------
    baseline : axis -> label, to compare with in the place of the run's own.

    Raises
    ------
    UserError : the file is no run.
    """
    lines = store.read_run(run_file)
    if baseline is not None:
        lines[0] = {**lines[0], "baseline": dict(baseline)}
    host = store.read_host(results, lines[0]["host"])
    return RunTable(
        rows=rows(lines, None if host is None else host["isa"]),
        heading=heading(lines, store.host_line(results, lines[0]["host"], lines[0].get("limits"))),
        scales=layouts.scaling(lines),
        data_notes=tuple(data_notes.sentences(index(lines))),
        lower_is_better=frozenset(
            line["metric"]["name"]
            for line in lines
            if line["type"] == "accuracy" and not line["metric"]["greater_is_better"]
        ),
    )
