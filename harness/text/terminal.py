"""The only way to a terminal: rich's console and text, which let no record, file or label steer it.

Everything that is printed in colours or columns is printed by this :class:`Console`; what is one plain line on standard
error, by :func:`harness.faults.tell`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import rich.console
import rich.text
from rich.segment import Segment

from harness.text.printable import plain, safe_lines

#: Characters that a console has at least, whatever COLUMNS says: a table of less has no room for a word.
NARROWEST = 20


#: What rich makes of several texts: joined, assembled or with more behind them.
Joined = rich.text.Text


class Text(rich.text.Text):
    """Text that is shown as it is: never read as markup, and on one line (see :func:`harness.text.printable.plain`)."""

    def __init__(self, text: str = "", *arguments: Any, **options: Any) -> None:
        super().__init__(plain(text), *arguments, **options)

    def append(self, text: Any, style: Any = None) -> Joined:
        """Add a string, which gets shown as it is, or another text."""
        return super().append(plain(text) if isinstance(text, str) else text, style)


class Console(rich.console.Console):
    """A console of a terminal or a file; strings are never read as markup, and no control character passes."""

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, **options)

    @property
    def size(self) -> rich.console.ConsoleDimensions:
        """The width, at least :data:`NARROWEST`, and the height in characters."""
        size = super().size
        return size._replace(width=max(size.width, NARROWEST), height=max(size.height, 1))

    @size.setter
    def size(self, size: tuple[int, int]) -> None:
        self.width, self.height = size

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Yield what is written; only rich itself makes control codes."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(safe_lines(segment.text), segment.style)


def lines(texts: Sequence[Joined]) -> Joined:
    """Return texts below each other."""
    return rich.text.Text("\n").join(texts)
