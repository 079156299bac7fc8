"""Writes ``docs/reference/failures.md``: the exit statuses, the kinds of failure, and what each asks the user to do.

Run from the repository's root: ``python -m tests.commands.failures_page``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.advice import EXIT_STATUSES, KINDS, Advice

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "failures.md"

_HEAD = """\
# Exit statuses and failures: what they mean, and what to do

A mistake in what was typed or in a file is one line on standard error and exit status 2, before anything is measured.
What goes wrong with one cell is a failure record with a kind; the other cells are measured all the same. No reader of
the output changes the status: `harness table | head` ends as `harness table` does.

`python -m tests.commands.failures_page` writes this page from `harness/advice.py`.
"""

_KINDS = """\
`harness status` and the table show a kind as `failed(KIND)`, `oom` and `timeout` without brackets; the records and
`harness status --json` have it with its message. A cell whose second invocation fails is not measured any more.
"""


def page() -> str:
    """Return the whole page."""
    statuses = {str(status): advice for status, advice in EXIT_STATUSES.items()}
    return "\n".join(
        [
            _HEAD,
            "## Exit status of every command\n",
            _table("status", statuses),
            "## Kinds of failure\n",
            _KINDS,
            _table("kind", {f"`{kind}`": advice for kind, advice in KINDS.items()}),
        ]
    )


def _table(first: str, advised: Mapping[str, Advice]) -> str:
    lines = [f"| {first} | meaning | what to do |", "|:--|:--|:--|"]
    lines += [f"| {name} | {advice.means} | {advice.do} |" for name, advice in advised.items()]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
