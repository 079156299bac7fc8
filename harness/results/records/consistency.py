"""What must hold between the records of one run; each by itself, see :mod:`harness.results.records.sense`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]

#: Role of a series -> the field of the protocol that has its batch size.
_BATCHES = {"latency": "latency_batch_size", "throughput": "throughput_batch_size"}

#: Type of a record -> the fields that tell those of one cell apart. Of two that agree one would count double.
_ONCE: dict[str, tuple[str, ...]] = {
    "prepared": (),
    "accuracy": (),
    "trial": ("index",),
    "invocation": ("block",),
    "scenario": ("block", "scenario"),
}


def check(run: Sequence[Record]) -> None:
    """Raise ValueError, naming the line, where a record contradicts one before it.

    Parameters
    ----------
    run : the records of a run, its header first; each fits its type and makes sense.
    """
    header = run[0]
    keys = {cell["digest"]: cell["key"] for cell in header["cells"]}
    protocols, hosts = _configs(header, "protocol"), _configs(header, "host")
    labels: dict[str, int] = {}
    artefacts: dict[str, str] = {}
    seen: dict[tuple[Any, ...], int] = {}
    for number, line in enumerate(run[1:], start=2):
        kind: str = line["type"]
        digest: Any = line.get("cell_digest")
        if kind == "header":
            raise ValueError(f"line {number}: damaged: a second header; want the records of one run in a file")
        if digest is not None and keys.get(digest) != line["cell"]:
            told = keys.get(digest, "none of the run")
            raise ValueError(f"line {number}: damaged: cell {digest} is {told} in the header")
        if kind in _ONCE:
            first = seen.setdefault((kind, digest, *(line[name] for name in _ONCE[kind])), number)
            if first != number:
                raise ValueError(f"line {number}: damaged: the same {kind} as in line {first}; want each once")
        if kind == "prepared":
            artefacts[digest] = line["artefact"]
        elif "artefact" in line and line["artefact"] != artefacts.get(digest, line["artefact"]):
            found = f"artefact '{line['artefact']}', but '{artefacts[digest]}' was prepared"
            raise ValueError(f"line {number}: damaged: {found} for cell {line['cell']}")
        if kind == "dataset":
            labels[line["tokenised"]] = len(line["labels"] or ())
        elif kind == "accuracy":
            _predictions(line, labels.get(line["tokenised"], 0), number)
        elif kind == "invocation":
            _batches(line, protocols[digest], number)
            _placement(line, hosts[digest], number)


def _configs(header: Record, axis: str) -> dict[str, Record]:
    """Return digest of each cell -> the config of its option on an axis."""
    configs = {option["digest"]: option["config"] for option in header["options"] if option["axis"] == axis}
    return {
        cell["digest"]: next(configs[option] for option in cell["options"] if option in configs)
        for cell in header["cells"]
    }


def _predictions(accuracy: Record, labels: int, number: int) -> None:
    given = accuracy["predictions"]
    if labels and set(map(type, given)) == {int} and not 0 <= min(given) <= max(given) < labels:
        raise ValueError(
            f"line {number}: damaged: predictions: want the places of {labels} labels, from 0 to {labels - 1}"
        )


def _batches(invocation: Record, protocol: Record, number: int) -> None:
    for series in invocation["series"]:
        wanted = protocol.get(_BATCHES.get(series["role"], ""), series["batch_size"])
        if series["batch_size"] != wanted:
            found = f"{series['role']} at batch {series['batch_size']}"
            raise ValueError(f"line {number}: damaged: {found}, but the cell's protocol has batch {wanted}")


def _placement(invocation: Record, host: Record, number: int) -> None:
    """Check that a cell ran on the cores and with the threads that its host option names, where it names them."""
    cores, threads = host.get("cores"), host.get("threads")
    if cores is not None and sorted(cores) != sorted(invocation["cores"]):
        raise ValueError(f"line {number}: damaged: on cores {invocation['cores']}, but the cell's host names {cores}")
    if threads is not None and threads != invocation["threads"]:
        found = f"{invocation['threads']} threads"
        raise ValueError(f"line {number}: damaged: {found}, but the cell's host names {threads}")
