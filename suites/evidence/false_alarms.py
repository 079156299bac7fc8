"""How often do rules report a change where there is none, and how often do they find one that is there?

``python -m suites.evidence.false_alarms results/runs/RUN.jsonl ...`` deals the real invocations of runs, and simulated
ones, to two sides, prints what each rule says of them, and writes it with a picture to ``results/evidence``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from tabulate import tabulate

from harness.results import store
from suites.evidence import sequences
from suites.evidence.replay import BEFORE_AA, HARNESS, ORDERS, Share, Source, draw, shares
from suites.evidence.rules import OTHERS

#: Source -> rule -> share of comparisons that report a change.
Table = Mapping[str, Mapping[str, Share]]

_RULES = (HARNESS, BEFORE_AA, *OTHERS)

_TITLES = {
    "ABBA": "interleaved: A B, B A, A B, ...",
    "AABB": "all of A, then all of B",
}


def table(drawn: Sequence[Source], order: str, factor: float = 1.0) -> Table:
    """Return how often each rule reports a change on each source when B is longer by `factor`."""
    return {source.name: shares(source, order, factor=factor) for source in drawn}


def markdown(found: Table, drawn: Sequence[Source]) -> str:
    """Return one row a rule and one column a source, in percent."""
    rows = [[rule, *(f"{100 * found[source.name][rule].share:.1f}" for source in drawn)] for rule in _RULES]
    rows.append(["floor of the A/A before", *(f"{100 * (source.noise.floor or 0):.1f}" for source in drawn)])
    rows.append(["comparisons without common data", *(str(source.independent) for source in drawn)])
    return tabulate(rows, headers=["", *(source.name for source in drawn)], tablefmt="github", disable_numparse=True)


def sources(paths: Sequence[Path], generator: np.random.Generator, comparisons: int, pairs: int) -> list[Source]:
    """Return simulated sources and those of real runs; comparisons of the same cells on one host are one sequence."""
    together: dict[tuple, list[Path]] = {}
    for path in paths:
        header = store.read_run(path)[0]
        cells = tuple(tuple(entry["labels"][:-1]) for entry in header["cells"])
        together.setdefault((header["host"], cells) if "comparison" in header else (header["run"],), []).append(path)
    real = {}
    for number, group in enumerate(together.values(), start=1):
        suffix = f" {number}" if len(together) > 1 else ""
        real |= {f"real {name}{suffix}": found for name, found in sequences.real(group).items()}
    return draw(real, generator, comparisons, pairs)


def picture(tables: Mapping[str, Table], path: Path) -> None:
    """Draw the shares of false alarms, one panel an order, one row a rule, one mark a source."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True)
    markers = "osD^vPX*"
    for panel, (order, found) in zip(panels, tables.items(), strict=True):
        for place, (source, told) in enumerate(found.items()):
            heights = [-row + 0.3 - 0.6 * place / max(1, len(found) - 1) for row in range(len(_RULES))]
            values = [100 * told[rule].share for rule in _RULES]
            panel.scatter(values, heights, s=26, marker=markers[place % len(markers)], label=source)
        panel.axvline(3, color="black", linewidth=0.8, linestyle="--")
        panel.set(title=_TITLES[order], xlabel="false alarms, %", xlim=(-3, 103))
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_yticks([-row for row in range(len(_RULES))], list(_RULES))
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside right center")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Ids of an SVG are random and it has a date, unless told otherwise.
    with rc_context({"svg.hashsalt": "harness"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print and write the tables and the picture."""
    parser = argparse.ArgumentParser(prog="python -m suites.evidence.false_alarms", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="files of runs without a change in them")
    parser.add_argument("--comparisons", type=int, default=1000, metavar="N", help="of each source; default: 1000")
    parser.add_argument("--pairs", type=int, default=10, metavar="N", help="invocations a side; default: 10")
    parser.add_argument("--slow-down", type=float, default=0.03, metavar="SHARE", help="to be found; default: 0.03")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/evidence"), metavar="DIR")
    chosen = parser.parse_args(arguments)
    drawn = sources(chosen.runs, np.random.default_rng(chosen.seed), chosen.comparisons, chosen.pairs)
    without = {order: table(drawn, order) for order in ORDERS}
    runs = ", ".join(path.stem for path in chosen.runs) or "none"
    size = f"{chosen.comparisons} comparisons of each source, {chosen.pairs} invocations a side"
    parts = [f"{size}; shares that report a change, in percent. Real samples: {runs}."]
    for order in ORDERS:
        parts += [f"## No change, {_TITLES[order]}", markdown(without[order], drawn)]
    slower = f"B longer by {100 * chosen.slow_down:g} %, {_TITLES['ABBA']}"
    parts += [f"## {slower}", markdown(table(drawn, "ABBA", 1 + chosen.slow_down), drawn)]
    text = "\n\n".join(parts) + "\n"
    picture(without, chosen.out / "false_alarms.svg")
    (chosen.out / "false_alarms.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
