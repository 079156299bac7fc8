"""Images of a split: batches, a file without pickles, and the stages that make them ready and train on them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.config.schema import FineTuneConfig, SplitConfig, TaskConfig
from harness.data.image_rows import ImageRows
from harness.data.token_rows import Rows, load_rows
from tests.backend_env import environment_python, program_text, run_in
from tests.tasks.idx_files import write_split

PIXELS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4)))


def make(pixels: np.ndarray) -> ImageRows:
    """Return images labelled by their number."""
    return ImageRows(pixels, np.arange(len(pixels)))


@given(pixels=PIXELS, length=st.none() | st.integers(1, 9), data=st.data())
def test_a_batch_holds_its_images_from_minus_one_to_one(pixels, length, data):
    indices = data.draw(st.lists(st.integers(0, len(pixels) - 1), min_size=1, max_size=8))
    batch = make(pixels).batch(indices, length)
    assert list(batch) == ["pixel_values"]
    values = batch["pixel_values"]
    assert (values.dtype, values.shape) == (np.float32, (len(indices), 1, *pixels.shape[1:]))
    wanted = [[[2 * int(pixel) / 255 - 1 for pixel in line] for line in pixels[index]] for index in indices]
    np.testing.assert_allclose(values[:, 0], np.array(wanted), atol=1e-6)


@given(pixels=PIXELS, batch_size=st.integers(1, 7))
def test_fixed_batches_see_each_row_once_in_order(pixels, batch_size):
    rows = make(pixels)
    batches = rows.by_length(batch_size)
    assert np.concatenate(batches).tolist() == list(range(len(rows)))
    assert all(len(batch) == batch_size for batch in batches[:-1]) and len(batches[-1]) <= batch_size
    assert rows.lengths.tolist() == [pixels[0].size] * len(rows)
    first = rows.first(1)
    assert len(first) == 1 and np.array_equal(first.pixels, pixels[:1])


@pytest.mark.parametrize("labels", [np.array([1, 0]), np.array([0.1, -2.5], np.float32)])
def test_what_is_saved_is_loaded_as_what_it_was(tmp_path: Path, labels: np.ndarray):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    ImageRows(pixels, labels).save(tmp_path / "images.npz")
    Rows(np.arange(3), np.zeros(3, np.int64), np.array([0, 1, 3]), labels).save(tmp_path / "tokens.npz")
    images, tokens = load_rows(tmp_path / "images.npz"), load_rows(tmp_path / "tokens.npz")
    assert isinstance(images, ImageRows) and isinstance(tokens, Rows)
    assert np.array_equal(images.pixels, pixels) and images.pixels.dtype == np.uint8
    for rows in (images, tokens):
        assert np.array_equal(rows.labels, labels) and rows.labels.dtype == labels.dtype


def test_a_pickle_in_the_file_is_refused(tmp_path: Path):
    np.savez(tmp_path / "rows.npz", pixels=np.array([{}], dtype=object), labels=np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_rows(tmp_path / "rows.npz")


_STAGES = program_text(__file__, "image_rows_stages")

#: Bright above or below; row 5 of the training images stands in the evaluation split as well.
TRAIN_LABELS = np.arange(120) % 2
TEST_LABELS = np.arange(10) % 2


def images(labels: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.RandomState(seed)
    pixels = generator.randint(0, 100, (len(labels), 8, 8))
    for image, label in zip(pixels, labels, strict=True):
        image[4 * label : 4 * label + 4] += 150
    return pixels


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    base = tmp_path_factory.mktemp("images")
    train, test = images(TRAIN_LABELS, 1), images(TEST_LABELS, 2)
    train[5] = test[5]
    changed = train.copy()
    changed[7, 0, 0] ^= 1
    for name, pixels in (("plain", train), ("changed", changed)):
        write_split(base / name, "t10k", test, TEST_LABELS, gzipped=True)
        write_split(base / name, "train", pixels, TRAIN_LABELS, gzipped=True)
    task = TaskConfig(
        name="halves",
        reader="idx_images",
        split=SplitConfig(train="train", evaluation="t10k"),
        labels=("above", "below"),
        fine_tune=FineTuneConfig(epochs=6, learning_rate=3e-3, batch_size=16, frozen=()),
    )
    return base, run_in(environment_python("torch"), _STAGES, base, dataclasses.asdict(task))


@pytest.mark.backend("torch")
def test_the_stored_rows_are_the_files_images_without_those_that_leak(stages):
    base, found = stages
    train = load_rows(base / "out" / "plain" / "train.npz")
    kept = [row for row in range(120) if row != 5]
    assert np.array_equal(train.pixels, images(TRAIN_LABELS, 1)[kept])
    assert train.labels.tolist() == TRAIN_LABELS[kept].tolist()
    assert found["plain"]["rows"] == {"train": 119, "evaluation": 10}
    assert found["plain"]["leaked_rows_dropped"] == 1
    assert found["plain"]["labels"] == ["above", "below"]
    evaluation = load_rows(base / "out" / "plain" / "evaluation.npz")
    assert found["plain"]["references"] == evaluation.labels.tolist()
    assert found["plain"]["max_length"] is None


@pytest.mark.backend("torch")
def test_a_fingerprint_is_the_hash_of_each_images_size_and_pixels_and_its_label(stages):
    base, found = stages
    rows = load_rows(base / "out" / "plain" / "train.npz")
    total = hashlib.sha256()
    for image, label in zip(rows.pixels, rows.labels, strict=True):
        digest = hashlib.sha256(bytes(image.ravel().tolist())).hexdigest()
        total.update(json.dumps([f"8x8 {digest}", ("above", "below")[label]], separators=(",", ":")).encode() + b"\n")
    plain, changed = found["plain"]["fingerprints"], found["changed"]["fingerprints"]
    assert plain["train"] == total.hexdigest()
    assert changed["train"] != plain["train"] and changed["evaluation"] == plain["evaluation"]


@pytest.mark.backend("torch")
def test_a_vision_transformer_is_built_from_its_options_and_learns_bit_for_bit(stages):
    _, found = stages
    assert found["first"]["losses"][0] > 0.3 > 0.1 > found["first"]["losses"][-1]
    assert found["first"]["sha256"] == found["second"]["sha256"]
    assert found["first"]["files"] == ["config.json", "model.safetensors"]  # and no tokenizer
    assert found["config"]["architectures"] == ["ViTForImageClassification"]
    assert (found["config"]["hidden_size"], found["config"]["image_size"]) == (32, 8)
    assert found["config"]["id2label"] == {"0": "above", "1": "below"}


@pytest.mark.backend("torch")
def test_the_seed_alone_decides_the_weights_that_are_drawn(stages):
    first, other, again = stages[1]["drawn"]
    assert first == again != other


@pytest.mark.backend("torch")
def test_options_that_cannot_be_meant_are_named(stages):
    _, found = stages
    assert found["misspelt"] == {
        "kind": "bad_config",
        "message": "model.options: no 'hiden_size'; did you mean 'hidden_size'?",
    }
    assert found["misfit"]["kind"] == "bad_config" and "attention heads" in found["misfit"]["message"]
    assert "\n" not in found["misfit"]["message"]
