"""Writes pictures so that the same figure gives the same file."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib import font_manager, rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

from harness.errors import UnwritableError
from harness.results import files
from harness.text.printable import safe_lines

# A label may hold dollars, which are no mathematics. Set before any text of a picture is made.
matplotlib.rcParams["text.parse_math"] = False

#: Of a PNG.
DOTS_PER_INCH = 120


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure to each of `paths`, as SVG or PNG by their endings; folders are made if need be.

    Raises
    ------
    UnwritableError : a folder cannot be written.
    """
    for text in figure.findobj(Text):
        text.set_text(_drawable(safe_lines(text.get_text()), text.get_fontproperties()))
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Ids of an SVG are random and it has a date, unless told otherwise.
            with rc_context({"svg.hashsalt": "harness"}), warnings.catch_warnings():
                # A label of 300 characters leaves a picture no room.
                warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)
                metadata = {"Date": None} if path.suffix == ".svg" else None
                with files.replaced(path) as new:
                    figure.savefig(new, dpi=DOTS_PER_INCH, metadata=metadata)
    except OSError as error:
        raise UnwritableError(f"picture {path}: cannot be written: {error.strerror or error}") from error


def _drawable(text: str, font: font_manager.FontProperties) -> str:
    """Return a text with the code of each character that no installed one of its fonts has.

    All of them would be the same empty box: two labels in Chinese could not be told apart.
    """
    if text.isascii():
        return text
    known: set[int] = {ord("\n")}
    for family in font.get_family():
        one = font.copy()
        one.set_family(family)
        with contextlib.suppress(ValueError):  # not installed
            path = font_manager.findfont(one, fallback_to_default=False)
            known.update(font_manager.get_font(path).get_charmap())
    return "".join(sign if ord(sign) in known else f"\\u{ord(sign):04x}" for sign in text)


def ratio_ticks(low: float, high: float) -> list[float]:
    """Return some round ratios between the ends, 1 among them where it is."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0):
        found = [round(1 + step * place, 4) for place in range(-200, 201)]
        found = [tick for tick in found if max(low, 0) < tick < high and tick > 0]
        if len(found) <= 9:
            return found
    return [1.0]
