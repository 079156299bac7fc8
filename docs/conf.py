"""How Sphinx builds the documents: ``python -m sphinx -W -b html docs docs/_build``."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.ext.autodoc.mock import mock

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

project = "lowp-harness"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project

# Anchors as GitHub makes them, so that a link works in both places.
myst_heading_anchors = 4

# A reference in a docstring that leads nowhere is a warning, and ``-W`` makes it an error.
nitpicky = True

# The documents are built without a framework.
autodoc_mock_imports = ["torch", "transformers", "safetensors", "datasets"]
autodoc_typehints = "none"
autodoc_member_order = "bysource"

_LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]+\.md)(?:#[^)\s]*)?(?=\))")


def _link_outside(app: Any, name: str, source: list[str]) -> None:
    """Have a link to a Markdown file outside this folder, which is no page here, lead to the file itself."""
    folder = (DOCS / name).parent

    def target(link: re.Match[str]) -> str:
        outside = not (folder / link[1]).resolve().is_relative_to(DOCS)
        return f"path:{link[1]}" if outside else link[0]

    source[0] = _LINK.sub(target, source[0])


def _list_sections(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Turn the sections of a docstring of ours (``name : text`` below an underlined title) into lists."""
    made: list[str] = []
    inside = False
    for line in lines:
        if re.fullmatch(r"-{3,}", line) and made:
            made[-1:] = [f"**{made[-1]}**", ""]
            inside = True
        elif inside and (item := re.match(r"(\w[\w, ]*) : (.*)", line)):
            made.append(f"- **{item[1]}**: {item[2]}")
        elif inside and line.startswith("    "):
            made.append(f"  {line.strip()}")
        else:
            made.append(line)
    lines[:] = made


def _name_of_ours(app: Any, env: Any, node: Any, shown: nodes.Node) -> nodes.Node | None:
    """Show a name of the harness that no page describes as it is, where there is such a name."""
    if node.get("refdomain") != "py":
        return None
    target = node.get("reftarget", "")
    names = (target, f"{node.get('py:module')}.{target}")
    with mock(autodoc_mock_imports):
        return shown if any(name.startswith("harness.") and _is_there(name) for name in names) else None


def _is_there(name: str) -> bool:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def setup(app: Any) -> None:
    """Register the above."""
    app.connect("source-read", _link_outside)
    app.connect("autodoc-process-docstring", _list_sections)
    app.connect("missing-reference", _name_of_ours)
