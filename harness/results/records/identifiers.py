"""Identifiers that become names of files: which a record may hold, and how a long one is shortened.

A record can come from anybody, so that what it is called by must not choose a path.
"""

from __future__ import annotations

import hashlib
import re

#: Characters of an identifier at most: with what goes before and behind it, it is the name of a file.
LONGEST = 200

#: Bytes of a name that a file may have on the usual file systems, less room for an ending.
_NAME_BYTES = 230

#: What an identifier is, as a JSON Schema says it: `$` alone would let a newline stand behind it.
PATTERN = rf"^[A-Za-z0-9_][A-Za-z0-9_.+-]{{0,{LONGEST - 1}}}$(?!\n)"

_ALLOWED = re.compile(PATTERN)


def checked(text: str) -> str:
    """Return an identifier (of a run, a host, an environment, a lock) if it is one.

    Raises
    ------
    ValueError : it is empty or too long, has other characters than ASCII letters, digits and ``_ . + -``, or begins
        with one of the last three.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{text[:20]!r}... is no identifier: want {LONGEST} characters at most, it has {len(text)}")
    if not _ALLOWED.match(text):
        raise ValueError(f"{text!r} is no identifier: want letters, digits and _ or, behind the first of them, . + -")
    return text


def file_name(text: str) -> str:
    """Return the name, without its ending, of a file that is called after `text`, such as a cell's key.

    What a name of a file should not have becomes ``_``; one that is too long ends in a digest of the whole.
    """
    readable = re.sub(r"[^\w.=-]+", "_", text).lstrip(".") or "_"
    content = readable.encode()
    if len(content) <= _NAME_BYTES:
        return readable
    mark = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{content[: _NAME_BYTES - len(mark) - 1].decode(errors='ignore')}-{mark}"
