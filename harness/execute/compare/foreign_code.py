"""What of somebody else's would run as code: of the cells that a record brings back, and of the locks stored beside it.

A record is data. What it names is brought back only where that is no code, or somebody has looked at it (``--trust``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from harness import metrics
from harness.config.cell import Cell
from harness.config.schema import SourceConfig
from harness.errors import StageError, UserError
from harness.execute.environments.pinned import Environments
from harness.plan.catalogue import Catalogue
from harness.plan.compose import options

#: A message names so many things, and so many packages of one.
_NAMED = 3


def of_cells(cells: Iterable[Cell], shipped: Catalogue) -> list[str]:
    """Return what the configs of `cells` would have run that the configs at hand (`shipped`) do not have run."""
    found: list[str] = []
    for cell in cells:
        model, task = cell.model, cell.task
        if model.trust_remote_code:
            found.append(f"the code of model {_place(model.source)} (model.trust_remote_code)")
        if not metrics.is_known(task.metric):
            found.append(f"the metric {task.metric} (task.metric)")
        for axis, config in (("model", model), ("task", task)):
            if config.source.source_distribution and config.source != _source_at_hand(shipped, axis, config.name):
                found.append(f"the build of the source distribution {config.source.package} ({axis}.source)")
    return list(dict.fromkeys(found))


def of_locks(names: Iterable[str], then: Environments, now: Environments) -> list[str]:
    """Return what the locks of `then` would install, and so run, that no lock of `now` names.

    Raises
    ------
    StageError : a lock of `then` cannot be read, or holds anything but pins.
    """
    names = list(names)
    brought = {pin.name: pin.version for name in names for pin in then.lock(name).pins}
    # Mostly the locks of the same names have them all.
    for name in (*names, *(name for name in now.catalogue.names("environment") if name not in names)):
        if not brought:
            return []
        for package in _packages(now, name):
            brought.pop(package, None)
    new = sorted(f"{name}=={version}" for name, version in brought.items())
    if not new:
        return []
    more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
    return [f"packages that no lock here names: {', '.join(new[:_NAMED])}{more}"]


def require_trust(found: Sequence[str], where: str, trusted: bool) -> None:
    """Raise UserError, naming what would run, unless nothing would or somebody has said that it may."""
    if found and not trusted:
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise UserError(f"{where} would run {'; '.join(found[:_NAMED])}{more}: look at it, then --trust runs it")


def _place(source: SourceConfig) -> str:
    return source.package or source.hub_id or source.path or "(no source)"


def _source_at_hand(shipped: Catalogue, axis: str, name: str) -> SourceConfig | None:
    if name not in shipped.names(axis):
        return None
    with contextlib.suppress(UserError):
        return options(shipped, axis, name, {})[0].config.source
    return None


def _packages(now: Environments, name: str) -> list[str]:
    # An environment that is no more has none; a lock that cannot be read is told where it is used.
    with contextlib.suppress(UserError, StageError):
        return [pin.name for pin in now.lock(name).pins]
    return []
