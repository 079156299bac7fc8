"""The page on instruction sets lists the tests that depend on them, as their marks say."""

from __future__ import annotations

import ast
import re

from tests.backend_env import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "instructions.md"


def listed() -> str:
    """Return the table of tests with a mark ``needs``, made from the tests' source."""
    lines = ["| test | needs |", "|---|---|"]
    for path in sorted((REPOSITORY / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                calls = [mark for mark in node.decorator_list if isinstance(mark, ast.Call)]
                marks = [mark for mark in calls if ast.unparse(mark.func) == "pytest.mark.needs"]
                families = [ast.literal_eval(family) for mark in marks for family in mark.args]
                if families:
                    where = f"{path.relative_to(REPOSITORY)}::{node.name}"
                    lines.append(f"| `{where}` | {', '.join(families)} |")
    return "\n".join(lines) + "\n"


def test_the_page_lists_the_tests_that_depend_on_instruction_sets() -> None:
    shown = re.search(r"<!-- needs -->\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert shown and shown[1] == listed()
    assert listed().count("test_") > 10
