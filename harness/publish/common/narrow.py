"""Tables on terminals that are too narrow for them."""

from __future__ import annotations

from rich.table import Table

from harness.text.terminal import Console

#: In less, words and figures would be broken into single letters, or columns left out.
LEAST_WIDTH = 60


def print_table(table: Table, console: Console) -> None:
    """Print a table in the console's width, or in :data:`LEAST_WIDTH` where that is less: nothing of it is lost."""
    if console.width < LEAST_WIDTH:
        table.width = LEAST_WIDTH
    console.print(table, crop=False)
