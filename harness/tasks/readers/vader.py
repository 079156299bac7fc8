"""Movie-review sentences with human ratings from -4 to 4, ten raters each, as the package vaderSentiment ships them.

C. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text",
ICWSM 2014. The sentences are those of Pang and Lee (2005), but the labels are not those of SST-2.
"""

from __future__ import annotations

import gzip
import io
import math
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StageError
from harness.tasks.splits import split_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.config.schema import TaskConfig

MEMBER = "movieReviewSnippets_GroundTruth.txt"

_GZIP = b"\x1f\x8b"

#: A rating has this size at most.
_LARGEST = 4


def read(source: Path | None, task: TaskConfig) -> dict[str, Dataset]:
    """Return the splits with the columns text and label.

    Parameters
    ----------
    source : the file itself, a ``.tar.gz`` with it, or a folder with either.
    task : of kind classification, label ``positive`` where the rating is above 0, else ``negative``, and rows with
        \\|rating\\| below ``options.min_rating`` (default 0.5) dropped; or of kind regression, the label is the rating
        and no row is dropped for it. Of sentences that occur twice the first is kept.

    Raises
    ------
    StageError : ``missing_file`` or ``bad_data``.
    """
    from datasets import Dataset

    if source is None:
        raise StageError("bad_config", "task.reader vader reads a package or path, not a hub id")
    regression = task.kind == "regression"
    smallest = 0.0 if regression else _min_rating(task)
    rows: dict[str, float] = {}
    for number, line in enumerate(io.StringIO(_text(source)), start=1):
        fields = line.rstrip("\r\n").split("\t")
        try:
            _, rating, text = fields
            value = float(rating)
        except ValueError as error:
            raise StageError("bad_data", f"{MEMBER}, line {number}: want id, rating and text by tabs") from error
        if not math.isfinite(value):
            raise StageError("bad_data", f"{MEMBER}, line {number}: the rating is {rating}, want a number")
        if abs(value) >= smallest:
            rows.setdefault(text.strip(), value)
    labels = list(rows.values()) if regression else ["positive" if value > 0 else "negative" for value in rows.values()]
    return split_rows(Dataset.from_dict({"text": list(rows), "label": labels}), None, task.split)


def _min_rating(task: TaskConfig) -> float:
    asked = task.options.get("min_rating", 0.5)
    if isinstance(asked, bool) or not isinstance(asked, (int, float)) or not 0 <= asked <= _LARGEST:
        message = f"task.options.min_rating={asked}: want a number from 0 to {_LARGEST}"
        raise StageError("bad_config", message)
    return float(asked)


def _text(source: Path) -> str:
    """Return the text of the ratings file, wherever under `source` it is."""
    if source.is_dir():
        places = sorted([*source.rglob(MEMBER), *source.rglob("hutto*.tar.gz")], key=lambda path: path.name != MEMBER)
        if not places:
            raise StageError("missing_file", f"{source}: neither {MEMBER} nor an archive of it")
        source = places[0]
    if not source.exists():
        raise StageError("missing_file", f"{source}: no such file")
    try:
        content = source.read_bytes()
        if content.startswith(_GZIP):
            # The whole of it first: tarfile stops after a member, before the checksum at the archive's end.
            content = gzip.decompress(content)
        if tarfile.is_tarfile(io.BytesIO(content)):
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                # macOS leaves "._" companions of the same ending in archives.
                members = [item for item in archive.getmembers() if Path(item.name).name == MEMBER and item.isfile()]
                if not members:
                    raise StageError("missing_file", f"{source}: no member {MEMBER}")
                opened = archive.extractfile(members[0])
                assert opened is not None, "a file has content"
                content = opened.read()
        return content.decode()
    except UnicodeDecodeError as error:
        raise StageError("bad_data", f"{source}: not UTF-8 text: {error}") from error
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise StageError("damaged", f"{source}: {error}") from error
