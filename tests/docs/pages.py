"""The documents of the repository, and what tests and tools read in them: anchors, links and fenced blocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"

#: What a marked part of a page ends with.
END = "<!-- end -->"

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=fence) *$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?\s*\)")

#: A comment directly above a block: ``file: NAME`` is written to a file, ``not run: REASON`` is passed over.
_NOTE = re.compile(r"<!-- (file|not run): (.+?) -->\n+\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes
    ----------
    language : as the fence says it, such as ``bash``; empty where it says none.
    text : with its last newline.
    file : the file, relative to the reader's folder, that the page asks to write with this text; None for none.
    why_not : why no test runs it; None where one may.
    """

    language: str
    text: str
    file: str | None
    why_not: str | None


def documents() -> list[Path]:
    """Return all pages that people read, README first; not those that Sphinx has built."""
    pages = [page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.relative_to(DOCS).parts]
    top = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")]
    return [*top, *pages]


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    found = []
    for fence in _FENCE.finditer(text):
        note = _NOTE.search(text, 0, fence.start())
        kind, said = (note[1], note[2]) if note else ("", "")
        file, why_not = (said if kind == "file" else None), (said if kind == "not run" else None)
        found.append(Block(fence["language"].strip(), fence["text"], file, why_not))
    return found


def prose(text: str) -> str:
    """Return a page without its fenced blocks and comments: what may hold headings and links."""
    return re.sub(r"<!--.*?-->", "", _FENCE.sub("", text), flags=re.DOTALL)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them; the second of two equal ones ends in 1."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(prose(text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(text: str) -> Iterator[str]:
    """Yield the targets of a page's links and pictures; what stands in code is none."""
    yield from _LINK.findall(re.sub(r"`[^`\n]+`", "code", prose(text)))
