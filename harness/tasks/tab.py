"""Tab-delimited files of Orange: three header rows (names, types, flags), then the data.

The format: https://orange3.readthedocs.io/projects/orange-data-mining-library/en/latest/reference/data.io.html
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.errors import StageError

HEADER_ROWS = 3


def read_tab(path: Path) -> tuple[list[list[str]], Iterator[list[str]]]:
    """Return the header rows, and the rows of data; empty lines are passed over.

    Raises
    ------
    StageError : ``bad_data`` for a file that is no such, and, when it comes to it, for a row of another length.
    """
    # A field may hold a whole document; the csv module's own limit is 131,072 characters.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, delimiter="\t"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise StageError("bad_data", f"{path.name}: {error}") from error
    if len(rows) < HEADER_ROWS:
        raise StageError("bad_data", f"{path.name}: has {len(rows)} rows, a .tab file starts with three header rows")
    return rows[:HEADER_ROWS], _data(rows, path.name)


def _data(rows: list[list[str]], where: str) -> Iterator[list[str]]:
    for number, row in enumerate(rows[HEADER_ROWS:], start=HEADER_ROWS + 1):
        if not row:
            continue
        if len(row) != len(rows[0]):
            raise StageError("bad_data", f"{where}, row {number}: {len(row)} fields, not {len(rows[0])}")
        yield row
