"""Files among the runs that are no runs: passed over with one line, never in the way of what is asked."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.results import aa, confirmations, lines, store
from tests.results.records import sample_records
from tests.results.test_aa import entry
from tests.results.test_confirmations import ONE

NEWER = "20991231T235959Z-x-0000"

FOREIGN = {
    "empty": b"",
    "schema alone": b'{"schema":1}\n',
    "no object": b"[1, 2]\n",
    "no JSON": b"PK\x03\x04 an archive\n",
    "UTF-16": '{"type":"header"}\n'.encode("utf-16"),
    "not ended": b'{"type":"header","schema":1',
    "blank": b"\n\n\n",
    "deep": b"[" * 100_000 + b"\n",
    "header of nothing": b'{"type":"header","schema":1}\n',
    "header of odd parts": b'{"type":"header","schema":1,"harness":1,"comparison":[1]}\n',
    "another record": json.dumps(sample_records.end()).encode() + b"\n",
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return a folder of results with one run that is not complete."""
    store.RunWriter.create(tmp_path, sample_records.header()).close()
    return tmp_path


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_stops_no_new_run(results: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    foreign = results / "runs" / f"{NEWER}.jsonl"
    foreign.write_bytes(content)
    with caplog.at_level(logging.WARNING, "harness"):
        found = store.unfinished(results, sample_records.header(run="another"))
    assert found == results / "runs" / f"{sample_records.RUN}.jsonl"
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith(f"passed over: {foreign}")
    assert len(line.splitlines()) == 1 and len(line) < 400


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_the_newest_run_is_the_newest_that_is_one(
    results: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = results / "runs" / f"{NEWER}.jsonl"
    foreign.write_bytes(content)
    with caplog.at_level(logging.WARNING, "harness"):
        assert store.find_run(results) == results / "runs" / f"{sample_records.RUN}.jsonl"
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["passed over"]
    # Whoever names it is told what is wrong with it.
    for use in (lambda: store.find_run(results, NEWER), lambda: store.read_run(foreign)):
        with pytest.raises(UserError, match=f"{NEWER}"):
            use()


@pytest.mark.parametrize("named", ["20991231T235959Z-x-0000", sample_records.RUN.upper()])
def test_a_run_in_a_file_of_another_name_is_none(results: Path, named: str, caplog: pytest.LogCaptureFixture) -> None:
    """Else its tables would be written in the place of those of the run that its header names."""
    own = results / "runs" / f"{sample_records.RUN}.jsonl"
    copy = results / "runs" / f"{named}.jsonl"
    copy.write_bytes(own.read_bytes())
    for wanted in (named, str(copy)):
        with pytest.raises(UserError, match=f"holds run {sample_records.RUN}, so its name should be {own.name}"):
            store.find_run(results, wanted)
    copy.rename(copy.with_name(f"9{named}.jsonl"))  # the newest
    with caplog.at_level(logging.WARNING, "harness"):
        assert store.find_run(results) == own
    assert "passed over" in caplog.text


NO_FILES: dict[str, Callable[[Path], None]] = {
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to nothing": lambda path: path.symlink_to("nothing"),
}


@pytest.mark.parametrize("name", ["pipe", "device"])
def test_what_has_no_end_is_no_file_of_the_results(results: Path, name: str) -> None:
    (results / "hosts").mkdir()
    (results / "aa").mkdir()
    NO_FILES[name](results / "hosts" / "9c2f.json")
    NO_FILES[name](results / "aa" / "9c2f.jsonl")
    assert store.read_host(results, "9c2f") is None
    assert aa.read(results, "9c2f") == []


@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_is_no_run(
    results: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    odd = results / "runs" / f"{NEWER}.jsonl"
    make(odd)
    header = sample_records.header(run="another")
    for use in (store.find_run, lambda root: store.unfinished(root, header)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "harness"):
            assert use(results).stem == sample_records.RUN
        (line,) = (record.getMessage() for record in caplog.records)
        assert line.startswith(f"passed over: {odd}: cannot be read: ")
    with pytest.raises(UserError, match="cannot be read"):
        store.find_run(results, NEWER)


def test_a_hidden_file_is_no_run(results: Path) -> None:
    (results / "runs" / ".hidden.jsonl").write_text("{}")
    assert [path.stem for path in store.runs(results)] == [sample_records.RUN]


def test_a_name_that_no_file_can_have_is_no_run(results: Path) -> None:
    for name in ("x" * 300, "x" * 5000, "a\x00b", "\ud800"):
        with pytest.raises(UserError, match="no run"):
            store.find_run(results, name)


@pytest.mark.parametrize("blank", [b"\n", b"\n\n", b"  \n", b"\r\n", b" \n \n\n"])
def test_blank_last_lines_are_no_damage(results: Path, blank: bytes) -> None:
    path = results / "runs" / f"{sample_records.RUN}.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + blank)
    assert store.read_run(path) == [json.loads(whole)]
    assert store.unfinished(results, sample_records.header(run="another")) == path
    with store.RunWriter.resume(path) as writer:
        writer.append(sample_records.end())
    # The blank lines are cut off, so that none stands in the middle.
    assert path.read_bytes().startswith(whole + b'{"type":"end"')
    assert [line["type"] for line in store.read_run(path)] == ["header", "end"]


def test_lines_that_another_system_has_ended_stay_whole() -> None:
    content = b'{"a":1}\r\n{"b":2}\r\n\r\n{"c":'
    assert lines.complete(content) == b'{"a":1}\r\n{"b":2}\r\n'
    assert lines.complete(b"\n \n") == b""
    assert lines.complete(b'{"a":1}') == b""


HOSTS = {
    "deep": b'{"host":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep objects": b'{"host":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    "list": b'{"host": []}',
    "empty": b"",
    "null": b"null",
    "not UTF-8": b'{"host": "\xff"}',
    "no cores": b'{"host": {"model_name": "x", "isa": []}}',
    "words": b'{"host": {"model_name": "x", "isa": "avx2", "cores": [[0]]}}',
    "numbers": b'{"host": {"model_name": 1, "isa": [], "cores": [[0]]}}',
    "huge": b'{"host": {"model_name": "x", "isa": [], "cores": [[1' + b"0" * 400 + b"]]}}",
    "NaN": b'{"host": {"model_name": "x", "isa": [], "cores": [[0]], "cgroup_cpus": NaN}}',
    "nodes": b'{"host": {"model_name": "x", "isa": [], "cores": [[0]], "numa": [1]}}',
}


@pytest.mark.parametrize("content", HOSTS.values(), ids=HOSTS)
def test_a_damaged_host_is_none(results: Path, content: bytes) -> None:
    (results / "hosts").mkdir()
    (results / "hosts" / "9c2f.json").write_bytes(content)
    assert store.read_host(results, "9c2f") is None
    assert store.host_line(results, "9c2f") == "9c2f"


def test_the_stored_hosts_are_read() -> None:
    stored = Path(__file__).resolve().parents[2] / "results"
    names = [path.stem for path in (stored / "hosts").glob("*.json")]
    assert names
    for name in names:
        assert store.read_host(stored, name)["cores"]


ODD_FLOORS = ('"floor":NaN', '"floor":-1.0', '"floor":1e999', '"floors":{"latency":"x"}', '"drift":1e9')


@pytest.mark.parametrize("odd", ODD_FLOORS)
def test_an_a_a_whose_figures_are_none_is_passed_over(tmp_path: Path, odd: str) -> None:
    path = aa.append(tmp_path, entry(floor=0.5, drift=0.5))
    name = odd.partition(":")[0]
    line = path.read_text()
    old = next(text for text in ('"floor":0.5', '"floors":{}', '"drift":0.5') if text.startswith(f"{name}:"))
    path.write_text(line + line.replace(old, odd) + "[" * 100_000 + "\n")
    assert [one["floor"] for one in aa.read(tmp_path, "9c2f")] == [0.5]


@pytest.mark.parametrize("odd", ['"ratio":NaN', '"ratio":0.0', '"low":-1.0', '"high":1e999', '"runs":[1]'])
def test_a_confirmation_whose_figures_are_none_is_passed_over(tmp_path: Path, odd: str) -> None:
    path = confirmations.append(tmp_path, "m1", ONE)
    line = path.read_text()
    name = odd.partition(":")[0]
    old = re.search(rf"{name}:(\[.*?\]|[^,}}]+)", line).group()
    path.write_text(line + line.replace(old, odd) + "[" * 100_000 + "\n")
    assert confirmations.read(tmp_path, "m1") == [ONE]
