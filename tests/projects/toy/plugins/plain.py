"""A backend: PyTorch's eager mode by another name."""

from __future__ import annotations

from harness.backends.eager.backend import Backend as Eager


class Backend(Eager):
    """See :class:`harness.backends.base.Backend`."""
