"""Strategies of values that no well-meaning writer would choose, and of what can become of a JSON value or a file."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

#: Texts that some reader, somewhere, takes for more than text.
TEXTS = (
    *("", " ", ".", "..", "-", "--", "\0", "a\nb", "\r", "\t", "nan", "null", "-1", "1e400", "None", "true"),
    *("../../README", "/etc/passwd", "a/b", "../eager", "~", "C:\\x", "x" * 300, "word " * 2000),
    *("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "\u202egnp.exe", "\u2066x", "\u2028", "\ud800", "\u200f"),
    *("=1+1", "+1", "@SUM(A1)", "-2+3", "$a_{$", "$x$", "\\frac{", "[bold]x[/bold]", "[/]", "|a|", "`", "<b>", "%s"),
    *("{}", "{0}", "äöü", "日本語", "e\u0301", "\N{NO-BREAK SPACE}", "\U0001f600", "'", '"', ",", ":", "#", "*"),
)

NUMBERS = (
    *(0, 1, -1, 2, -5, 7, 99999, 2**31, 2**63, 2**64, 10**14, 10**400, -(10**400)),
    *(0.0, -0.0, 0.5, 1e-320, 1e308, -1e308, 1.7976931348623157e308, 3.5),
    *(True, False),
)

#: Stand for what ``json.dumps`` would not write; :func:`dumps` puts it in their place.
_RAW = {
    "@@deep list@@": "[" * 5000 + "]" * 5000,
    "@@deep mapping@@": '{"a":' * 5000 + "1" + "}" * 5000,
    "@@nan@@": "NaN",
    "@@infinity@@": "-Infinity",
    "@@long number@@": "9" * 5000,
    "@@1e999@@": "1e999",
    "@@twice@@": '{"a": 1, "a": 2}',
}

SHAPES = (None, [], {}, [[]], [None], [0], [""], {"": None}, {"name": 1}, [1, "a", None], *_RAW)

#: Any value out of place.
values = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from(SHAPES).map(copy.deepcopy),
    st.text(max_size=12),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)


def dumps(value: Any) -> str:
    """Return a value as JSON text, on one line, with what no JSON library would write."""
    text = json.dumps(value)
    for mark, raw in _RAW.items():
        text = text.replace(json.dumps(mark), raw)
    return text


@st.composite
def changed(draw: st.DrawFn, base: Any, depth: int = 6) -> Any:
    """Return a deep copy of a JSON value in which one place was changed, or a few of them."""
    root = [copy.deepcopy(base)]
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        place, key = root, 0
        for _ in range(draw(st.integers(1, depth))):
            inner = place[key]
            if not isinstance(inner, (dict, list)) or not inner:
                break
            place, key = inner, draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
        _change(draw, place, key)
    return root[0]


@st.composite
def misstated(draw: st.DrawFn, base: Any) -> Any:
    """Return a deep copy of a JSON value of which every type is right, as a schema wants it, and one value is not."""
    root = [copy.deepcopy(base)]
    place, key = root, 0
    while isinstance(place[key], (dict, list)) and place[key]:
        if place is not root and draw(st.integers(0, 4)) == 0:
            break
        place = place[key]
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    place[key] = draw(_alike(place[key]))
    return root[0]


def _alike(value: Any) -> st.SearchStrategy[Any]:
    """Return values of the same type, which a schema may take, and then what reads them."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.one_of(st.sampled_from([one for one in NUMBERS if type(one) is int]), st.integers(0, 2**70))
    if isinstance(value, float):
        return st.one_of(st.sampled_from(NUMBERS), st.floats(0, allow_nan=False))
    if isinstance(value, str):
        return st.one_of(st.sampled_from(TEXTS), st.text(max_size=12))
    if isinstance(value, list):
        return st.sampled_from([[], value[:1], value[1:], value * 2, value[::-1]])
    if isinstance(value, dict):
        return st.sampled_from([{}, dict(list(value.items())[:1]), {**value, "": 1}, {name: None for name in value}])
    return values


def _change(draw: st.DrawFn, place: Any, key: Any) -> None:
    way = draw(
        st.sampled_from(("alike", "alike", "alike", "value", "value", "remove", "more", "empty", "double", "less"))
    )
    inner = place[key]
    if way == "alike":
        place[key] = draw(_alike(inner))
        return
    if way == "remove" and isinstance(place, dict):
        del place[key]
    elif way == "more" and isinstance(inner, dict):
        inner[draw(st.sampled_from(TEXTS))] = draw(values)
    elif way == "more" and isinstance(inner, list):
        inner.insert(draw(st.integers(0, len(inner))), draw(values))
    elif way == "empty" and isinstance(inner, (dict, list)):
        inner.clear()
    elif way == "double" and isinstance(inner, list):
        inner.extend(copy.deepcopy(inner))
    elif way == "less" and isinstance(inner, list) and inner:
        inner.pop(draw(st.integers(0, len(inner) - 1)))
    else:
        place[key] = draw(values)


_INSERTED = (
    *(b"\0", b"\xff", b"\xc3", b"\xe4", b"\n", b"\r\n", b"\r", b"\xef\xbb\xbf", b"\x1b[2J", b'"', b"{", b"]", b"\\"),
    *(b"\xed\xa0\x80", b"\xe2\x80\xae", b"#", b"," * 50, b"\n\n\n"),
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Return the bytes of a file as a bad disk, a bad copy or another program may have left them."""
    for _ in range(draw(st.integers(1, 3))):
        content = draw(st.sampled_from(_DAMAGES))(draw, content)
    return content


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _gap(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    return content[:start] + content[start + draw(st.integers(1, 200)) :]


def _inserted(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    return content[:start] + draw(st.sampled_from(_INSERTED)) + content[start:]


def _lines(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.split(b"\n")
    one, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
    way = draw(st.sampled_from(("remove", "double", "swap", "blank", "foreign")))
    if way == "remove":
        del lines[one]
    elif way == "double":
        lines.insert(one, lines[one])
    elif way == "swap":
        lines[one], lines[other] = lines[other], lines[one]
    elif way == "blank":
        lines.insert(one, b"")
    else:
        lines.insert(
            one, draw(st.sampled_from((b'{"schema":1}', b"null", b"[]", b"1", b'{"schema":99}', b"key: value")))
        )
    return b"\n".join(lines)


def _whole(draw: st.DrawFn, content: bytes) -> bytes:
    return draw(
        st.sampled_from(
            (
                b"",
                b"\n",
                b"{}",
                b"null",
                b"[" * 5000,
                content.decode("utf-8", "replace").encode("utf-16"),
                content.replace(b"\n", b"\r\n"),
                b"\xef\xbb\xbf" + content,
                bytes(range(256)),
                b"PK\x03\x04" + content[:100],
            )
        )
    )


_DAMAGES: tuple[Callable[[st.DrawFn, bytes], bytes], ...] = (_cut, _gap, _inserted, _inserted, _lines, _lines, _whole)


def told(base: Any, other: Any, where: str = "") -> str:
    """Return in a line where two JSON values differ."""
    if isinstance(base, dict) and isinstance(other, dict):
        names = [*base, *(name for name in other if name not in base)]
        return "".join(_told_of(base, other, name, f"{where}.{name}") for name in names)
    if isinstance(base, list) and isinstance(other, list):
        if len(base) == len(other):
            pairs = zip(base, other, strict=True)
            return "".join(told(one, two, f"{where}[{place}]") for place, (one, two) in enumerate(pairs))
        return f" {where}: {len(base)} -> {len(other)} items {other[-1:]!r:.60};"
    # Compared as text: 1, 1.0 and True are not the same to a reader of JSON.
    return "" if repr(base) == repr(other) else f" {where}={other!r:.80};"


def _told_of(base: Mapping[str, Any], other: Mapping[str, Any], name: str, where: str) -> str:
    if name not in other:
        return f" no {where};"
    return told(base[name], other[name], where) if name in base else f" {where}={other[name]!r:.80};"
