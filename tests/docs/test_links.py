"""Every relative link of the documents leads to a file, and every anchor to a heading. No network is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import REPOSITORY, anchors, documents, links

#: Links that leave the repository; what they lead to is not held here.
_OUTSIDE = ("http://", "https://", "mailto:")


def broken(page: Path, text: str) -> list[str]:
    """Return the links of a page that lead nowhere."""
    found = []
    for link in links(text):
        if link.startswith(_OUTSIDE):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or not target.is_relative_to(REPOSITORY):
            found.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(text if target == page else target.read_text(encoding="utf-8")):
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_a_link_to_nothing_is_found() -> None:
    text = "# A title\n\n[a](nothing.md) [b](#a-title) [c](#another) [d](CHANGELOG.md#nothing) `[e](code.md)`\n"
    assert broken(REPOSITORY / "README.md", text) == [
        "nothing.md: no such file",
        "#another: no such heading",
        "CHANGELOG.md#nothing: no such heading",
    ]


def test_equal_headings_have_anchors_of_their_own() -> None:
    assert anchors("## `task.split`\n\n## Exit status\n\n```\n# no heading\n```\n\n## Exit status\n") == {
        *("tasksplit", "exit-status", "exit-status-1")
    }


def test_each_page_is_reached_from_the_readme_by_links() -> None:
    reached, todo = set(), [REPOSITORY / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        targets = (link.partition("#")[0] for link in links(page.read_text(encoding="utf-8")))
        todo += [(page.parent / target).resolve() for target in targets if target and "://" not in target]
    # Their lists are for Sphinx alone.
    assert [page for page in documents() if page not in reached and page.name != "index.md"] == []
