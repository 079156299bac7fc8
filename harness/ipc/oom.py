"""Tells a child that ran out of memory from one that crashed."""

from __future__ import annotations

import re
from pathlib import Path

#: What allocators print before the process is ended from within.
_WORDS = (
    "std::bad_alloc",
    "MemoryError",
    "can't allocate memory",
    "Cannot allocate memory",
    "out of memory",
    "OOM when",
)

#: What the dynamic linker says where there is no room for a library; behind a colon it has another reason (dl-load.c).
_NO_ROOM = re.compile(r"failed to map segment from shared object(?!:)")

#: Where the kernel counts its kills for want of memory: of the whole host, and of a container's control group
#: (``admin-guide/cgroup-v2.rst``, ``cgroup-v1/memory.rst``). A count that is not readable is left out.
_COUNTS = ("proc/vmstat", "sys/fs/cgroup/memory.events", "sys/fs/cgroup/memory/memory.oom_control")


def is_oom_message(text: str) -> bool:
    """Say whether an allocator's complaint stands in a message or the end of a log."""
    return any(word in text for word in _WORDS) or _NO_ROOM.search(text) is not None


class Watch:
    """Remembers the kernel's counts of kills for want of memory."""

    def __init__(self, root: Path = Path("/")):
        self._root = root
        self._before = self._kills()

    def killed(self) -> bool:
        """Say whether the kernel has ended a process for want of memory since this object was made.

        Where no count is readable the answer is yes: hardly anyone else sends a signal that cannot be caught.
        """
        after = self._kills()
        return not after or after != self._before

    def _kills(self) -> dict[str, int]:
        counts = {}
        for place in _COUNTS:
            try:
                text = (self._root / place).read_text()
            except OSError:
                continue
            found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
            if found is not None:
                counts[place] = int(found[1])
        return counts
