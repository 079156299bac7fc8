"""Tells a child that ran out of memory from one that crashed."""

from __future__ import annotations

from pathlib import Path

#: What allocators print before the process is ended from within.
_WORDS = ("std::bad_alloc", "MemoryError", "can't allocate memory", "Cannot allocate memory", "out of memory", "OOM when")


def said(text: str) -> bool:
    """Say whether an allocator's complaint stands in a message or the end of a log."""
    return any(word in text for word in _WORDS)


class Watch:
    """Remembers the kernel's count of out-of-memory kills, of the host and of this process's control group."""

    def __init__(self, root: Path = Path("/")):
        self._root = root
        self._before = self._kills()

    def killed(self) -> bool:
        """Say whether the kernel has ended any process for want of memory since this object was made."""
        return self._kills() > self._before

    def _kills(self) -> int:
        places = ("proc/vmstat", "sys/fs/cgroup/memory.events")
        return sum(self._count(self._root / place) for place in places)

    @staticmethod
    def _count(path: Path) -> int:
        try:
            fields = [line.split() for line in path.read_text().splitlines()]
        except OSError:
            return 0
        return sum(int(field[1]) for field in fields if len(field) == 2 and field[0] == "oom_kill")
