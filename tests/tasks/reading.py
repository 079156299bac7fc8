"""Reads labelled data in the environment that has `datasets`: many cases in one process, each to its outcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.config.schema import SplitConfig, TaskConfig
from tests.backend_env import environment_python, program_text, run_in

_READ = program_text(__file__, "reading_read")


def task(reader: str, *, train: str = "train", evaluation: str | None = None, **fields: Any) -> TaskConfig:
    """Return a task; `held_out`, `seed`, `limit_train` and `limit_evaluation` are its split's."""
    of_split = ("held_out", "seed", "limit_train", "limit_evaluation")
    in_split = {name: fields.pop(name) for name in of_split if name in fields}
    split = SplitConfig(train=train, evaluation=evaluation, **in_split)
    return TaskConfig(name="words", reader=reader, split=split, **fields)


def read_all(cases: Mapping[str, tuple[Path | None, TaskConfig]]) -> dict[str, Any]:
    """Return for each case the columns of each split, or the kind and message of its failure."""
    plain = {name: (source, dataclasses.asdict(config)) for name, (source, config) in cases.items()}
    return run_in(environment_python("torch"), _READ, plain)


def all_rows(outcome: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of both splits, sorted, each as the tuple of its columns text, [text_pair], label."""
    assert "kind" not in outcome, outcome["message"]
    rows = [row for split in outcome.values() for row in zip(*_columns(split), strict=True)]
    return sorted(rows, key=repr)


def _columns(split: Mapping[str, list[Any]]) -> list[list[Any]]:
    return [split[name] for name in ("text", "text_pair", "label") if name in split]
