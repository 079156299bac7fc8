"""The README of the format describes each column of a trend and each field of a confirmation, and no other."""

from __future__ import annotations

import dataclasses
import re

from harness.publish.trend import host_matrix, render
from harness.results.confirmations import Confirmation
from tests.results.test_results_readme import section


def names(text: str) -> list[str]:
    """Return what the first column of a section's tables names, in its order."""
    return [name for cell in re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)]


def test_each_column_of_a_trend_and_of_the_matrix_is_described() -> None:
    described = names(section("Trends"))
    assert described[: len(render.COLUMNS)] == list(render.COLUMNS)
    assert sorted(described[len(render.COLUMNS) :]) == sorted(host_matrix.COLUMNS)


def test_each_field_of_a_confirmation_is_described() -> None:
    assert names(section("Confirmations")) == [field.name for field in dataclasses.fields(Confirmation)]
