"""A user's own labelled data: CSV, TSV, JSON lines or Parquet files, or a data set on a hub."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StageError, nearest
from harness.tasks.checks import FILE_ORIGIN, named_columns
from harness.tasks.files import split_files
from harness.tasks.sound_text import block_bytes, explain, require_sound
from harness.tasks.splits import split_rows

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset

    from harness.config.schema import TaskConfig

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")


def read(source: Path | None, task: TaskConfig) -> dict[str, Dataset]:
    """Return the splits with the columns text, [text_pair], label.

    Parameters
    ----------
    source : a file, a folder of files, or None for the hub data set that ``task.source`` names.
    task : ``text``, ``text_pair`` and ``label`` name columns. ``split.train`` and ``split.evaluation`` name files of
        the folder (the ending may be left out) or splits of the hub data set. ``options.quoted`` says whether fields
        may stand in double quotes; by default they may in CSV and may not in TSV, where a lone quote is common and
        would swallow the lines up to the next. ``options.subset`` is the configuration of a hub data set.

    Raises
    ------
    StageError : ``missing_file``, ``bad_data``, ``bad_config``; ``no_network`` and ``no_package`` for a hub.
    """
    names = [task.split.train] if task.split.evaluation is None else [task.split.train, task.split.evaluation]
    tables = [_hub_split(name, task) if source is None else _file_split(source, name, task) for name in names]
    splits = [named_columns(rows, task, f"split '{name}'") for name, rows in zip(names, tables, strict=True)]
    return split_rows(splits[0], splits[1] if len(splits) > 1 else None, task.split)


def _file_split(source: Path, name: str, task: TaskConfig) -> Dataset:
    from datasets import Dataset

    return Dataset(file_table(source, name, task))


def file_table(source: Path, name: str, task: TaskConfig) -> pyarrow.Table:
    """Return the rows of a split's files, without a framework; :data:`~harness.tasks.checks.FILE_ORIGIN` among them.

    Raises
    ------
    StageError : ``missing_file`` or ``bad_data``.
    """
    import pyarrow

    paths = split_files(source, name, SUFFIXES)
    try:
        tables = [with_origins(_named_once(_arrow(path, task), path, task), path) for path in paths]
        return pyarrow.concat_tables(tables, promote_options="default")
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise StageError("bad_data", f"{paths[0].name}: {_line(error)}") from error
    except OSError as error:
        if error.errno is not None:  # the operating system's own, such as a file that may not be read
            where = error.filename or paths[0]
            raise StageError("missing_file", f"{where}: {error.strerror or _line(error)}") from error
        raise StageError("bad_data", f"{paths[0].name}: {_line(error)}") from error


def _arrow(path: Path, task: TaskConfig) -> pyarrow.Table:
    import pyarrow
    import pyarrow.parquet

    suffix = path.suffix.lower()
    if path.stat().st_size == 0:
        raise StageError("bad_data", f"{path.name}: the file is empty")
    if suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    if suffix not in SUFFIXES:
        raise StageError("bad_data", f"{path.name}: want one of {', '.join(SUFFIXES)}")
    is_json = suffix in (".jsonl", ".json")
    require_sound(path, is_json)
    try:
        return _json(path) if is_json else _csv(path, suffix, task)
    except pyarrow.ArrowInvalid as error:
        explain(path, is_json, _line(error))


def _json(path: Path) -> pyarrow.Table:
    import pyarrow.json

    return pyarrow.json.read_json(path, read_options=pyarrow.json.ReadOptions(block_size=block_bytes(path)))


def _csv(path: Path, suffix: str, task: TaskConfig) -> pyarrow.Table:
    import pyarrow.csv

    quoted = bool(task.options.get("quoted", suffix == ".csv"))
    # Without a type, what looks like numbers or dates would be read as such: a class called 01 is not the class 1.
    types = {name: pyarrow.string() for name in (task.text, task.text_pair, task.label) if name is not None}
    return pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=block_bytes(path)),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter="," if suffix == ".csv" else "\t",
            quote_char='"' if quoted else False,
            newlines_in_values=quoted,
        ),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types),
    )


def _named_once(table: pyarrow.Table, path: Path, task: TaskConfig) -> pyarrow.Table:
    """Return the table without columns of one name, which can be of no meaning to `task`; pyarrow joins none such.

    Raises
    ------
    StageError : ``bad_data`` for one that `task` names.
    """
    names = Counter(table.column_names)
    for field in ("text", "text_pair", "label"):
        column = getattr(task, field)
        if names[column] > 1:
            message = f"{path.name}: {names[column]} columns are called '{column}' (task.{field}); want one"
            raise StageError("bad_data", message)
    if len(names) == len(table.column_names):
        return table
    return table.select([place for place, name in enumerate(table.column_names) if names[name] == 1])


def with_origins(table: pyarrow.Table, path: Path) -> pyarrow.Table:
    """Return the table with a column that says where in the user's file each row stands, as an editor counts."""
    import pyarrow

    # The first row of a CSV or TSV is its header.
    first = 2 if path.suffix.lower() in (".csv", ".tsv") else 1
    names = [f"{path.name}, row {number}" for number in range(first, first + len(table))]
    return table.append_column(FILE_ORIGIN, pyarrow.array(names, pyarrow.string()))


def _hub_split(name: str, task: TaskConfig) -> Dataset:
    import datasets

    where, wanted = task.source.hub_id, task.options.get("subset")
    if where is None:
        raise StageError("bad_config", f"task {task.name}: task.source names neither package, hub_id nor path")
    try:
        # Hub data sets that need their own code are refused: datasets itself no longer runs it.
        splits = datasets.load_dataset(where, name=wanted, revision=task.source.revision)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise StageError("no_package", f"{where}: {_line(error)}") from error
    except ConnectionError as error:
        raise StageError("no_network", f"{where}: {_line(error)}") from error
    except ValueError as error:
        raise StageError("bad_config", f"{where}: {_line(error)}") from error
    if name not in splits:
        raise StageError("bad_config", f"{where}: no split '{name}'{nearest(name, splits)}")
    return splits[name]


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
