"""A mistake in what a tuning was asked for."""

from __future__ import annotations

from harness.errors import UserError


class TuningError(UserError, ValueError):
    """One line on what was asked for and what would be right; a ValueError too, for those who call from Python."""
