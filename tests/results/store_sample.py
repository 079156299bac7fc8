"""Stores the records of a sample as a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.results import store


def store_sample(root: Path, records: Sequence[dict[str, Any]]) -> Path:
    """Write a run of these records, the header first, and return the folder of results."""
    header, *lines = records
    with store.RunWriter.create(root, header) as writer:
        for line in lines:
            writer.append(line)
    return root
