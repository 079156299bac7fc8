"""The option by which code runs that a stored run names, and what is told of that code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from harness.text.terminal import Console, Text


def add(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust``."""
    parser.add_argument(
        "--trust", action="store_true", help="run also what code a stored run names; without it, it is only named"
    )


def tell(found: Sequence[str], where: str) -> None:
    """Say what runs because somebody has said ``--trust``."""
    for what in found:
        Console(stderr=True).print(Text(f"{where} runs {what}, as --trust says.", style="yellow"), soft_wrap=True)
