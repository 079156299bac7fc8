"""Identifiers of records choose no path, and a name that is too long for a file is shortened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.errors import UserError
from harness.results import aa, confirmations, store
from harness.results.records import identifiers, schema
from tests.results.records import sample_records

BAD = ["../../README", "/etc/passwd", "..", ".", "", ".hidden", "a/b", "a\n", "a\x00", "a b", "größe", "-o", "a" * 201]


@pytest.mark.parametrize("text", BAD)
def test_what_would_choose_a_path_is_no_identifier(text: str) -> None:
    with pytest.raises(ValueError, match="is no identifier"):
        identifiers.checked(text)


@pytest.mark.parametrize("text", ["20261124T091500Z-quickstart-3f9a", "9c2f", "torch", "a" * 200, "_x", "a.b+c"])
def test_what_the_harness_makes_is_one(text: str) -> None:
    assert identifiers.checked(text) == text


@given(st.one_of(st.text(max_size=5), st.text("a./-_+\n", max_size=210)))
def test_the_schema_says_the_same_to_others(text: str) -> None:
    part = schema.generated()["$defs"]["Header"]["properties"]["run"]
    try:
        identifiers.checked(text)
    except ValueError:
        assert not Draft202012Validator(part).is_valid(text)
    else:
        assert Draft202012Validator(part).is_valid(text)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    "place",
    [
        lambda bad: {"run": bad},
        lambda bad: {"host": bad},
        lambda bad: {"environments": {bad: "0" * 16}},
        lambda bad: {"environments": {"torch": bad}},
        lambda bad: {"comparison": {"id": bad, "side": "A", "label": "now", "other": "x"}},
        lambda bad: {"comparison": {"id": "x", "side": "A", "label": "now", "other": bad}},
        lambda bad: {"rerun_of": {"run": bad, "cell_digest": "d1"}},
    ],
)
def test_a_record_that_names_a_path_is_refused_where_it_is_read(tmp_path: Path, bad: str, place) -> None:
    path = tmp_path / "runs" / "x.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(sample_records.header() | place(bad)) + "\n")
    with pytest.raises(UserError, match=r"line 1: damaged: record header.*is no identifier") as raised:
        store.read_run(path)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


def test_files_beside_the_runs_are_chosen_by_identifiers_alone(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text("{}\n")
    (tmp_path / "results").mkdir()
    for use in (
        lambda: aa.read(tmp_path / "results", "../../secret"),
        lambda: confirmations.read(tmp_path / "results", "../../secret"),
    ):
        with pytest.raises(ValueError, match="is no identifier"):
            use()
    assert store.read_host(tmp_path / "results", "../../secret") is None
    with pytest.raises(UserError, match=r"environment ../../x: .* is no identifier"):
        store.environment_file(tmp_path, "../../x", "0" * 16)
    assert store.environment_file(tmp_path, "a" * 200, "b" * 200).name.endswith(".txt")


@given(st.text(max_size=300), st.sampled_from(["", "größe/", "../", "x" * 255]))
def test_a_name_of_a_file_can_be_one(text: str, before: str) -> None:
    name = identifiers.file_name(before + text)
    assert 0 < len(name.encode()) <= 230
    assert "/" not in name and "\x00" not in name and not name.startswith(".")
    assert name.isprintable()


def test_long_names_that_differ_only_at_their_ends_stay_apart() -> None:
    one, other = (identifiers.file_name("m" * 400 + end) for end in "ab")
    assert one != other
    assert one[:200] == other[:200]


def test_a_short_name_stays_what_it_is() -> None:
    assert (
        identifiers.file_name("latency.minilm/sentiment/x[a=1,b=2].9c2f") == "latency.minilm_sentiment_x_a=1_b=2_.9c2f"
    )
