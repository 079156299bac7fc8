"""Whatever stands on a command line as an override is read as it is meant, or refused with what would be right."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.errors import UserError
from harness.plan.overrides import parse
from harness.text import quoting
from harness.text.printable import is_plain

#: Texts that a field may have, of signs that shells and Hydra's grammar take for their own.
TEXTS = st.text(st.sampled_from("ab0 ,;:=~()[]{}'\"\\$#!&|<>`*?%@+-./äß文\U0001f600"), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("=", "no axis ''"),
        ("~", "deleting has no meaning"),
        ("~backend=fx", "deleting has no meaning"),
        ("backend", "no equals sign"),
        ("größe=1", "no axis 'größe'"),
        ("文=1", "no axis '文'"),
        ("bäckend=fx", "did you mean 'backend'"),
        ("++backend=fx", "did you mean 'backend'"),
        ("backend@x=fx", "no axis 'backend@x'"),
        ("backend/x=fx", "no axis 'backend/x'"),
        ("task.größe=1", "task.größe: no such field"),
        ("task.=1", "no such field"),
        ("task..text=1", "no such field"),
        ("backend=glob(*)", "want the values one by one"),
        ("task.max_length=interval(0,1)", "want the values one by one"),
        ("backend=shuffle(fx,eager)", "a random order has no meaning"),
        ("protocol.seed=shuffle(range(0,1000000000))", "a random order has no meaning"),
        ("protocol.seed=range(0,1000000000)", "more than 1000 values"),
        ("protocol.seed=range(0,1e9)", "more than 1000 values"),
        ("protocol.seed=range(0,inf)", "more than 1000 values"),
        ("protocol.seed=range(0,nan)", "a range needs a start, a stop and a step"),
        ("protocol.seed=range(0,10,0)", "a range needs a start, a stop and a step"),
        ("protocol.seed=range(5,1)", "no values"),
        ("protocol.seed=range(a)", "range(...) needs other values"),
        ("backend=fx,,eager", "a value is empty between the commas"),
        ("backend=,", "a value is empty between the commas"),
        ("backend=choice()", "choice(...) needs other values"),
        ("seed=" + "9" * 5000, "a number of 5000 digits"),
        ("task.options=" + "{a:" * 3000, "balanced brackets"),
        ("task.text=" + "x" * 20_000, "10000 characters at most"),
        ("task.text=a\nb", "without control characters"),
        ("task.text=\x1b[31m", r"task.text=\x1b[31m"),
        ("task.text=\udcff", "want text in UTF-8"),
        ("task.text=\u202egnp.exe", r"\u202egnp.exe"),
        ("seed=-1", "whole number from 0"),
        ("seed=true", "whole number from 0"),
        ("seed=1,2", "one seed a run"),
        ("suite=[a]", "one suite a run"),
        ("backend.name=../eager", "want backend=OPTION"),
        ("tuner.name=zzz", "want tuner=OPTION"),
    ],
)
def test_a_bad_override_is_refused_with_what_would_be_right(text: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        parse([text])
    message = str(error.value)
    assert words in message
    assert len(message) <= 380 and is_plain(message)
    assert not re.search(r"mismatched|token|antlr|LexerNoViable|expecting|Hydra", message)


@pytest.mark.parametrize(
    ("text", "typed", "value"),
    [
        ("task.text=größe", """'task.text="größe"'""", ["größe"]),
        ("task.text=(x)", """'task.text="(x)"'""", ["(x)"]),
        ("task.text=a=b", """'task.text="a=b"'""", ["a=b"]),
        ("task.text=文", """'task.text="文"'""", ["文"]),
        ("task.source.path=~/rows.csv", """'task.source.path="~/rows.csv"'""", ["~/rows.csv"]),
        ("task.source.path=/a/(b),c.csv", """'task.source.path="/a/(b),c.csv"'""", ["/a/(b),c.csv"]),
        ("task.text=größe,b", """'task.text="größe",b'""", ["größe", "b"]),
        ("task.labels=[größe,klein]", """'task.labels=["größe",klein]'""", [["größe", "klein"]]),
        ("task.text=it's", """'task.text="it'\\''s"'""", ["it's"]),
    ],
)
def test_the_quoting_that_a_message_shows_works(text: str, typed: str, value: list) -> None:
    with pytest.raises(UserError) as error:
        parse([text])
    assert str(error.value).endswith(f"want {typed}")
    (argument,) = shlex.split(typed)
    ((field, values),) = parse([argument]).fields["task"].items()
    assert (field, values) == (text.partition("=")[0].removeprefix("task."), value)


def test_a_files_name_with_a_comma_is_not_two_files() -> None:
    with pytest.raises(UserError, match="is that one file or 2") as error:
        parse(["task.source.path=a,b.csv"])
    offered = re.fullmatch(r".*For one want (\S+), for more (\S+)", str(error.value))
    (one,), (more,) = map(shlex.split, offered.groups())
    assert parse([one]).fields["task"] == {"source.path": ["a,b.csv"]}
    assert parse([more]).fields["task"] == {"source.path": ["a", "b.csv"]}
    assert parse(["task.split.train='a','b'"]).fields["task"] == {"split.train": ["a", "b"]}


def test_no_more_overrides_than_anybody_types() -> None:
    with pytest.raises(UserError, match="1000 overrides; want 500 at most"):
        parse(["protocol.seed=1"] * 1000)


def resolved(argument: str) -> dict:
    return OmegaConf.to_container(OmegaConf.create(parse([argument]).fields["task"]), resolve=True)


@given(TEXTS)
@example("${x}")
@example("\\${x\\\\${y}\\")
@example("\\")
@example("null")
def test_what_is_quoted_is_read_as_it_is(text: str) -> None:
    (argument,) = shlex.split(quoting.override("task.text", [text]))
    assert resolved(argument) == {"text": [text]}
    (argument,) = shlex.split(quoting.override("task.labels", [text, "b"], is_list=True))
    assert resolved(argument) == {"labels": [[text, "b"]]}


@given(st.sampled_from(("task.text=", "backend=", "+tuner=", "suite=", "seed=", "", "task.", "~")), st.text() | TEXTS)
@example("task.text=", "[" * 2000)
def test_any_text_is_read_or_refused(key: str, text: str) -> None:
    try:
        parse([key + text])
    except UserError as error:
        assert len(str(error)) <= 380 and is_plain(str(error))
