"""Opens what a user brings, a model's folder and a table of rows, before anything is built or trained.

Without a framework, so that it is told at once what would else be found out by a stage that fails after an hour's
training. What lies on a hub or in a package is not fetched for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness import metrics, registry
from harness.backends.base import unsupported
from harness.config.cell import Cell
from harness.config.schema import ModelConfig, TaskConfig
from harness.errors import StageError, UserError, nearest
from harness.models import labels as label_matching
from harness.models import limits
from harness.models.base import is_built, modality
from harness.models.checkpoint import Checkpoint, read_checkpoint, require_loadable
from harness.tasks import checks
from harness.tasks.files import existing
from harness.tasks.plain_rows import read_table
from harness.text.words import counted

#: Classes that a line lists at most.
_LISTED = 12

#: A row has a token before its text, and one behind each text, in all tokenizers of encoders here.
_MARKS = 1

#: Label of a task -> its checked rows, or what is wrong with them.
_Examined = dict[str, checks.Examined | StageError]


@dataclass(frozen=True)
class Preview:
    """What is known of a model and a task before they are run.

    `told` are lines on rows, classes, labels and limits, `warnings` what may go wrong, `problem` what must.
    """

    model: str
    task: str
    told: tuple[str, ...]
    warnings: tuple[str, ...]
    problem: str | None

    @property
    def lines(self) -> Iterator[str]:
        """What a person reads: whose model and data, and a line each on what is known of them."""
        yield f"{self.model} on {self.task}:"
        yield from (f"  {line}" for line in self.told)
        yield from (f"  warning: {line}" for line in self.warnings)
        if self.problem is not None:
            yield f"  problem: {self.problem}"


def require_any(cells: Sequence[Cell]) -> list[str]:
    """Return a line on each model and task of the user's own that cannot be run, so that it is told before others are.

    Raises
    ------
    UserError : none of the cells can be run.
    """
    hopeless = [one for one in previews(cells) if one.problem is not None]
    pairs = {cell.labels[:2] for cell in cells}
    if hopeless and len(hopeless) == len(pairs):
        raise UserError(f"{hopeless[0].model} on {hopeless[0].task}: {hopeless[0].problem}")
    return [f"{one.model} on {one.task}: problem: {one.problem}" for one in hopeless]


def previews(cells: Iterable[Cell]) -> list[Preview]:
    """Return what is known of each model and task of some cells, where one of them is of the user's own."""
    pairs: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        if cell.model.source.path is not None or cell.task.source.path is not None:
            pairs.setdefault(cell.labels[:2], []).append(cell)
    examined: _Examined = {}
    return [_preview(labels, of_pair, examined) for labels, of_pair in pairs.items()]


def _preview(labels: tuple[str, ...], cells: list[Cell], examined: _Examined) -> Preview:
    model, task = cells[0].model, cells[0].task
    told: list[str] = []
    warnings: list[str] = []
    problem = None
    try:
        data = _data(task, labels[1], examined)
        if data is not None:
            told += _rows(data, task)
        checkpoint = _checkpoint(model)
        if checkpoint is not None:
            require_loadable(checkpoint, model)
            told += _matching(checkpoint, data, model, task)
            told += _padding(checkpoint)
            for protocol in {cell.labels[-1]: cell.protocol for cell in cells}.values():
                limits.require_positions(protocol.sequence_length, checkpoint.positions, model.name)
            warnings += _bounds(checkpoint, task)
            warnings += _untried(checkpoint, cells)
        if data is not None and modality(model.architecture) == "text":
            warnings += _cut(data, checkpoint, task)
        warnings += _metric(task)
    except StageError as error:
        problem = error.message
    return Preview(labels[0], labels[1], tuple(told), tuple(warnings), problem)


def _data(task: TaskConfig, label: str, examined: _Examined) -> checks.Examined | None:
    """Return the checked rows of the user's own table, once for all models; None for data of another kind."""
    if task.source.path is None:
        return None
    path = existing(task.source.path, "")
    if task.reader != "table":
        return None
    if label not in examined:
        try:
            examined[label] = checks.examine(read_table(path, task), task)
        except StageError as error:
            examined[label] = error
    found = examined[label]
    if isinstance(found, StageError):
        raise found
    return found


def _checkpoint(model: ModelConfig) -> Checkpoint | None:
    """Return what the user's own checkpoint tells; None for a model of another kind, such as a GGUF file."""
    path = model.source.path
    if path is None or is_built(model.architecture) or modality(model.architecture) == "prose":
        return None
    return read_checkpoint(existing(path, ""))


def _rows(data: checks.Examined, task: TaskConfig) -> Iterator[str]:
    train, evaluation = len(data.train), len(data.evaluation)
    dropped = data.leaked_rows_dropped
    also = f" ({counted(dropped, 'training row')} that also stand among these left out)" if dropped else ""
    yield f"{counted(train, 'training row')}, {counted(evaluation, 'evaluation row')}{also}"
    values = data.values[1]
    if not data.labels:
        mean = sum(values) / len(values)
        yield f"labels from {min(values):g} to {max(values):g}, mean {mean:.4g}: what a constant answer would be"
        return
    shares = Counter(values)
    found = [f"{name} {100 * shares[index] / evaluation:.1f} %" for index, name in enumerate(data.labels)]
    more = ", ..." if len(found) > _LISTED else ""
    most, count = shares.most_common(1)[0]
    constant = f"always answering '{data.labels[int(most)]}' would be right on {100 * count / evaluation:.1f} %"
    yield f"{len(data.labels)} classes, of the evaluation rows: {', '.join(found[:_LISTED])}{more}; {constant}"


def _matching(
    checkpoint: Checkpoint, data: checks.Examined | None, model: ModelConfig, task: TaskConfig
) -> Iterator[str]:
    if not model.fine_tuned:
        yield "the head is new: its outputs are the task's classes in their order"
        return
    names = data.labels if data is not None else task.labels
    if names is None:
        yield f"outputs of the head: {', '.join(checkpoint.outputs[:_LISTED])}; the task's labels are not known yet"
        return
    found = label_matching.match_labels(checkpoint.outputs, names, model.name, fixed=task.labels is not None)
    if found.labels:
        yield label_matching.sentence(found.to_dict())


def _padding(checkpoint: Checkpoint) -> Iterator[str]:
    if checkpoint.pad_id is None:
        message = (
            "the tokenizer has no pad token, and config.json neither pad_token_id nor eos_token_id to take instead"
        )
        raise StageError("bad_config", f"{message}; want pad_token in tokenizer_config.json")
    if checkpoint.pad_from != "tokenizer":
        yield f"the tokenizer has no pad token: token {checkpoint.pad_id} ({checkpoint.pad_from}) fills up batches"


def _bounds(checkpoint: Checkpoint, task: TaskConfig) -> Iterator[str]:
    if checkpoint.positions is not None and task.max_length > checkpoint.positions:
        yield f"task.max_length={task.max_length} is bounded to the {checkpoint.positions} positions that the model has"


def _untried(checkpoint: Checkpoint, cells: list[Cell]) -> Iterator[str]:
    """Yield which backends were never tried with the checkpoint's own kind, which model.architecture=bert loads too."""
    kind = checkpoint.config.get("model_type")
    if not isinstance(kind, str) or cells[0].model.architecture != "bert":
        return
    names: list[str] = []
    for cell in {cell.backend.name: cell for cell in cells}.values():
        as_it_is = replace(cell, model=replace(cell.model, architecture=kind))
        # No backend has seen a kind that no file loads by its name.
        if kind not in registry.MODELS.names() or unsupported(as_it_is) is not None:
            names.append(cell.backend.name)
    if names:
        yield f"model_type {kind} of config.json was not tried with {', '.join(names)}, and may fail there"


def _cut(data: checks.Examined, checkpoint: Checkpoint | None, task: TaskConfig) -> Iterator[str]:
    """Yield how many texts are cut for sure: a token holds no more than one word, so words are the fewest tokens."""
    bounds = (checkpoint.tokenizer_length, checkpoint.positions) if checkpoint is not None else (None, None)
    max_length = limits.bounded(task.max_length, *bounds)
    cut, lost, total = 0, 0, 0
    for row in checks.texts(data.evaluation):
        tokens = _MARKS + sum(len(text.split()) + 1 for text in row)
        total += tokens
        if tokens > max_length:
            cut += 1
            lost += tokens - max_length
    if cut:
        texts, words = 100 * cut / len(data.evaluation), 100 * lost / total
        least = f"at least {texts:.1f} % of the evaluation texts are cut at {max_length} tokens"
        yield f"{least}, counted by their words alone, {words:.1f} % of which are lost"


def _metric(task: TaskConfig) -> Iterator[str]:
    if not metrics.is_known(task.metric):
        close = nearest(task.metric, metrics.names())
        yield f"metric {task.metric} is not ours: its code, a folder's or a hub's, runs after the evaluation{close}"
