"""The reader `idx_images`, on small files of its format and on damaged ones."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tasks.idx_files import idx, write_split
from tests.tasks.reading import read_all, task

pytestmark = pytest.mark.backend("torch")

IMAGES = np.random.RandomState(0).randint(0, 256, (9, 3, 5))
LABELS = [3, 0, 9, 0, 1, 2, 2, 7, 0]
TEST_IMAGES = 255 - IMAGES[:4]
TEST_LABELS = [5, 6, 7, 8]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("idx")
    both = task("idx_images", evaluation="t10k")

    def folder(name: str, gzipped: bool = False) -> Path:
        write_split(base / name, "t10k", TEST_IMAGES, TEST_LABELS)
        return write_split(base / name, "train", IMAGES, LABELS, gzipped)

    def with_images(name: str, content: bytes, ending: str = "") -> tuple[Path, Any]:
        place = folder(name)
        (place / "train-images-idx3-ubyte").unlink()
        (place / f"train-images-idx3-ubyte{ending}").write_bytes(content)
        return place, both

    def with_labels(name: str, content: bytes) -> tuple[Path, Any]:
        (folder(name) / "train-labels-idx1-ubyte").write_bytes(content)
        return base / name, both

    whole = idx(IMAGES)
    zipped = gzip.compress(whole)
    flipped = bytearray(zipped)
    flipped[-8] ^= 1  # of the checksum at the end
    plain = folder("plain")
    return read_all(
        {
            "plain": (plain, both),
            "gzipped": (folder("gzipped", gzipped=True), both),
            "limited": (plain, task("idx_images", evaluation="t10k", limit_train=4, limit_evaluation=2)),
            "held out": (plain, task("idx_images", held_out=3)),
            "cut": with_images("cut", whole[:-1]),
            "longer": with_images("longer", whole + b"\0"),
            "cut in its header": with_images("header", whole[:10]),
            "empty": with_images("empty", b""),
            "cut gzip": with_images("cut gzip", zipped[:-20], ".gz"),
            "gzip of another sum": with_images("sum", bytes(flipped), ".gz"),
            "another format": with_images("html", b"<!DOCTYPE html>"),
            "floats": with_images("floats", idx(IMAGES, element=13)),
            "labels for images": with_images("swapped", idx(np.array(LABELS))),
            "images for labels": with_labels("images", whole),
            "fewer labels": with_labels("fewer", idx(np.array(LABELS[:-1]))),
            # 2^32 - 1 squared times the rows: wrong by far, and no reason to ask for so much memory.
            "absurd sizes": with_images("absurd", whole[:8] + b"\xff" * 8 + whole[16:]),
            "no such split": (plain, task("idx_images", evaluation="test")),
            "no folder": (base / "nowhere", both),
            "no source": (None, both),
        }
    )


def rows(split: dict[str, list]) -> set[tuple[bytes, int]]:
    pairs = zip(split["image"], split["label"], strict=True)
    return {(np.array(image, np.uint8).tobytes(), label) for image, label in pairs}


def expected(images: np.ndarray, labels: list[int]) -> set[tuple[bytes, int]]:
    return {(image.astype(np.uint8).tobytes(), label) for image, label in zip(images, labels, strict=True)}


@pytest.mark.parametrize("case", ["plain", "gzipped"])
def test_images_and_labels_are_those_of_the_files(outcomes, case):
    assert outcomes[case]["train"] == {"image": IMAGES.tolist(), "label": LABELS}  # in the file's order
    assert rows(outcomes[case]["evaluation"]) == expected(TEST_IMAGES, TEST_LABELS)


def test_limits_and_held_out_rows_are_those_of_the_split(outcomes):
    limited, held_out = outcomes["limited"], outcomes["held out"]
    assert len(limited["train"]["label"]) == 4 and rows(limited["train"]) < expected(IMAGES, LABELS)
    assert len(limited["evaluation"]["label"]) == 2 and rows(limited["evaluation"]) < expected(TEST_IMAGES, TEST_LABELS)
    assert len(held_out["evaluation"]["label"]) == 3
    assert rows(held_out["train"]) | rows(held_out["evaluation"]) == expected(IMAGES, LABELS)


@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ("cut", "damaged", "train-images-idx3-ubyte: 150 bytes, its header of 9 x 3 x 5 wants 151"),
        ("longer", "damaged", "152 bytes, its header of 9 x 3 x 5 wants 151"),
        ("cut in its header", "damaged", "10 bytes, its header alone has 16"),
        ("empty", "damaged", "begins with nothing"),
        ("cut gzip", "damaged", "train-images-idx3-ubyte.gz"),
        ("gzip of another sum", "damaged", "train-images-idx3-ubyte.gz: CRC"),
        ("another format", "damaged", "begins with 3c21444f, an IDX file of 3 dimensions with 00000803"),
        ("floats", "damaged", "begins with 00000d03"),
        ("labels for images", "damaged", "begins with 00000801, an IDX file of 3 dimensions with 00000803"),
        ("images for labels", "damaged", "train-labels-idx1-ubyte: begins with 00000803"),
        ("fewer labels", "bad_data", "8 labels for the 9 images of train-images-idx3-ubyte"),
        ("absurd sizes", "damaged", "9 x 4294967295 x 4294967295"),
        ("no such split", "missing_file", "'test-images-idx3-ubyte'; did you mean 't10k-images-idx3-ubyte'?"),
        ("no folder", "missing_file", "nowhere"),
        ("no source", "bad_config", "idx_images"),
    ],
)
def test_a_bad_file_has_a_named_failure(outcomes, case, kind, says):
    outcome = outcomes[case]
    assert (outcome["kind"], says in outcome["message"]) == (kind, True), outcome
    assert "\n" not in outcome["message"]
