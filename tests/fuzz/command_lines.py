"""Strategies of command lines: overrides in and out of Hydra's grammar, and the words of the commands beside them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from harness.config.schema import AXES
from tests.fuzz import hostile


def fields(schema: type, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and the type of every field below a config's schema."""
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        kind = hints[field.name]
        if dataclasses.is_dataclass(kind):
            yield from fields(kind, f"{prefix}.{field.name}")
        else:
            yield f"{prefix}.{field.name}", kind


FIELDS = tuple(found for axis, schema in AXES.items() for found in fields(schema, axis))
PATHS = tuple(path for path, _ in FIELDS)
NUMERIC = tuple(path for path, kind in FIELDS if {int, float}.intersection((kind, *typing.get_args(kind))))
SEVERAL = tuple(path for path, kind in FIELDS if typing.get_origin(kind) is tuple or "tuple" in str(kind))

#: What no number of a config can be: an infinite one would run for ever, a negative count means nothing.
IMPOSSIBLE = ("nan", "inf", "-inf", "-1", "-5", "1e300", str(10**20), "-0.5")

_OPTIONS = ("eager", "fx", "fp32", "ptq_static", "tiny", "minilm", "sentiment", "native", "smoke", "none", "basic")
_CALLS = (
    *("glob(*)", "glob([a*,b*],exclude=c)", "interval(0,1)", "choice(1,2)", "choice()", "range(3)", "range(0,1e9)"),
    *("range(1,10,0)", "sort(3,1,2)", "shuffle(1,2,3)", "tag(a,interval(0,1))", "int(1.5)", "str([1,2])", "bool(x)"),
    *(
        "float(a)",
        "json_str({a:1})",
        "extend_list(a,b)",
        "interval(a,b)",
        "range(10**9)",
        "sort()",
        "nope(1)",
        "choice(",
    ),
)
_INTERPOLATIONS = (
    *("${oc.env:UNSET}", "${oc.env:HOME}", "${.name}", "${model}", "${..x}", "${", "$", "${oc.decode:'1'}", "${a:b}"),
    *("${hydra:runtime.cwd}", "${oc.create:{}}", "${oc.select:a}", "x${y}z", "\\${a}", "${${a}}", "???", "${now:%Y}"),
)
_LITERALS = (
    *("1", "-1", "0", "1.5", "1e5", "1e400", "nan", "inf", "-inf", "null", "true", "[]", "{}", "[1,2]", "[[1],[2]]"),
    *("{a:1}", "{a:{b:c}}", "[1", "}", "'a", '"', "''", "'a,b'", '"a b"', "a b", "a,", ",", ",,", "a,b,c", "a\\,b"),
    *(
        "9" * 5000,
        "[" * 300 + "]" * 300,
        "[" * 3000,
        "{a:" * 400 + "1" + "}" * 400,
        "x" * 5000,
        "(" * 100,
        "a:b",
        "a=b",
    ),
    *("../eager", "/etc/passwd", "./x.csv", "a,b.csv", "rows (1).csv", "C:\\x", "file://x", "x.yaml", "10**9", "0x10"),
    *(
        "Ärger",
        "日本",
        "a\u202eb",
        "\x1b[31m",
        "\ud8ff",
        "\0",
        "\n",
        "a\nb",
        "\t",
        "!",
        "?",
        "&",
        "|",
        ";",
        "<",
        "`",
        "@a",
    ),
)

values = st.one_of(
    st.sampled_from(_OPTIONS),
    st.sampled_from(_LITERALS),
    st.sampled_from(_CALLS),
    st.sampled_from(_INTERPOLATIONS),
    st.sampled_from(IMPOSSIBLE),
    st.sampled_from(hostile.TEXTS),
    st.text(alphabet="abz019.,:=[]{}()'\"\\$ _-+~/äß漢\x1b\u202e", max_size=12),
    st.lists(st.sampled_from(("1", "a", "[", "]", "{", "}", ",", "'", "(", ")", "${", "=", " ", "\\")), max_size=8).map(
        "".join
    ),
)

_KEYS = (
    *AXES,
    *("suite", "seed", "hydra", "hydra.run.dir", "hydra/launcher", "", ".", "model.", ".name", "model..name", "models"),
    *("approach.name.x", "backend.variables.A", "backend.options.x.y.z", "task@x", "model:x", "model/x", "task.source"),
    *(
        "model.name",
        "environment",
        "environment.lock",
        "protocol.scenario",
        "approach.weight",
        "task.split",
        "a b",
        "ü",
    ),
)
keys = st.one_of(
    st.sampled_from(_KEYS),
    st.sampled_from(PATHS),
    st.sampled_from(PATHS),
    st.text(alphabet="ab.@/:+~-ü$[ ", max_size=6),
)

#: What Hydra's grammar takes, so that it is ours that must refuse it.
_grammatical = st.one_of(
    st.sampled_from((*_OPTIONS, *IMPOSSIBLE)),
    st.sampled_from(_CALLS),
    st.sampled_from(_INTERPOLATIONS),
    st.sampled_from(_LITERALS),
    st.sampled_from(_LITERALS).map(lambda text: "'" + text.replace("'", "\\'") + "'"),
    st.integers().map(str),
    st.floats().map(str),
)
_taken = st.builds("{}={}".format, st.sampled_from((*PATHS, *PATHS, *AXES)), _grammatical)

#: A whole override: mostly a field and a value, sometimes with Hydra's signs, sometimes without any shape.
overrides = st.one_of(
    _taken,
    _taken,
    _taken,
    st.builds("{}={}".format, st.sampled_from(SEVERAL), _grammatical.map(lambda text: f"[{text},{text}]")),
    st.builds("{}{}={}".format, st.sampled_from(("", "", "", "", "+", "++", "~", "-", "+~")), keys, values),
    st.builds("{}{}".format, st.sampled_from(("", "~", "=", "+", "@")), keys),
    values,
)

#: A field, and a value that it cannot have: to accept it is a fault, whatever happens later.
impossible = st.builds("{}={}".format, st.sampled_from(NUMERIC), st.sampled_from(IMPOSSIBLE))

_RUN_WORDS = (
    *("20261130T", "2", "nope", "", ".", "..", "/", "/etc/passwd", "good", "*", "../results", "README.md", "\x1b[1m"),
    *("x" * 5000, "\0", "\ud800", "a/b", "[", "--", "ü"),
)
runs = st.one_of(st.sampled_from(_RUN_WORDS), st.sampled_from(hostile.TEXTS))
cells = st.one_of(
    st.sampled_from(
        ("ptq_static", "fp32/eager", "ptq_dynamic/eager", "fp32", "a/b/c/d/e/f/g/h", "", "/", "[x]", "ptq*")
    ),
    st.sampled_from(hostile.TEXTS),
)
outs = st.sampled_from(("out.json", "", ".", "-", "a/b/out.json", "/dev/full", "\0", "x" * 5000, "\ud800", "a\x1b[1m"))
losses = st.sampled_from(("1%", "0.01", "-1", "nan", "inf", "1e400", "%", "", "1%%", "ä", "1,5", "10**9", "\x1b[1m"))
numbers = st.sampled_from(("1", "0", "-1", "2", "7", "nan", "inf", "1e9", str(10**20), "9" * 5000, "", "a", "0.5", "ä"))


@st.composite
def reading_commands(draw: st.DrawFn) -> list[str]:
    """Return a command line of a command that reads what is there, with words that may fit or not."""

    def maybe(*words: str) -> list[str]:
        return list(words) if draw(st.booleans()) else []

    kind = draw(st.sampled_from(("status", "table", "export", "trials", "compare", "trend", "doctor", "env", "free")))
    run, cell = draw(runs), draw(cells)
    if kind in ("status", "table"):
        words = [kind, *maybe(run), *maybe("--json"), *maybe("--out", draw(outs))]
        return [*words, *maybe("--suite", draw(runs))] if kind == "table" else words
    if kind == "export":
        return [
            kind,
            run,
            *maybe(cell),
            "-o",
            draw(st.sampled_from(("out.json", "", ".", "a/b/out.json", "/dev/full"))),
        ]
    if kind == "trials":
        asked = draw(st.sampled_from(("--fastest-within", "--smallest-within")))
        return [kind, cell, *maybe(run), *maybe(asked, draw(losses)), *maybe("--picture", "picture.svg")]
    if kind == "compare":
        return [
            kind,
            run,
            draw(runs),
            "--stored",
            *maybe("--json"),
            *maybe("--out", draw(outs)),
            *maybe("--margin", draw(numbers)),
            *maybe("--pairs", draw(numbers)),
        ]
    if kind == "trend":
        metric = draw(st.sampled_from(("latency", "accuracy", "throughput", "nope")))
        return [kind, *maybe(cell), "--no-pictures", *maybe("--metric", metric), *maybe("--margin", draw(numbers))]
    if kind == "doctor":
        return [kind, *maybe("--json"), *maybe("--host", run)]
    if kind == "env":
        return [kind, draw(st.sampled_from(("list", "remove", "nope"))), *maybe(run)]
    return draw(st.lists(st.sampled_from(("plan", "status", "--help", "-h", "--json", "--no", run, cell)), max_size=4))
