"""What a project's file can have wrong: one clear line that names it, exit status 2, and never a traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.registry import METRICS, use_project
from tests.plugin_files import METRIC, PLAN, configure, line_of, plugin

SUPPORTS = """
from harness.backends.eager.backend import Backend as Eager


class Backend(Eager):
    @staticmethod
    def supports(cell, isa=None):
        return {}
"""


@pytest.fixture(autouse=True)
def _no_project_is_left() -> Iterator[None]:
    yield
    use_project(None)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("share", b"import numpy\n", "defines no option; want one option a file"),
        ("share", b"def read(source, task): ...\ndef load(folder): ...\n", "defines architecture and reader"),
        ("share", b"if True:\n    METRIC = 1\n", "defines no option"),
        ("share", b"\xff\xfeMETRIC = 1\n", "is no text in UTF-8: invalid start byte at byte 0"),
        ("accuracy", METRIC.encode(), "the harness has a metric 'accuracy' itself"),
        ("my-own", METRIC.encode(), "want a name of letters, digits and underscores"),
        ("my own", METRIC.encode(), "want a name of letters, digits and underscores"),
    ],
)
def test_a_file_that_is_no_option_is_told_by_any_command(tmp_path, capsys, name, content, words):
    file = plugin(tmp_path, name)
    file.write_bytes(content)
    line = line_of(["status", "--project", str(tmp_path), "--results", str(tmp_path)], capsys)
    assert line.startswith(f"harness: {file}: ") and words in line


def test_a_file_whose_reading_would_not_end_is_refused(tmp_path):
    file = plugin(tmp_path, "share")
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir):
        file.unlink()
        make(file)
        with pytest.raises(UserError, match="is no regular file"):
            use_project(tmp_path)
        if file.is_dir():
            return
    pytest.fail("the last was a folder")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def METRIC(:\nMETRIC = 1\n", "cannot be imported: SyntaxError: "),
        ("METRIC = 1\n\0\n", "cannot be imported: "),
        (f"METRIC = {'(' * 1000}{')' * 1000}\n", "cannot be imported: "),
        ("METRIC = 1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero"),
        ("raise ValueError('one\\ntwo')\nMETRIC = 1\n", "cannot be imported: ValueError: one"),
        ("raise SystemExit(0)\nMETRIC = 1\n", "cannot be imported: SystemExit: 0"),
        ("import no_such_framework\nMETRIC = 1\n", "No module named 'no_such_framework'; import a framework inside"),
        ("import plugins.other\nMETRIC = 1\n", "No module named 'plugins'"),
        ("METRIC = 1\ndel METRIC\n", "is a metric by its text, but has no METRIC when run"),
        ("METRIC = 1\n", "METRIC is 1; want a harness.metrics.base.Metric"),
        (METRIC.replace('"classification"', '"guessing"'), "whose kind is classification or regression or"),
    ],
)
def test_a_metric_that_cannot_be_used_is_one_line(tmp_path, capsys, text, words):
    file = plugin(tmp_path, "share", text)
    line = line_of([*PLAN, "task.metric=share", "--project", str(tmp_path)], capsys)
    assert f"{file}:" in line and words in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Backend(:\n    pass\n", "cannot be imported: SyntaxError: "),
        ("import no_such_framework\nclass Backend(object):\n    pass\n", "import a framework inside functions only"),
        ("class Backend():\n    pass\n", "Backend is no subclass of harness.backends.base.Backend"),
        (
            "from harness.backends import base\nclass Backend(base.Backend):\n    pass\n",
            "Backend lacks executed_precision, forward, inputs, load, logits, quantize, supports",
        ),
        (SUPPORTS.format("1 / 0"), "supports raised ZeroDivisionError: division by zero"),
        (SUPPORTS.format("False"), "supports gave bool; want None or one line"),
    ],
)
def test_a_backend_that_cannot_be_used_is_one_line(tmp_path, capsys, text, words):
    file = plugin(tmp_path, "share", text)
    configure(tmp_path, "share")
    line = line_of([*PLAN[:-1], "backend=share", "--project", str(tmp_path)], capsys)
    assert f"{file}:" in line and words in line


def test_an_interruption_and_the_end_of_memory_are_no_mistakes_of_a_file(tmp_path):
    for name, error in (("one", KeyboardInterrupt), ("two", MemoryError)):
        plugin(tmp_path, name, f"raise {error.__name__}\nMETRIC = 1\n")
        use_project(tmp_path)
        with pytest.raises(error):
            METRICS.module(name)
