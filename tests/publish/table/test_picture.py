"""The picture of a table shows its figures, all cells that were run, and which side of the metric is forbidden."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from harness.config.schema import ProtocolConfig
from harness.publish.common.heading import heading
from harness.publish.table import picture
from harness.publish.table.rows import rows
from tests.publish.sample_run import SampleRun, quickstart


@pytest.fixture
def drawn(monkeypatch):
    """Return a function that draws a run and gives the figure, with the run's rows."""

    def draw(run: SampleRun, lower_is_better=()) -> tuple[Figure, object]:
        kept: list[Figure] = []
        monkeypatch.setattr(picture, "save", lambda figure, paths: kept.append(figure))
        lines = run.records()
        picture.draw(rows(lines), heading(lines), lower_is_better, [Path("x.svg")])
        return kept[0], rows(lines)

    return draw


def _marks(axes) -> dict[int, tuple[float, tuple]]:
    """Return place -> where its marker is and in which colour."""
    return {
        round(line.get_ydata()[0]): (line.get_xdata()[0], to_rgba(line.get_color()))
        for line in axes.get_lines()
        if line.get_marker() == "o"
    }


def _bars(axes) -> dict[int, tuple[float, float]]:
    return {
        round(line.get_ydata()[0]): tuple(line.get_xdata())
        for line in axes.get_lines()
        if len(set(line.get_xdata())) == 2
    }


def test_marks_and_bars_are_the_tables_figures(drawn):
    figure, frame = drawn(quickstart())
    speed, metric = figure.axes
    ran = frame[~frame["status"].isin(("excluded", "unsupported"))].reset_index(drop=True)
    assert [label.get_text() for label in speed.get_yticklabels()] == [
        f"{row.approach}/{row.backend}" for row in ran.itertuples()
    ]
    for place, row in ran.iterrows():
        for axes, column, scale in ((speed, "speedup", 1), (metric, "difference", 100)):
            if row[column] == row[column]:
                assert _marks(axes)[place][0] == pytest.approx(scale * row[column])
            else:
                assert place not in _marks(axes)
            if row[f"{column}_low"] == row[f"{column}_low"]:
                ends = (scale * row[f"{column}_low"], scale * row[f"{column}_high"])
                assert _bars(axes)[place] == pytest.approx(ends)
    wanted = {"met": "tab:green", "undecided": "tab:orange", "failed": "tab:red"}
    states = {place: row["criterion"] for place, row in ran.iterrows() if row["criterion"] in wanted}
    assert set(states.values()) >= {"undecided", "failed"}
    for place, state in states.items():
        assert _marks(metric)[place][1] == to_rgba(wanted[state])


def test_a_cell_that_failed_is_there_with_its_word(drawn):
    speed = drawn(quickstart())[0].axes[0]
    assert "oom" in [text.get_text().strip() for text in speed.texts]


@pytest.mark.parametrize(("lower", "side"), [((), -1), (("accuracy",), 1)])
def test_what_is_not_allowed_is_shaded_on_the_worse_side(drawn, lower, side):
    figure, frame = drawn(quickstart(), lower)
    metric = figure.axes[1]
    (shade,) = metric.patches
    edge = 100 * frame["criterion_allowed"].dropna().iloc[0]
    left, right = sorted((shade.get_x(), shade.get_x() + shade.get_width()))
    assert (right if side < 0 else left) == pytest.approx(side * edge)
    low, high = metric.get_xlim()
    assert low < -edge if side < 0 else high > edge


def test_the_same_records_give_the_same_picture_and_labels_stay_text(tmp_path):
    run = quickstart()
    run.measured(run.cell("ptq_static", "fx", label="$\\bad & <b>--></b>"), {1}, [7.0, 7.1, 7.2, 7.0])
    lines = run.records()
    made = []
    for name in ("a", "b"):
        paths = [tmp_path / name / "run.svg", tmp_path / name / "run.png"]
        assert picture.draw(rows(lines), heading(lines), (), paths) == paths
        made.append(paths[0].read_bytes())
        assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert made[0] == made[1]
    ElementTree.fromstring(made[0])
    assert b"<b>" not in made[0]


def test_without_a_baseline_there_is_nothing_to_draw(tmp_path):
    run = SampleRun(protocol=ProtocolConfig(name="quick", blocks=1), baseline={"approach": "none"})
    run.measured(run.cell("bf16"), {1}, [7.0])
    lines = run.records()
    assert picture.draw(rows(lines), heading(lines), (), [tmp_path / "x.svg"]) == []
    assert not (tmp_path / "x.svg").exists()
