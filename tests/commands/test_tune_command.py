"""``harness tune`` refuses what has no tuner before anything is built, and is ``harness run`` for all else."""

from __future__ import annotations

from harness.__main__ import main
from harness.execute import cache


def test_a_suite_without_a_tuner_is_refused(tmp_path, capsys):
    assert main(["tune", "suite=quickstart", "--results", str(tmp_path / "results")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "quickstart: no cell has a tuner, such as tuner=none,sensitivity" in line
    assert not (tmp_path / "results").exists()


def test_where_every_tuned_cell_was_left_out_the_reason_is_said(tmp_path, capsys):
    arguments = ["suite=tuning", "approach=ptq_dynamic", "tuner=none,sensitivity", "tuner.strategy=bayesian"]
    assert main(["tune", *arguments, "--results", str(tmp_path / "results")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "no cell has a tuner" in line and "tuner.strategy=bayesian" in line


def test_a_suite_with_a_tuner_is_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "NEEDED_BYTES", 2**60)
    assert main(["tune", "suite=tuning", "--results", str(tmp_path / "results")]) == 2
    # The run's own first check was reached.
    assert "GiB free" in capsys.readouterr().err
