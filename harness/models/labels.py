"""Which output of a fine-tuned head stands for which of a task's labels; decided here alone, without a framework.

A wrong order is no error that anything else could see: the model runs, and its accuracy is that of other classes.
So nothing is guessed: names that are the same, numbers that are places, or an order that the user has written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import StageError
from harness.text import quoting

#: How outputs and labels were brought together, and what a person reads of it.
HOW = {
    "name": "by name",
    "index": "by place, because the labels are the numbers of the outputs",
    "task.labels": "by place, as task.labels says",
}

#: Of a config's ``problem_type``, in the words of transformers.
MULTI_LABEL = "multi_label_classification"

#: Names that a message lists of each side at most; the override that it offers has them all.
_LISTED = 20


@dataclass(frozen=True)
class Matching:
    """The outputs of a head beside the labels of a task.

    Attributes
    ----------
    how : a key of :data:`HOW`.
    outputs : the names that the head gives its outputs, in its order.
    labels : the task's labels, in the task's order; empty for a regression.
    order : for each label the output that stands for it.
    """

    how: str
    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    order: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as a record holds them: for each label its output's number and name."""
        return {
            "how": self.how,
            "labels": list(self.labels),
            "outputs": list(self.order),
            "output_names": [self.outputs[index] for index in self.order],
        }


def match_labels(outputs: Sequence[str], labels: Sequence[str], model: str, *, fixed: bool = False) -> Matching:
    """Return for each of a task's labels the output of a fine-tuned head that stands for it.

    Parameters
    ----------
    outputs : names of the head's outputs (``id2label``), in its order.
    labels : the task's labels, in their order; empty for a regression, which has one output and nothing to match.
    model : its name, for messages.
    fixed : whether ``task.labels`` gives the labels: then they are taken by place, whatever they are called.

    Raises
    ------
    StageError : ``bad_labels``, with both lists and the override that fixes it, when the numbers differ, or when
        neither the names, without regard to case, nor the labels 0, 1 ... n-1 tell the order.
    """
    wanted = max(1, len(labels))
    places = tuple(range(wanted))
    if len(outputs) != wanted:
        raise StageError("bad_labels", _other_number(outputs, labels, model, fixed))
    if not labels or fixed:
        return Matching("task.labels" if fixed else "index", tuple(outputs), tuple(labels), places)
    # Classes may differ by case alone, so names as they are come first.
    for alike in (str, str.casefold):
        named = {alike(output): index for index, output in enumerate(outputs)}
        found = [named.get(alike(label)) for label in labels]
        places_of = tuple(place for place in found if place is not None)
        if len(named) == wanted and len(places_of) == len(found) and len(set(found)) == wanted:
            return Matching("name", tuple(outputs), tuple(labels), places_of)
    if list(labels) == [str(place) for place in places]:
        return Matching("index", tuple(outputs), tuple(labels), places)
    both = _both(outputs, labels, model)
    raise StageError("bad_labels", f"{both}, and no name tells which is which; {offer(outputs, labels)}")


def require_one_label_a_row(problem_type: str | None, model: str) -> None:
    """Raise ``bad_labels`` for a multi-label head: the largest of its outputs is not what it answers."""
    if problem_type == MULTI_LABEL:
        message = f"model {model}: problem_type={MULTI_LABEL}: each output is a yes or no of its own, and multi-label"
        raise StageError(
            "bad_labels", f"{message} tasks are not supported yet; want a head that answers one label a row"
        )


def sentence(told: Mapping[str, Any]) -> str:
    """Return in words how labels were matched, from :meth:`Matching.to_dict`."""
    found = list(zip(told["labels"], told["outputs"], told["output_names"], strict=True))
    pairs = [f"{label} = output {index}" + ("" if label == name else f" ({name})") for label, index, name in found]
    shown = ", ".join(pairs[:_LISTED]) + (", ..." if len(pairs) > _LISTED else "")
    return f"labels matched with the head's outputs {HOW[told['how']]}: {shown}"


def offer(outputs: Sequence[str], labels: Sequence[str]) -> str:
    """Return the override that names as many labels as there are outputs, and what it takes for granted.

    An output gets the label of the same name, else the one label of which one name begins with the other (``pos`` and
    ``positive``); what is left gets the labels that are left, in their order.
    """
    chosen: dict[int, str] = {}
    for alike in (_same, _begins):
        for index, output in enumerate(outputs):
            left = [label for label in labels if label not in chosen.values() and alike(output, label)]
            rivals = [other for other in outputs if alike(other, left[0])] if len(left) == 1 else []
            if index not in chosen and len(rivals) == 1:
                chosen[index] = left[0]
    left = [label for label in labels if label not in chosen.values()]
    order = [chosen[index] if index in chosen else left.pop(0) for index in range(len(outputs))]
    assumed = [f"{output} is {label}" for output, label in zip(outputs, order, strict=True) if not _same(output, label)]
    shown = ", ".join(assumed[:_LISTED]) + (", ..." if len(assumed) > _LISTED else "")
    return f"write the labels in the order of the outputs: {override(order)}" + (f" if {shown}" if shown else "")


def override(labels: Sequence[str]) -> str:
    """Return ``task.labels=[...]`` as it is typed in a shell."""
    return quoting.override("task.labels", labels, is_list=True)


def _other_number(outputs: Sequence[str], labels: Sequence[str], model: str, fixed: bool) -> str:
    both = f"labels do not fit the head: {_both(outputs, labels, model)}"
    if fixed:
        return f"{both} (task.labels); want one label for each output, {len(outputs)} in all"
    if not labels:
        return f"{both}; want a head of one output for kind=regression"
    if len(labels) > len(outputs):
        return f"{both}; want a model with as many outputs, or rows of {len(outputs)} classes"
    known = {output.casefold() for output in outputs}
    numbers = [str(place) for place in range(len(outputs))]
    if set(labels) <= set(numbers):
        return f"{both}; where some classes have no row, name them all: {override(numbers)}"
    if all(label.casefold() in known for label in labels):
        spelt = {label.casefold(): label for label in labels}
        every = [spelt.get(output.casefold(), output) for output in outputs]
        return f"{both}; where some classes have no row, name them all: {override(every)}"
    return f"{both}; where some classes have no row, name all {len(outputs)} in the outputs' order as task.labels=[...]"


def _same(output: str, label: str) -> bool:
    return output.casefold() == label.casefold()


def _begins(output: str, label: str) -> bool:
    one, other = sorted((output.casefold(), label.casefold()), key=len)
    return bool(one) and other.startswith(one)


def _both(outputs: Sequence[str], labels: Sequence[str], model: str) -> str:
    return f"model {model} has {_listed(outputs)}, the task {_listed(labels) if labels else 'one number'}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    return f"{len(names)} ({shown})"
