"""What a reader must know of the data that a run's cells were evaluated on, and of what their labels stand for."""

from __future__ import annotations

from collections.abc import Iterator

from harness.models import labels
from harness.publish.common.numbers import share
from harness.publish.common.recorded import Planned, Record, Recorded, planned
from harness.text.words import counted


def sentences(run: Recorded) -> Iterator[str]:
    """Yield a sentence on each model and task: how its labels were matched, what was cut off, dropped and bounded.

    Each that differs once. Older records, which do not tell, give none.
    """
    said: list[str] = []
    for cell in planned(run.header):
        told = list(_told(run, cell))
        if told:
            said.append(f"{cell.labels['model']} on {cell.labels['task']}: {'; '.join(told)}.")
    yield from dict.fromkeys(said)


def _told(run: Recorded, cell: Planned) -> Iterator[str]:
    matching = run.prepared.get(cell.digest, {}).get("label_matching")
    if matching:
        yield labels.sentence(matching)
    dataset = run.datasets.get(run.accuracy.get(cell.digest, {}).get("tokenised", ""))
    if dataset is None:
        return
    yield from _cut(dataset)
    dropped = dataset.get("leaked_rows_dropped")
    if dropped:
        rows = counted(dropped, "training row")
        yield f"{rows} that also {'stands' if dropped == 1 else 'stand'} in the evaluation split left out of training"
    there, wanted = dataset.get("positions"), cell.configs["task"].get("max_length")
    if there is not None and wanted is not None and wanted > there:
        yield f"task.max_length={wanted} bounded to the {there} positions that the model has"


def _cut(dataset: Record) -> Iterator[str]:
    for split, name in (("evaluation", "evaluation texts"), ("train", "training texts")):
        found = (dataset.get("truncation") or {}).get(split)
        if found and found["texts"]:
            of_texts = share(found["texts"] / dataset["rows"][split])
            lost = share(found["tokens_lost"] / found["tokens"])
            at = f"at {dataset['max_length']} tokens"
            yield f"{of_texts} % of {dataset['rows'][split]} {name} cut {at}, {lost} % of all their tokens lost"
