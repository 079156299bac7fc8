"""What the options of measured comparisons may be, for the commands that have them."""

from __future__ import annotations

import argparse

from harness.config.schema import MOST_BLOCKS
from harness.errors import UserError, shown


def require_sound(arguments: argparse.Namespace) -> None:
    """Raise UserError for a margin or a number of pairs that means nothing."""
    if not 0 < arguments.margin < 1:
        raise UserError(f"--margin {arguments.margin:g}: want a share between 0 and 1, e.g. 0.02 for two percent")
    if not 2 <= arguments.pairs <= MOST_BLOCKS:
        raise UserError(f"--pairs {shown(arguments.pairs)}: want from 2 to {MOST_BLOCKS}, and 7 or more for a verdict")
