"""Text from records, files and messages as a terminal may have it: nothing in it moves a cursor or hides a part."""

from __future__ import annotations

import codecs
import contextlib
import io
import re
import sys

#: Control characters (C0, C1, DEL); marks that change the direction of what follows or are not seen; separators of
#: lines and paragraphs; halves of characters; tags. The two joiners stay: Persian, Hindi and emoji need them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)

#: What stands for signs of ours, each as wide, where a terminal has ASCII alone.
_ASCII = {"✗": "x", "·": "-", "–": "-", "—": "-", "…": ".", "×": "x", "─": "-", "━": "-", "╸": "-", "╺": "-", "│": "|"}

_REPLACE = "harness.replace"


def plain(text: str) -> str:
    r"""Return text with each character that a terminal would obey written as its escape, such as ``\x1b`` or ``\n``."""
    return text if text.isprintable() else _UNSAFE.sub(_escaped, text)


def is_plain(text: str) -> bool:
    """Say whether a text can stand in a label, a record and a message as it is."""
    return not _UNSAFE.search(text)


def safe_lines(text: str) -> str:
    """Return text as :func:`plain` does, but with its line breaks."""
    return "\n".join(map(plain, text.split("\n")))


def tolerate_any_encoding() -> None:
    """Let the standard streams replace what their encoding does not have, such as an umlaut in the locale C."""
    codecs.register_error(_REPLACE, _replaced)
    for stream in (sys.stdout, sys.stderr):
        # A test's stream, or one that somebody has closed, may not have this.
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(errors=_REPLACE)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(char, "?") for char in error.object[error.start : error.end]), error.end


def _escaped(found: re.Match[str]) -> str:
    char = found.group()
    return repr(char)[1:-1] if char in "\t\n\r" else _numbered(ord(char))


def _numbered(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
