"""What stands in a picture can be read, whatever fonts are there."""

from __future__ import annotations

import warnings

import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from harness.publish.common import pictures


@pytest.mark.parametrize(
    ("label", "drawn"),
    [
        ("größer, Δ ≤ ½", "größer, Δ ≤ ½"),
        ("中\nb", "\\u4e2d\nb"),
        ("a\U0001f7e8b", "a\\u1f7e8b"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
    ],
)
def test_a_character_without_glyph_shows_its_code_and_no_box(tmp_path, label, drawn):
    figure = Figure()
    text = figure.text(0.5, 0.5, label)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures.save(figure, [tmp_path / "a.svg", tmp_path / "a.png"])
    assert text.get_text() == drawn


def test_any_installed_font_of_the_family_counts(tmp_path):
    with rc_context({"font.family": ["No Such Font", "STIXGeneral", "DejaVu Sans"]}):
        figure = Figure()
        text = figure.text(0.5, 0.5, "ℬ √")
        pictures.save(figure, [tmp_path / "a.svg"])
        assert text.get_text() == "ℬ √"
