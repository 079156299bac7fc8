"""Records that fit their schema but cannot be meant: one clear line where they are read, never a traceback later."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.results import store
from harness.results.records import record, sense
from tests.results.records import sample_records

HUGE = 10**400


def at(value: Any, path: Sequence[Any], change: Callable[[Any], Any]) -> Any:
    """Return `value` with what stands at `path` changed."""
    changed = copy.deepcopy(value)
    place = changed
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = change(place.get(path[-1]) if isinstance(place, dict) else place[path[-1]])
    return changed


def deep(levels: int) -> list:
    """Return a list within a list, and so on."""
    return [deep(levels - 1)] if levels else []


def reading(tmp_path: Path, line: record.Record) -> UserError:
    """Write a run that holds a line, and return what reading it says."""
    header = line if line["type"] == "header" else sample_records.header()
    lines = [header] if line is header else [header, line]
    path = tmp_path / "runs" / "x.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    with pytest.raises(UserError) as raised:
        store.read_run(path)
    message = str(raised.value)
    assert message.startswith(f"{path}, line {len(lines)}: damaged: ")
    assert message.isprintable() and len(message) < 400
    return raised.value


SCENARIO, INVOCATION = sample_records.scenario(), sample_records.invocation()

#: Record, place of a field, what it becomes, what the message says.
NONSENSE: list[tuple[record.Record, tuple, Callable[[Any], Any], str]] = [
    (sample_records.header(), ("cells", 0, "labels"), lambda labels: labels[:2], r"cells\[0\].labels: 2 of them, want"),
    (sample_records.header(), ("cells", 0, "options"), lambda options: options[:1], r"cells\[0\].options: 1 of them"),
    (
        sample_records.header(),
        ("cells", 0, "options"),
        lambda one: one[::-1],
        "'f6' is of axis protocol, want",
    ),
    (sample_records.header(), ("cells", 0, "options", 2), lambda _: "gone", "no option has the digest 'gone'"),
    (sample_records.header(), ("cells", 0, "labels", 1), lambda _: "=1", "'=1', and its task is called 'sentiment'"),
    (sample_records.trial(), ("recipe", "ops"), lambda _: deep(60), "nested more than 50 deep"),
    (sample_records.header(), ("cells",), lambda cells: cells * 2, "two have the digest 'd1'"),
    (sample_records.header(), ("options",), lambda _: [], "no option has the digest"),
    (sample_records.header(), ("options", 0, "config"), lambda _: {}, "no field name, which each model has"),
    (sample_records.header(), ("options", 0, "config", "source"), lambda _: 1, r"options\[0\].config.source: want an"),
    (sample_records.header(), ("options", 0, "config", "name"), lambda _: [], "want text"),
    (sample_records.header(), ("options", 6, "config", "blocks"), lambda _: "5", "'5', want a whole number"),
    (sample_records.header(), ("options", 6, "config", "blocks"), lambda _: True, "'True', want a whole number"),
    (sample_records.header(), ("options", 6, "config", "blocks"), lambda _: -1, "-1, want 1 to"),
    (sample_records.header(), ("options", 6, "config", "confidence"), lambda _: 1, "config.confidence: 1, want"),
    (sample_records.header(), ("options", 6, "config", "criterion"), lambda _: -0.5, "config.criterion: -0.5, want"),
    (sample_records.header(), ("options", 6, "config", "measure_seconds"), lambda _: -1, "measure_seconds: -1, want"),
    (sample_records.header(), ("options", 6, "config", "in_turns"), lambda _: -3, "in_turns: -3, want"),
    (sample_records.header(), ("options", 5, "config", "price_per_hour"), lambda _: -1.0, "price_per_hour: -1.0, want"),
    (sample_records.header(), ("options", 5, "config", "cores"), lambda _: [0, -1], "config.cores: -1, want 0 to 8191"),
    (INVOCATION, ("threads",), lambda _: 3, "threads: want 2 cores at most"),
    (INVOCATION, ("system", "before", "user_ticks"), lambda _: -5, "system.before.user_ticks: -5, want 0 or more"),
    (INVOCATION, ("system", "after", "frequency_khz"), lambda _: [-1], "after.frequency_khz: -1, want 0 or more"),
    (
        INVOCATION,
        ("system",),
        lambda _: {"before": {"monotonic_ns": 2}, "after": {"monotonic_ns": 1}},
        "system.after.monotonic_ns: 1, and 2 before",
    ),
    (
        SCENARIO,
        ("layouts", 0, "series", 0, "system"),
        lambda _: {"before": {"process_cpu_ns": 2}, "after": {"process_cpu_ns": 1}},
        r"layouts\[0\].series\[0\].system.after.process_cpu_ns: 1, and 2 before",
    ),
    (
        sample_records.header(),
        ("options", 6, "config", "replacement_blocks"),
        lambda _: 10**6,
        "replacement_blocks: 1000000, want",
    ),
    (sample_records.header(), ("options", 2, "config", "fallback"), lambda _: [1], r"fallback\[0\]: '1', want text"),
    (sample_records.header(), ("excluded", 0, "labels"), lambda labels: labels[:1], r"excluded\[0\].labels: 1 of them"),
    (sample_records.header(), ("baseline",), lambda _: {"nope": "x"}, "baseline.nope: no axis"),
    (sample_records.header(), ("seed",), lambda _: -1, "seed: -1, want 0 or more"),
    (sample_records.header(), ("seed",), lambda _: HUGE, "the number 1000.* is beyond all that is counted"),
    (sample_records.header(), ("time",), lambda _: "2026-99-99T09:15:00.000Z", r"\$.time: month must be in"),
    (sample_records.header(), ("time",), lambda time: time + "\n", "want UTC such as"),
    (sample_records.dataset(), ("references",), lambda values: values[:2], "2 of them, and 3 evaluation rows"),
    (sample_records.prepared(), ("provenance",), lambda _: {"tuned": [1]}, "provenance.tuned: want an object"),
    (sample_records.prepared(), ("provenance",), lambda _: {"tuned": {"seen": ["a"]}}, r"seen\[0\]: 'a', want a whole"),
    (sample_records.prepared(), ("provenance",), lambda _: {"int16_sums": {"saturate": True}}, "share: 'None', want a"),
    (sample_records.trial(), ("recipe",), lambda _: {}, "recipe: no field method"),
    (sample_records.trial(), ("recipe", "weight"), lambda _: {}, "recipe.weight: no field granularity"),
    (sample_records.trial(), ("recipe", "activation", "reduce_range"), lambda _: 1, "want true or false"),
    (sample_records.trial(), ("latency_ns",), lambda _: HUGE, "beyond all that is counted"),
    (sample_records.accuracy(), ("predictions",), lambda values: values[:2], "2 of them, and 3 rows"),
    (sample_records.accuracy(), ("metric", "value"), lambda _: 1.5, "metric.value: 1.5, want 0 to 1 for accuracy"),
    (sample_records.accuracy(), ("metric", "value"), lambda _: -0.5, "metric.value: -0.5, want 0 to 1 for accuracy"),
    (INVOCATION, ("cores",), lambda _: [0, 0], "cores: two have the number '0'"),
    (INVOCATION, ("ring",), lambda _: [1, 2, 1], "ring: two have the order '1'"),
    (INVOCATION, ("series", 0, "latency_ns", 0), lambda _: 0, "0, want a whole number >= 1"),
    (INVOCATION, ("series", 0, "latency_ns", 0), lambda _: HUGE, "beyond all that is counted"),
    (INVOCATION, ("series", 0, "latency_ns", 0), lambda _: 4e6, "4000000.0, want a whole number"),
    (INVOCATION, ("control", "gemm_ns", 0), lambda _: 0, "0, want a whole number >= 1"),
    (INVOCATION, ("wall_seconds",), lambda _: 1e300, r"1e\+300 is beyond all that is measured"),
    (INVOCATION, ("series", 1), lambda series: series | {"role": "latency"}, "two have the role 'latency'"),
    (INVOCATION, ("series", 0), lambda series: series | {"turns": [1, 1]}, "they hold 2 iterations, and latency_ns 3"),
    (
        INVOCATION,
        ("system", "before"),
        lambda _: {"user_ticks": [1]},
        "system: before.user_ticks: a list, want a number or null",
    ),
    (
        INVOCATION,
        ("system", "after"),
        lambda _: {"frequency_khz": 1},
        "system: after.frequency_khz: 1, want a list or null",
    ),
    (SCENARIO, ("limit_ns",), lambda _: None, "limit_ns: null, which a server has not"),
    (SCENARIO, ("probes", 0, "samples"), lambda _: [], "2 scheduled_ns, 2 latency_ns, 0 samples: want as many"),
]


@pytest.mark.parametrize(("line", "path", "change", "said"), NONSENSE, ids=[one[3] for one in NONSENSE])
def test_what_cannot_be_meant_is_one_clear_line(tmp_path: Path, line, path, change, said: str) -> None:
    reading(tmp_path, at(line, path, change)).args[0]
    with pytest.raises(UserError, match=said):
        store.read_run(tmp_path / "runs" / "x.jsonl")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 5000, "-" + "9" * 30, "NaN", "Infinity"])
def test_a_number_beyond_all_bounds_is_damage(tmp_path: Path, number: str) -> None:
    path = tmp_path / "runs" / "x.jsonl"
    path.parent.mkdir()
    text = json.dumps(sample_records.header()).replace('"seed": 0', f'"seed": {number}')
    path.write_text(f"{text}\n")
    with pytest.raises(UserError, match="line 1: damaged"):
        store.read_run(path)


@pytest.mark.parametrize("text", ['"\\ud800"', '"a\\u0000b"', '"\\u202ex"'])
def test_odd_characters_of_a_message_are_read_as_they_are(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs" / "x.jsonl"
    path.parent.mkdir()
    failure = json.dumps(sample_records.failure()).replace('"died by signal 11"', text)
    path.write_text(json.dumps(sample_records.header()) + "\n" + failure + "\n")
    assert store.read_run(path)[1]["message"] == json.loads(text)


@pytest.mark.parametrize("content", [b'"\xed\xa0\x80"', b'"\xff"', "{}".encode("utf-16")])
def test_bytes_that_are_no_text_are_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "runs" / "x.jsonl"
    path.parent.mkdir()
    path.write_bytes(content + b"\n")
    with pytest.raises(UserError, match="line 1: damaged"):
        store.read_run(path)


def test_records_that_are_meant_pass() -> None:
    for line in sample_records.all_types():
        sense.check(json.loads(record.encode(line)))


@pytest.mark.slow
def test_every_stored_run_is_read() -> None:
    results = Path(__file__).resolve().parents[3] / "results"
    paths = [*(results / "runs").glob("*.jsonl"), *(results / "evidence").glob("*.jsonl")]
    assert len(paths) > 20
    for path in paths:
        assert store.read_run(path)[0]["type"] == "header"
