"""The documents build as HTML without one warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, REPOSITORY


@pytest.mark.slow
def test_the_documents_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="the extra `docs` is not installed")
    html = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(html)]
    built = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)
    assert built.returncode == 0, built.stderr
    assert "METRIC" in (html / "how_to" / "add_metric.html").read_text(encoding="utf-8")
