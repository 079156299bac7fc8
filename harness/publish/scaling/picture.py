"""The picture of how cells scale: latency and its efficiency against threads, rows a second against cores in use."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from harness.publish.common.heading import Heading
from harness.publish.common.pictures import save
from harness.publish.scaling.layouts import Curve, Scaling

#: Told apart in print and by colour-blind eyes as well: a mark beside each colour (Okabe and Ito's palette).
_LOOKS = (
    ("#000000", "o", "-"),
    ("#0072B2", "s", "--"),
    ("#D55E00", "^", "-."),
    ("#009E73", "D", ":"),
    ("#CC79A7", "v", "-"),
    ("#E69F00", "P", "--"),
)


def draw(found: Scaling, heading: Heading, paths: list[Path]) -> list[Path]:
    """Write the picture to each of `paths`, as SVG or PNG by their endings; none where nothing scales.

    The same records give the same SVG, byte for byte.

    Raises
    ------
    UserError : a folder that cannot be written.
    """
    if not found:
        return []
    names = list(dict.fromkeys(curve.name for curve in (*found.latency, *found.rows)))
    looks = {name: _LOOKS[place % len(_LOOKS)] for place, name in enumerate(names)}
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    latency, efficiency, rows = figure.subplots(1, 3)
    for curve in found.latency:
        _line(latency, curve, looks[curve.name])
        colour, marker, line = looks[curve.name]
        cores, shares = zip(*curve.efficiency(), strict=True)
        efficiency.plot(cores, [100 * share for share in shares], color=colour, marker=marker, linestyle=line)
    for curve in found.rows:
        _line(rows, curve, looks[curve.name])
        for point in curve.points:
            each = point.cores // point.instances
            rows.annotate(
                f"{point.instances}x{each}",
                (point.cores, point.figure.estimate),
                textcoords="offset points",
                xytext=(-5, 6),
                ha="right",
                fontsize="x-small",
                color=looks[curve.name][0],
            )
    efficiency.axhline(100, color="gray", linewidth=0.8)
    _dress(latency, found.latency, "threads", "p50 of one process, ms")
    _dress(efficiency, found.latency, "threads", "efficiency, % of the fewest threads'")
    _dress(rows, found.rows, "cores in use (instances x cores of each)", "rows a second")
    efficiency.set_ylim(0, max(110, efficiency.get_ylim()[1]))
    for axes in (latency, rows):
        axes.set_ylim(bottom=0)
    figure.suptitle(f"{heading.suite}, run {heading.run}\n{heading.host}", fontsize="medium")
    handles = [figure.axes[0].plot([], [], color=c, marker=m, linestyle=s)[0] for c, m, s in looks.values()]
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)), fontsize="small")
    save(figure, paths)
    return paths


def _line(axes: Axes, curve: Curve, look: tuple[str, str, str]) -> None:
    colour, marker, line = look
    cores = [point.cores for point in curve.points]
    axes.plot(cores, [point.figure.estimate for point in curve.points], color=colour, marker=marker, linestyle=line)
    for point in curve.points:
        if point.figure.low is not None and point.figure.high is not None:
            axes.plot([point.cores] * 2, [point.figure.low, point.figure.high], color=colour, linewidth=1.2)


def _dress(axes: Axes, curves: tuple[Curve, ...], across: str, up: str) -> None:
    cores = sorted({point.cores for curve in curves for point in curve.points})
    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(cores)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(across, fontsize="small")
    axes.set_ylabel(up, fontsize="small")
    axes.margins(x=0.12, y=0.1)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize="small")
