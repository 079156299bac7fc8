"""A reader that goes away, results that can only be read, and files that are to lie elsewhere or nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.__main__ import main
from tests.backend_env import REPOSITORY
from tests.commands.test_compare_command import A, B, store_run
from tests.commands.test_table_suite import AXES
from tests.commands.test_trials_command import KEY, store_trials
from tests.publish.sample_run import RUN, quickstart
from tests.results.store_sample import store_sample
from tests.results.trend_runs import Day, write_days


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return store_sample(tmp_path / "results", quickstart().records())


def unread(*arguments: str, also_errors: bool = False) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose standard output, and perhaps standard error, nobody reads from the beginning."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            stdout=writing,
            stderr=writing if also_errors else subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            check=False,
        )
    finally:
        os.close(writing)


def gated(results: Path, expression: str) -> str:
    gate = {"name": "asked", "match": {"approach": "qat"}, "require": {"criterion": expression}}
    path = results.parent / "corrected.yaml"
    path.write_text(
        yaml.safe_dump({"axes": AXES, "baseline": {"approach": "fp32", "backend": "eager"}, "gates": [gate]})
    )
    return str(path)


@pytest.mark.slow
def test_a_table_that_nobody_reads_is_written_all_the_same(results) -> None:
    finished = unread("table", RUN, "--results", str(results))
    assert (finished.returncode, finished.stderr) == (0, b"")
    written = {path.suffix for path in (results / "tables").iterdir() if path.stat().st_size}
    assert written == {".csv", ".md", ".parquet", ".svg", ".png"}


@pytest.mark.slow
def test_gates_are_judged_although_nobody_reads_the_table(results) -> None:
    for expression, status in (("!= failed", 1), ("== failed", 0)):
        finished = unread("table", RUN, "--results", str(results), "--suite", gated(results, expression))
        assert (finished.returncode, finished.stderr) == (status, b"")


@pytest.mark.slow
def test_other_commands_that_nobody_reads_end_as_they_would(results, tmp_path) -> None:
    where = ("--results", str(results))
    for arguments, status in (
        (("plan", "suite=quickstart", "--json"), 0),
        (("status", RUN, *where), 3),
        (("export", RUN, "-o", str(tmp_path / "out.json"), *where), 3),
    ):
        assert unread(*arguments, also_errors=True).returncode == status
    assert (tmp_path / "out.json").stat().st_size


@pytest.mark.slow
def test_head_takes_the_first_line_and_the_command_goes_on(results) -> None:
    command = f"{sys.executable} -m harness table {RUN} --results {results} | head -1; echo ${{PIPESTATUS[0]}}"
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=variables, check=False)
    first, status = finished.stdout.splitlines()
    assert (first, status, finished.stderr) == (f"sample v1, run {RUN}", "0", "")


def blocked(results: Path) -> Path:
    """Put a file in the place of the folder of tables, which stops root too."""
    (results / "tables").write_text("")
    return results


def test_read_only_results_are_printed_and_the_status_is_as_ever(results, capsys) -> None:
    blocked(results)
    assert main(["table", RUN, "--results", str(results)]) == 0
    shown = capsys.readouterr()
    assert f"run {RUN}" in shown.out and "ptq_static" in shown.out and "written:" not in shown.out
    (line,) = shown.err.splitlines()
    assert line.startswith("not written: ") and "--out FOLDER writes elsewhere" in line


def test_read_only_results_can_be_compared_and_followed(tmp_path, capsys) -> None:
    compared = tmp_path / "compared"
    store_run(compared, A, other=B)
    store_run(compared, B, other=A, int8=1.5)
    assert main(["compare", A, B, "--stored", "--results", str(blocked(compared))]) == 1
    shown = capsys.readouterr()
    assert "slower" in shown.out and "not written: " in shown.err
    followed = tmp_path / "followed"
    write_days(followed, [Day(), Day()])
    assert main(["trend", "--results", str(blocked(followed))]) == 0
    shown = capsys.readouterr()
    assert "latency: 2 histories" in shown.out and "not written: " in shown.err


def test_trials_of_read_only_results_are_printed(tmp_path, capsys) -> None:
    tuned = store_trials(tmp_path / "results")
    assert main(["trials", KEY, "--results", str(blocked(tuned))]) == 0
    shown = capsys.readouterr()
    assert "5 trials" in shown.out and "not written: picture" in shown.err


def test_out_names_the_folder_and_one_that_cannot_be_written_is_an_error(results, tmp_path, capsys) -> None:
    before = sorted(results.rglob("*"))
    assert main(["table", RUN, "--results", str(results), "--out", str(tmp_path / "a" / "b")]) == 0
    assert {path.suffix for path in (tmp_path / "a" / "b").iterdir()} == {".csv", ".md", ".parquet", ".svg", ".png"}
    assert f"written: {tmp_path / 'a' / 'b' / RUN}.csv" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    assert main(["table", RUN, "--results", str(results), "--out", str(tmp_path / "file")]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and f"{tmp_path / 'file'}: the tables cannot be written" in shown.err
    assert sorted(results.rglob("*")) == before


def test_an_empty_word_names_no_folder(results, capsys) -> None:
    assert main(["table", RUN, "--results", str(results), "--out", ""]) == 2
    assert "--out: want a folder; the current one is ." in capsys.readouterr().err


def test_a_dash_prints_the_markdown_and_writes_nothing(results, tmp_path, capsys) -> None:
    assert main(["table", RUN, "--results", str(results), "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["table", RUN, "--results", str(results), "--out", "-"]) == 0
    shown = capsys.readouterr()
    assert shown.out == (tmp_path / f"{RUN}.md").read_text() and shown.err == ""
    assert not (results / "tables").exists()


def test_a_dash_prints_the_markdown_of_a_comparison_and_of_a_trend(tmp_path, capsys) -> None:
    compared, followed = tmp_path / "compared", tmp_path / "followed"
    store_run(compared, A, other=B)
    store_run(compared, B, other=A)
    write_days(followed, [Day(), Day()])
    for root, arguments, name in (
        (compared, ["compare", A, B, "--stored"], f"compare-{B}-with-{A}.md"),
        (followed, ["trend", "--no-pictures"], "latency.md"),
    ):
        command = [*arguments, "--results", str(root)]
        assert main([*command, "--out", str(tmp_path / "out")]) == 0
        capsys.readouterr()
        assert main([*command, "--out", "-"]) == 0
        assert capsys.readouterr().out == (tmp_path / "out" / name).read_text()
        assert not (root / "tables").exists()


def test_an_export_goes_to_standard_output_or_into_a_folder(results, tmp_path, capsys) -> None:
    assert main(["export", RUN, "--results", str(results), "--out", str(tmp_path)]) == 3
    capsys.readouterr()
    assert main(["export", RUN, "--results", str(results), "-o", "-"]) == 3
    assert capsys.readouterr().out == (tmp_path / f"{RUN}.json").read_text() + "\n"


def test_trials_draw_into_a_folder_or_not_at_all(tmp_path, capsys) -> None:
    tuned = store_trials(tmp_path / "results")
    assert main(["trials", KEY, "--results", str(tuned), "--out", str(tmp_path / "pictures")]) == 0
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.suffix == ".svg"
    assert main(["trials", KEY, "--results", str(tuned), "--out", "-"]) == 0
    assert "written" not in capsys.readouterr().out.splitlines()[-1] and not (tuned / "tables").exists()


def test_an_export_takes_the_place_of_no_record(results, capsys) -> None:
    path = results / "runs" / f"{RUN}.jsonl"
    before = path.read_bytes()
    assert main(["export", RUN, "--results", str(results), "-o", str(path)]) == 2
    assert "is a file of the results" in capsys.readouterr().err and path.read_bytes() == before


def test_no_link_leads_a_table_or_a_picture_out_of_its_folder(results, tmp_path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    folder = results / "tables"
    folder.mkdir()
    for suffix in ("csv", "md", "parquet", "svg", "png"):
        (folder / f"{RUN}.{suffix}").symlink_to(kept)
    assert main(["table", RUN, "--results", str(results)]) == 0
    assert kept.read_text() == "kept" and not any(path.is_symlink() for path in folder.iterdir())


@pytest.mark.slow
def test_variables_of_other_programs_stop_no_table(results) -> None:
    variables = {**os.environ, "MPLBACKEND": "nope", "SOURCE_DATE_EPOCH": "abc"}
    command = [sys.executable, "-m", "harness", "table", RUN, "--results", str(results)]
    finished = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=REPOSITORY)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert len(list((results / "tables").iterdir())) == 5
