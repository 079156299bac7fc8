"""Tokenised rows: batches padded and cut, and a file without pickles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.token_rows import Rows

TOKENS = st.lists(st.tuples(st.integers(1, 30_000), st.integers(0, 1)), min_size=1, max_size=12)
RAGGED = st.lists(TOKENS, min_size=1, max_size=20)


def make(ragged: list[list[tuple[int, int]]], pad_id: int = 7) -> Rows:
    """Return rows of (token, token type) pairs, labelled by their number."""
    return Rows(
        input_ids=np.array([token for row in ragged for token, _ in row], np.int64),
        token_type_ids=np.array([kind for row in ragged for _, kind in row], np.int64),
        offsets=np.cumsum([0, *map(len, ragged)]),
        labels=np.arange(len(ragged)),
        pad_id=pad_id,
    )


@given(ragged=RAGGED, length=st.none() | st.integers(1, 15), data=st.data())
def test_a_batch_holds_its_rows_padded_or_cut(ragged, length, data):
    indices = data.draw(st.lists(st.integers(0, len(ragged) - 1), min_size=1, max_size=8))
    batch = make(ragged).batch(indices, length)
    width = length or max(len(ragged[index]) for index in indices)
    for place, index in enumerate(indices):
        kept = ragged[index][:width]
        padding = width - len(kept)
        assert batch["input_ids"][place].tolist() == [token for token, _ in kept] + [7] * padding
        assert batch["token_type_ids"][place].tolist() == [kind for _, kind in kept] + [0] * padding
        assert batch["attention_mask"][place].tolist() == [1] * len(kept) + [0] * padding
    assert {(array.dtype, array.shape) for array in batch.values()} == {(np.dtype(np.int64), (len(indices), width))}


@given(ragged=RAGGED, batch_size=st.integers(1, 7))
def test_fixed_batches_see_each_row_once_longest_first(ragged, batch_size):
    rows = make(ragged)
    batches = rows.by_length(batch_size)
    order = np.concatenate(batches)
    assert sorted(order) == list(range(len(rows)))
    lengths = [len(ragged[index]) for index in order]
    assert lengths == sorted(lengths, reverse=True)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert 1 <= len(batches[-1]) <= batch_size
    # Rows of equal length stay in their own order, so that nothing but the data decides.
    assert all(lengths[i] != lengths[i + 1] or order[i] < order[i + 1] for i in range(len(order) - 1))


@pytest.mark.parametrize("labels", [np.array([1, 0]), np.array([0.1, -2.5], np.float32)])
def test_what_is_saved_is_loaded(tmp_path: Path, labels: np.ndarray):
    written = make([[(101, 0), (30_521, 1)], [(5, 0)]])
    Rows(written.input_ids, written.token_type_ids, written.offsets, labels, pad_id=3).save(tmp_path / "rows.npz")
    read = Rows.load(tmp_path / "rows.npz")
    assert (len(read), read.pad_id, read.lengths.tolist()) == (2, 3, [2, 1])
    assert read.labels.dtype == labels.dtype
    for name in ("input_ids", "token_type_ids", "offsets"):
        assert np.array_equal(getattr(read, name), getattr(written, name)), name
    assert np.array_equal(read.labels, labels)


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_in_the_file_is_refused_and_not_run(tmp_path: Path):
    sprung = tmp_path / "sprung"
    plain = {name: np.zeros(1, np.int64) for name in ("token_type_ids", "offsets", "labels", "pad_id")}
    np.savez(tmp_path / "rows.npz", input_ids=np.array([Trap(sprung)], dtype=object), **plain)
    with pytest.raises(ValueError, match="allow_pickle"):
        Rows.load(tmp_path / "rows.npz")
    assert not sprung.exists()
    with np.load(tmp_path / "rows.npz", allow_pickle=True) as arrays:
        arrays["input_ids"]
    assert sprung.exists()  # the trap does spring where pickles are allowed
