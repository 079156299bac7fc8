"""The folder of results: what is written is there, whoever dies, whatever is full, whoever else writes."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.results import store
from harness.results.records import record
from tests.results.records import sample_records

#: The number, from 1, of a line that is appended to the run of `path`.
APPENDED = len(sample_records.all_types())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a run with one record of each type but the last, written and closed."""
    return write(tmp_path, sample_records.all_types()[:-1])


def write(root: Path, lines: list[record.Record]) -> Path:
    with store.RunWriter.create(root, lines[0]) as writer:
        for line in lines[1:]:
            writer.append(line)
    return writer.path


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    lines = sample_records.all_types()
    path = write(tmp_path, lines)
    assert path == tmp_path / "runs" / f"{sample_records.RUN}.jsonl"
    assert store.read_run(path) == lines
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_each_record_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    with store.RunWriter.create(tmp_path, sample_records.header()) as writer:
        assert len(store.read_run(writer.path)) == 1
        writer.append(sample_records.end())
        assert len(store.read_run(writer.path)) == 2


def test_a_run_is_never_begun_twice(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(UserError, match="already such a run"):
        store.RunWriter.create(path.parents[1], sample_records.header())
    assert path.read_bytes() == before


def test_a_run_id_is_sortable_unique_and_a_file_name() -> None:
    names = [store.new_run("my suite/../x") for _ in range(20)]
    assert len(set(names)) > 15
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-my_suite_.._x-[0-9a-f]{4}", name) for name in names)


def test_a_refused_record_leaves_the_file_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    with store.RunWriter.resume(path) as writer:
        for bad in (sample_records.end() | {"seconds": float("nan")}, sample_records.end() | {"more": 1}):
            with pytest.raises(ValueError):
                writer.append(bad)
    assert path.read_bytes() == before


# --- cut off anywhere


@pytest.fixture(scope="module")
def whole() -> Iterator[tuple[Path, bytes, list[record.Record]]]:
    with tempfile.TemporaryDirectory() as folder:
        lines = sample_records.all_types()
        path = write(Path(folder), lines)
        yield path, path.read_bytes(), lines


@pytest.mark.slow
@settings(deadline=None)  # an fsync takes as long as the disk likes
@given(data=st.data())
def test_a_run_cut_at_any_byte_loses_at_most_its_last_record(whole: tuple, data: st.DataObject) -> None:
    path, content, lines = whole
    first = content.index(b"\n") + 1
    ends = [place for place in range(first, len(content) + 1) if content[place - 1 : place] == b"\n"]
    near = st.sampled_from(ends).flatmap(lambda place: st.integers(max(first, place - 2), min(len(content), place + 2)))
    cut = data.draw(st.one_of(st.integers(first, len(content)), near))
    path.write_bytes(content[:cut])
    there = lines[: content[:cut].count(b"\n")]
    assert store.read_run(path) == there
    with store.RunWriter.resume(path) as writer:
        writer.append(lines[1])
    assert store.read_run(path) == [*there, lines[1]]
    assert path.read_bytes() == b"".join(content.splitlines(keepends=True)[: len(there)]) + record.encode(lines[1])


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_a_run_without_its_header_is_one_clear_line(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    for use in (store.read_run, store.RunWriter.resume):
        with pytest.raises(UserError, match="no header"):
            use(path)


# --- damage


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"",
        b" ",
        b"[]",
        b"\x00\xff",
        b'{"type": "end"}',
        b"[" * 100_000,
        b'{"type":"end","schema":1,"time":"2026-11-24T09:15:00.000Z","status":"complete","counts":{},"seconds":NaN}',
        b'{"type":[],"schema":1}',
        b'{"type":"end","schema":[]}',
        b'{"type":"end","schema":true}',
    ],
)
def test_a_damaged_line_in_the_middle_is_named(path: Path, bad: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], bad + b"\n", *lines[3:]]))
    for use in (store.read_run, store.RunWriter.resume):
        with pytest.raises(UserError, match=f"{re.escape(str(path))}, line 3: damaged"):
            use(path)


def test_a_newer_record_is_one_clear_line(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(json.dumps(sample_records.end() | {"schema": record.SCHEMA + 1, "novel": 1}).encode() + b"\n")
    with pytest.raises(UserError, match=rf"line {APPENDED}: written by a newer harness \(schema 2.*update the harness"):
        store.read_run(path)


def test_older_records_are_migrated_and_gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = sample_records.failure() | {"schema": 0}
    old["tail"] = old.pop("log_tail")
    with path.open("ab") as stream:
        stream.write(json.dumps(old).encode() + b"\n")
    with pytest.raises(UserError, match=f"line {APPENDED}: damaged: schema is 0, want 1"):
        store.read_run(path)

    def rename(line: record.Record) -> record.Record:
        tail = line.pop("tail")
        return line | {"schema": 1, "log_tail": tail}

    monkeypatch.setattr(record, "MIGRATIONS", {0: rename})
    with store.RunWriter.resume(path) as writer:
        writer.append(sample_records.end())
    lines = store.read_run(path)
    assert [line["schema"] for line in lines] == [1] * (APPENDED + 1)
    assert lines[APPENDED - 1]["log_tail"] == sample_records.failure()["log_tail"]
    assert b'"tail"' in path.read_bytes()  # nothing is edited in place


def test_an_old_record_that_lacks_a_field_is_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MIGRATIONS", {0: lambda line: line | {"schema": 1, "seconds": line["gone"]}})
    with path.open("ab") as stream:
        stream.write(json.dumps(sample_records.end() | {"schema": 0}).encode() + b"\n")
    with pytest.raises(UserError, match=f"line {APPENDED}: damaged"):
        store.read_run(path)


# --- who else writes


def test_a_second_writer_is_refused_until_the_first_is_gone(path: Path) -> None:
    with store.RunWriter.resume(path), pytest.raises(UserError, match="another harness is writing this run"):
        store.RunWriter.resume(path)
    store.RunWriter.resume(path).close()
    other = sample_records.header(run="other")
    with store.RunWriter.create(path.parents[1], other) as writer, pytest.raises(UserError, match="another harness"):
        store.RunWriter.resume(writer.path)


def test_a_child_that_outlives_the_harness_does_not_hold_the_run(path: Path) -> None:
    writer = store.RunWriter.resume(path)
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        writer.close()
        store.RunWriter.resume(path).close()
    finally:
        child.kill()
        child.wait()


# --- finding


def test_runs_are_listed_newest_first_and_found(tmp_path: Path) -> None:
    names = ["20261123T091500Z-quickstart-0001", "20261124T091500Z-quickstart-0002", "20261124T101500Z-other-0003"]
    paths = [write(tmp_path, [sample_records.header(run=name)]) for name in names]
    assert store.runs(tmp_path) == paths[::-1]
    assert store.find_run(tmp_path) == paths[2]
    assert store.find_run(tmp_path, names[0]) == paths[0]
    assert store.find_run(tmp_path, "20261123") == paths[0]
    assert store.find_run(tmp_path / "elsewhere", str(paths[1])) == paths[1]
    with pytest.raises(UserError, match="2 runs begin so"):
        store.find_run(tmp_path, "20261124")
    with pytest.raises(UserError, match=f"did you mean '{names[2]}'"):
        store.find_run(tmp_path, "20261124T101500Z-othr-0003")
    with pytest.raises(UserError, match="no run is there yet"):
        store.find_run(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="cannot be read"):
        store.read_run(tmp_path / "none.jsonl")


def test_an_unfinished_run_of_the_same_plan_is_found(tmp_path: Path) -> None:
    header = sample_records.header(run="3")
    assert store.unfinished(tmp_path, header) is None
    write(tmp_path, [sample_records.header(run="1"), sample_records.end()])
    assert store.unfinished(tmp_path, header) is None
    older = write(tmp_path, [sample_records.header(run="0")])
    assert store.unfinished(tmp_path, header) == older
    newer = write(tmp_path, [sample_records.header(run="2"), sample_records.end("interrupted")])
    assert store.unfinished(tmp_path, header) == newer
    newer.write_bytes(newer.read_bytes() + b'{"type":"end","status":"compl')
    assert store.unfinished(tmp_path, header) == newer
    newer.write_bytes(b"damaged\n" + newer.read_bytes())
    assert store.unfinished(tmp_path, header) == older
    older.write_bytes(older.read_bytes()[:50])
    assert store.unfinished(tmp_path, header) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"suite": {"name": "quickstart", "version": 1, "digest": "other"}},
        {"overrides": []},
        {"host": "other"},
        {"environments": {"torch": "1" * 16}},
        {"seed": 1},
        {"cells": []},
    ],
)
def test_a_run_of_another_plan_is_not_gone_on_with(tmp_path: Path, changed: dict) -> None:
    write(tmp_path, [sample_records.header(run="1")])
    assert store.unfinished(tmp_path, sample_records.header(**changed)) is None
    # What neither names the plan nor fixes the order may differ.
    same = sample_records.header(run="2", harness={"version": "0.2.0", "revision": "abc", "dirty": True})
    assert store.unfinished(tmp_path, same) is not None


def test_a_run_that_other_code_has_begun_is_not_gone_on_with(tmp_path: Path) -> None:
    code = {"version": "0.1.0", "revision": "abc", "dirty": False}
    begun = write(tmp_path, [sample_records.header(run="1", harness=code | {"digest": "d1"})])
    own = sample_records.header(run="2", harness=code | {"digest": "d2", "dirty": True})
    assert store.unfinished(tmp_path, own) is None
    assert store.unfinished(tmp_path, sample_records.header(run="2", harness=code)) is None
    assert store.unfinished(tmp_path, own, of_any=True) == begun
    assert (
        store.unfinished(tmp_path, sample_records.header(run="2", harness=own["harness"] | {"digest": "d1"})) == begun
    )


# --- hosts and environments


def test_a_host_is_stored_once(tmp_path: Path) -> None:
    path = store.save_host(tmp_path, "9c2f", {"model_name": "Xeon", "caches": ({"level": 1},)})
    assert path == tmp_path / "hosts" / "9c2f.json"
    assert json.loads(path.read_text()) == {
        "fingerprint": "9c2f",
        "host": {"model_name": "Xeon", "caches": [{"level": 1}]},
    }
    before = path.read_bytes()
    assert store.save_host(tmp_path, "9c2f", {"model_name": "changed"}) == path
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["9c2f.json"]


def test_an_environment_is_stored_once_byte_for_byte(tmp_path: Path) -> None:
    path = store.save_environment(tmp_path, "torch", "ab12", "torch==2.13\r\nnumpy==2\n")
    assert path == tmp_path / "environments" / "torch-ab12.txt"
    assert path.read_bytes() == b"torch==2.13\r\nnumpy==2\n"
    store.save_environment(tmp_path, "torch", "ab12", "changed")
    assert path.read_bytes().startswith(b"torch==2.13")


def test_what_a_killed_process_left_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / ".new").write_text("half of something much longer than what is written now" * 99)
    assert json.loads(store.save_host(tmp_path, "9c2f", {}).read_text())["host"] == {}
    assert [entry.name for entry in (tmp_path / "hosts").iterdir()] == ["9c2f.json"]


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "a\n"])
def test_a_fingerprint_cannot_name_another_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        store.save_host(tmp_path, name, {})


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for use in (
        lambda: store.save_host(tmp_path / "file", "9c2f", {}),
        lambda: store.RunWriter.create(tmp_path / "file", sample_records.header()),
        lambda: store.RunWriter.resume(tmp_path / "none.jsonl"),
    ):
        with pytest.raises(UserError, match="cannot be written"):
            use()
