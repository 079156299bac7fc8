"""Makes a child repeat itself bit for bit: seeds, fixed thread counts, deterministic kernels only."""

from __future__ import annotations

import random
import sys

import numpy as np


def seed_python(seed: int) -> None:
    """Seed the generators of Python and of NumPy's legacy interface, which libraries draw from unasked."""
    random.seed(seed)
    np.random.seed(seed % 2**32)


def seed_torch(seed: int, threads: int) -> None:
    """Seed torch, fix its threads, and refuse kernels that may give other bits when run again.

    Sums are split by thread, so `threads` is part of the numerics.
    """
    import torch

    seed_python(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory would hide reads of it, at a cost; no layer here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.set_num_threads(threads)


def fix_threads(seed: int, threads: int) -> None:
    """Seed, and fix the threads of the frameworks that this process has already imported."""
    seed_python(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
