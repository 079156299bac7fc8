"""Binds this process's memory to NUMA nodes, and shows afterwards where its pages really lie.

The policy is set before any framework is imported and is inherited by every thread and child, so weights, huge pages
and control buffers lie on the nodes. Only what was there before stays where it is: the interpreter's own pages, and
files that another process has read into the page cache.
"""

from __future__ import annotations

import ctypes
import errno
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

#: set_mempolicy(2) on x86-64, and its strict policy: no page of another node, even if these are full.
_SET_MEMPOLICY, _MPOL_BIND = 238, 2

_LONG_BITS = 8 * ctypes.sizeof(ctypes.c_ulong)

_PAGES = re.compile(r" N(\d+)=(\d+)")
_PAGE_SIZE = re.compile(r" kernelpagesize_kB=(\d+)")


def bind(nodes: Sequence[int]) -> str | None:
    """Bind the memory that this process takes from now on to `nodes`.

    Returns
    -------
    None where the kernel has done so, else the name of its error: ``EPERM`` in containers that may not, ``ENOSYS`` in
    kernels without nodes, ``EINVAL`` for a node that is not there.
    """
    words = max(nodes) // _LONG_BITS + 1
    mask = (ctypes.c_ulong * words)()
    for node in nodes:
        mask[node // _LONG_BITS] |= 1 << node % _LONG_BITS
    libc = ctypes.CDLL(None, use_errno=True)
    # The kernel reads one bit less than it is told of.
    if libc.syscall(_SET_MEMPOLICY, _MPOL_BIND, mask, ctypes.c_ulong(words * _LONG_BITS + 1)) == 0:
        return None
    return errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def placed(spec: dict[str, Any], root: Path = Path("/")) -> dict[str, Any]:
    """Return what a record says of where this process ran: its nodes, whether memory was bound, where its pages lie.

    Parameters
    ----------
    spec : what the child was started with, and what its entry has added of :func:`bind` and of AMX.
    """
    wanted = spec.get("memory_nodes", [])
    return {
        "nodes": spec.get("nodes", []),
        "memory_nodes": wanted,
        "bound": bool(wanted) and spec["bind_error"] is None,
        "bind_error": spec.get("bind_error"),
        **(shares(_maps(root), wanted) if wanted else {"anonymous_share": None, "file_share": None}),
        "amx": spec.get("amx_permission"),
    }


def shares(maps: Iterable[str], nodes: Collection[int]) -> dict[str, float | None]:
    """Return the shares of a process's resident bytes that lie on `nodes`; None where nothing is told.

    Parameters
    ----------
    maps : the lines of ``/proc/PID/numa_maps``.

    Returns
    -------
    dict : anonymous_share (heap, stacks, buffers), file_share (code and mapped files, weights among them where a
        runtime maps them: their pages are shared, and lie where they were first read).
    """
    found = {"anonymous_share": [0, 0], "file_share": [0, 0]}
    for line in maps:
        size = _PAGE_SIZE.search(line)
        kind = "file_share" if " file=" in line and " anon=" not in line else "anonymous_share"
        for node, pages in _PAGES.findall(line):
            here = int(pages) * int(size[1] if size else 4)
            found[kind][0] += here if int(node) in nodes else 0
            found[kind][1] += here
    return {name: near / every if every else None for name, (near, every) in found.items()}


def _maps(root: Path) -> list[str]:
    try:
        return (root / "proc/self/numa_maps").read_text().splitlines()
    except OSError:  # kernels without nodes, and sandboxes
        return []
