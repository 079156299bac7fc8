"""The reader `vader`, on small files of its format."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.reading import all_rows, read_all, task

pytestmark = pytest.mark.backend("torch")

NAME = "movieReviewSnippets_GroundTruth.txt"

LINES = (
    ("1", "2.1", "a fine film"),
    ("2", "-3.25", "a dull one"),
    ("3", "0.4", "neither here nor there"),
    ("4", "0.5", "just good enough"),
    ("5", "-0.5", "just bad enough"),
    ("6", "-1.0", " a fine film "),  # the same sentence again, rated otherwise
    ("7", "0", "of no feeling"),
)
TEXT = "".join("\t".join(line) + "\n" for line in LINES)


def archive(members: dict[str, bytes]) -> bytes:
    """Return a ``.tar.gz`` of `members`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def damages(whole: bytes) -> dict[str, bytes]:
    """Return the archive cut short, and with single bytes turned over, all along it."""
    cuts = {f"cut at {end}": whole[:end] for end in range(30, len(whole) - 8, len(whole) // 8)}
    flips = {}
    for place in range(12, len(whole) - 8, 7):
        flips[f"flipped at {place}"] = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
    return cuts | flips


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("vader")

    def written(name: str, content: bytes) -> Path:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    plain = written(f"plain/{NAME}", TEXT.encode())
    # macOS puts a companion that is no text before the file.
    packed = archive({f"hutto/._{NAME}": b"\x00\x05\xff", f"hutto/{NAME}": TEXT.encode()})
    held = {"held_out": 2}
    cases = {
        "file": (plain, task("vader", **held)),
        "folder": (plain.parent, task("vader", **held)),
        "archive": (written("hutto_ICWSM_2014.tar.gz", packed), task("vader", **held)),
        "folder of the archive": (base, task("vader", **held)),
        "all ratings": (plain, task("vader", **held, options={"min_rating": 0})),
        "strong ratings": (plain, task("vader", held_out=1, options={"min_rating": 2})),
        "regression": (plain, task("vader", **held, kind="regression")),
        "no source": (None, task("vader", **held)),
        "absent": (base / "absent.txt", task("vader", **held)),
        "empty folder": (written("empty/other.csv", b"").parent, task("vader", **held)),
        "archive of others": (written("others.tar.gz", archive({"a.txt": b"a"})), task("vader", **held)),
        "two fields": (written("two.txt", b"1\t0.5\ta b\n2\t0.5 c d\n"), task("vader", **held)),
        "no number": (written("word.txt", b"1\tgood\ta b\n"), task("vader", **held)),
        "rating not a number": (written("nan.txt", b"1\t1\ta\n2\tnan\tb\n"), task("vader", **held)),
        "latin 1": (written("latin.txt", "1\t0.5\tcaf\u00e9\n".encode("latin-1")), task("vader", **held)),
    }
    for name, content in damages(packed).items():
        cases[name] = (written(f"damaged/{name.replace(' ', '-')}.tar.gz", content), task("vader", **held))
    return read_all(cases)


KEPT = sorted(
    [
        ("a fine film", "positive"),
        ("a dull one", "negative"),
        ("just good enough", "positive"),
        ("just bad enough", "negative"),
    ]
)


@pytest.mark.parametrize("source", ["file", "folder", "archive", "folder of the archive"])
def test_rows_are_the_clear_ratings_and_the_first_of_equal_sentences(outcomes, source):
    assert all_rows(outcomes[source]) == KEPT
    assert len(outcomes[source]["evaluation"]["text"]) == 2


def test_min_rating_moves_the_bound(outcomes):
    neither = ("neither here nor there", "positive")
    none = ("of no feeling", "negative")
    assert all_rows(outcomes["all ratings"]) == sorted([*KEPT, neither, none])
    assert all_rows(outcomes["strong ratings"]) == [("a dull one", "negative"), ("a fine film", "positive")]


def test_regression_keeps_every_rating(outcomes):
    expected = {text.strip(): float(rating) for _, rating, text in reversed(LINES)}
    assert dict(all_rows(outcomes["regression"])) == expected


@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ("no source", "bad_config", "vader"),
        ("absent", "missing_file", "absent.txt"),
        ("empty folder", "missing_file", NAME),
        ("archive of others", "missing_file", NAME),
        ("two fields", "bad_data", "line 2"),
        ("no number", "bad_data", "line 1"),
        ("rating not a number", "bad_data", "line 2"),
        ("latin 1", "bad_data", "UTF-8"),
    ],
)
def test_a_bad_file_has_a_named_failure(outcomes, case, kind, says):
    assert (outcomes[case]["kind"], says in outcomes[case]["message"]) == (kind, True), outcomes[case]


def test_a_damaged_archive_is_never_read_as_something_else(outcomes):
    whole = archive({f"hutto/._{NAME}": b"\x00\x05\xff", f"hutto/{NAME}": TEXT.encode()})
    for name in damages(whole):
        assert outcomes[name].get("kind") == "damaged", f"{name}: {outcomes[name]}"
