from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from harness.host.checks import Finding
from harness.host.describe import describe, fingerprint
from harness.publish.host.render import render

COMMAND = "numactl --cpunodebind=0 --membind=0 harness run suite=quickstart approach.calibration.samples=50,100,200"


def rendered(width: int, findings: list[Finding]) -> str:
    stream = io.StringIO()
    render(describe(), findings, Console(file=stream, width=width))
    return stream.getvalue()


def test_it_fits_80_columns_and_never_breaks_a_command():
    lines = rendered(80, [Finding("severe", "what", "why " * 40, COMMAND)]).splitlines()
    assert f"    $ {COMMAND}" in lines
    assert max(len(line.rstrip()) for line in lines if COMMAND not in line) <= 80


def test_it_names_the_host_and_says_when_all_is_well():
    text = rendered(120, [])
    assert fingerprint(describe()) in text
    assert "Nothing was found" in text


def test_an_unreadable_host_is_shown_too(tmp_path: Path):
    stream = io.StringIO()
    render(describe(tmp_path), [], Console(file=stream, width=80))
    assert "unknown" in stream.getvalue()
    assert "None" not in stream.getvalue()
