"""The README of the format describes each column of a comparison and each field of an A/A, and no other."""

from __future__ import annotations

import re

from harness.publish.compare.comparison import COLUMNS
from harness.results import aa
from tests.results.test_results_readme import section


def test_each_column_of_a_comparison_is_described_with_its_type() -> None:
    described = {}
    for names, kind in re.findall(r"^\| (`.+?`) \| (\w+) \| .+? \|$", section("Comparisons"), re.MULTILINE):
        described |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    kinds = {"string": "text", "Float64": "number", "Int64": "integer"}
    assert described == {name: kinds[kind] for name, kind in COLUMNS.items()}


def test_each_field_of_an_aa_is_described() -> None:
    assert re.findall(r"^\| `(\w+)` \|", section("A/A"), re.MULTILINE) == list(aa.FIELDS)
