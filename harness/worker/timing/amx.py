"""Asks the kernel for the tiles of AMX: without its permission the first tile instruction ends the process.

oneDNN asks by itself when it is loaded; asked before any framework, no runtime's order of loading decides, and a kernel
or sandbox that refuses is in the record (see ``Documentation/arch/x86/xstate.rst`` of the kernel).
"""

from __future__ import annotations

import ctypes
import errno

#: arch_prctl(2) on x86-64, its request, and the number of the tiles' state.
_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA = 158, 0x1023, 18


def ask() -> str:
    """Ask for permission to use tiles; return ``granted``, or ``refused (NAME OF THE ERROR)``."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, ctypes.c_ulong(_XFEATURE_XTILEDATA)) == 0:
        return "granted"
    return f"refused ({errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno())})"
