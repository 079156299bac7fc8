"""Where the cells of a run ran and their memory lay, and what ran in AMX tiles, where the records tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.config import isa_cap
from harness.host.placement import node_words
from harness.publish.common.numbers import is_known
from harness.text.words import counted

Record = Mapping[str, Any]

#: As :data:`harness.publish.table.rows.COLUMNS`; only a run whose invocations tell their placement has it.
COLUMNS: dict[str, str] = {"placement": "string"}

#: Likewise; only a run in which a kernel said that it uses AMX.
TILE_COLUMNS: dict[str, str] = dict.fromkeys(("amx_int8_ops", "amx_bf16_ops"), "Int64")

#: Below this share of a process's own pages on its nodes, that is said.
_NEAR_SHARE = 0.99


def columns(invocations: Sequence[Record]) -> dict[str, Any]:
    """Return what a cell's `invocation` records give of :data:`COLUMNS`: each placement once, in their order."""
    found = dict.fromkeys(words(one) for one in invocations if "placement" in one)
    return {"placement": "; ".join(found)} if found else {}


def words(invocation: Record) -> str:
    """Return where one invocation ran: ``2 threads on node 0, memory bound to node 0``.

    That memory is bound is only said where the kernel has taken the order; where its pages can be seen and lie
    elsewhere all the same, how many.
    """
    placement = invocation["placement"]
    text = counted(invocation["threads"], "thread")
    if placement["nodes"]:
        text += f" on {node_words(placement['nodes'])}"
    if not placement["memory_nodes"]:
        return f"{text}, memory not bound"
    nodes = node_words(placement["memory_nodes"])
    if not placement["bound"]:
        text += f", memory not bound to {nodes} (the kernel refused: {placement['bind_error']})"
    else:
        text += f", memory bound to {nodes}"
    share = placement["anonymous_share"]
    return text if share is None or share >= _NEAR_SHARE else f"{text}, {100 * share:.0f} % of it there"


def tiles(executed: Record) -> dict[str, int]:
    """Return what an accuracy record's `executed` gives of :data:`TILE_COLUMNS`; nothing where no kernel used AMX."""
    found = isa_cap.tiles(executed["kernels"])
    if not found:
        return {}
    # A runtime that names its nodes and logs their kernels as well has each twice.
    return {"amx_int8_ops": min(found.get("int8", 0), executed["int8_ops"]), "amx_bf16_ops": found.get("bf16", 0)}


def title(group: pd.DataFrame) -> str:
    """Return the one placement that all cells of a comparison group have, to stand in its title; else nothing."""
    known: Sequence[Any] | np.ndarray = group["placement"].dropna().unique() if "placement" in group else []
    return f", {known[0]}" if len(known) == 1 else ""


def sentences(group: pd.DataFrame) -> Iterator[str]:
    """Yield which cells of a group ran where, when they did not all run in the same place."""
    if "placement" not in group or group["placement"].nunique() < 2:
        return
    for placement, rows in group.groupby("placement", sort=False):
        names = ", ".join(f"{row['approach']}/{row['backend']}" for _, row in rows.iterrows())
        where = str(placement)
        yield f"{where[0].upper()}{where[1:]}: {names}."


def tile_words(row: Mapping[str, Any], kind: str) -> str:
    """Return how many of a row's operations of a kind (int8 or bf16) ran in tiles, to stand behind their number."""
    count = row.get(f"amx_{kind}_ops")
    return f" ({count:.0f} AMX)" if is_known(count) and count else ""


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of these columns."""
    if "amx_int8_ops" in frame:
        yield "AMX: operations whose kernels say by their names that they multiply in tiles."
