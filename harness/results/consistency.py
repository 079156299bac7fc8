"""What must hold between the records of one run; each by itself is held against :mod:`harness.results.sense`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]

#: Role of a series -> the field of the protocol that has its batch size.
_BATCHES = {"latency": "latency_batch_size", "throughput": "throughput_batch_size"}


def check(run: Sequence[Record]) -> None:
    """Raise ValueError, naming the line, where a record contradicts one before it.

    Parameters
    ----------
    run : the records of a run, its header first; each fits its schema and makes sense.
    """
    header = run[0]
    keys = {cell["digest"]: cell["key"] for cell in header["cells"]}
    protocols = _protocols(header)
    labels: dict[str, int] = {}
    for number, line in enumerate(run[1:], start=2):
        kind, digest = line["type"], line.get("cell_digest")
        if kind == "header":
            raise ValueError(f"line {number}: damaged: a second header; want the records of one run in a file")
        if digest is not None and keys.get(digest) != line["cell"]:
            told = keys.get(digest, "none of the run")
            raise ValueError(f"line {number}: damaged: cell {digest} is {told} in the header")
        if kind == "dataset":
            labels[line["tokenised"]] = len(line["labels"] or ())
        elif kind == "accuracy":
            _predictions(line, labels.get(line["tokenised"], 0), number)
        elif kind == "invocation":
            _batches(line, protocols[digest], number)


def _protocols(header: Record) -> dict[str, Record]:
    configs = {option["digest"]: option["config"] for option in header["options"] if option["axis"] == "protocol"}
    return {
        cell["digest"]: next(configs[option] for option in cell["options"] if option in configs)
        for cell in header["cells"]
    }


def _predictions(accuracy: Record, labels: int, number: int) -> None:
    given = accuracy["predictions"]
    if labels and all(type(one) is int for one in given) and not 0 <= min(given) <= max(given) < labels:
        raise ValueError(
            f"line {number}: damaged: predictions: want the places of {labels} labels, from 0 to {labels - 1}"
        )


def _batches(invocation: Record, protocol: Record, number: int) -> None:
    for series in invocation["series"]:
        wanted = protocol.get(_BATCHES.get(series["role"], ""), series["batch_size"])
        if series["batch_size"] != wanted:
            found = f"{series['role']} at batch {series['batch_size']}"
            raise ValueError(f"line {number}: damaged: {found}, but the cell's protocol has batch {wanted}")
