"""Our own searches by the names that a tuner's config has for them."""

from __future__ import annotations

from harness import registry
from harness.errors import StageError, nearest
from harness.tuning.errors import TuningError
from harness.tuning.trials import Search


def search_of(strategy: str) -> Search:
    """Return the search that a strategy's name stands for, of this folder or a plugin.

    Raises
    ------
    TuningError : there is none of that name, or a plugin of that name cannot be imported.
    """
    names = registry.SEARCHES.names()
    if strategy not in names:
        raise TuningError(f"strategy={strategy!r}: no such search{nearest(strategy, names)}")
    try:
        return registry.SEARCHES.module(strategy).search
    except StageError as error:
        raise TuningError(error.message) from error
