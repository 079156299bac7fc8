"""A stage that tells where its pages are and which policy its memory has."""

import ctypes

import numpy

from harness.worker.timing import memory


def run(spec, cell, report):
    ballast = numpy.ones(2**22)  # noqa: F841
    mask, mode = (ctypes.c_ulong * 16)(), ctypes.c_int()
    error = ctypes.CDLL(None).syscall(239, ctypes.byref(mode), mask, ctypes.c_ulong(1024), None, ctypes.c_ulong(0))
    return {"placed": memory.placed(spec), "policy": [error, mode.value, mask[0]]}
