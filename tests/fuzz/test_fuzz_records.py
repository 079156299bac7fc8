"""Records that are damaged, foreign or hostile: they are shown, passed over or refused, and nothing comes of them."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
from hypothesis import strategies as st

from harness import faults
from harness.errors import StageError, UserError
from harness.execute.compare.rerun import open_rerun
from harness.execute.environments.pinned import environments
from harness.plan.catalogue import catalogue
from harness.results import store
from tests.fuzz import hostile
from tests.fuzz.driver import attempt, call
from tests.fuzz.explore import explore, require_none

#: Of the evaluation, that are kept.
ROWS = 40

GOOD = "20261130T000000Z-good-0001"
ORIGINAL = "20261130T065138Z-quickstart-5e48"
BAD = "20261130T000000Z-zbad-0002"

#: The commands that read a run, which each example meets one of.
COMMANDS = (
    *(("status", BAD), ("status",), ("table", BAD), ("table",), ("table", BAD, "--suite", "quickstart")),
    *(("table", GOOD), ("export", BAD, "-o", "out.json"), ("trend", "--no-pictures")),
    ("trend", "--metric", "accuracy", "--no-pictures"),
    *(("compare", GOOD, BAD, "--stored"), ("compare", BAD, GOOD, "--stored"), ("trials", "ptq_static", BAD)),
    *(("status", BAD, "--json"), ("table", BAD, "--json"), ("compare", GOOD, BAD, "--stored", "--json")),
)


@pytest.fixture(scope="module")
def lines(committed):
    """Return the records of a small committed run, cut down to what takes every command a fraction of a second."""
    path = committed / "runs" / f"{ORIGINAL}.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for line in found:
        if line["type"] == "dataset":
            line["references"], line["rows"]["evaluation"] = line["references"][:ROWS], ROWS
        elif line["type"] == "accuracy":
            line["predictions"], line["rows"] = line["predictions"][:ROWS], ROWS
        for series in line.get("series", ()):
            series["warmup_ns"] = series["warmup_ns"][:4]
    return [line for line in found if line.get("block", 0) < 2]


@pytest.fixture(scope="module")
def box(sandbox, committed, lines):
    """Return a sandbox whose results hold one good run, beside which each example lies as another."""
    for name in ("hosts", "environments", "aa"):
        shutil.copytree(committed / name, sandbox.results / name)
    (sandbox.results / "runs").mkdir()
    (sandbox.results / "runs" / f"{GOOD}.jsonl").write_text(_text(lines, GOOD))
    return sandbox


def _text(lines, run):
    return "".join(hostile.dumps(_named(line, run)) + "\n" for line in lines)


def _named(line, run):
    """Return a header with the name of its file, unless its name is what was changed."""
    is_header = isinstance(line, dict) and line.get("type") == "header"
    return line | {"run": run} if is_header and line.get("run") == ORIGINAL else line


def _unsafe_cells(folder):
    """Yield the first cell of a CSV file that a spreadsheet would take for a formula, or that holds raw controls."""
    for path in sorted(folder.rglob("*.csv")):
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
            for row in csv.reader(stream):
                for cell in row:
                    if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(cell):
                        yield f"formula in a CSV: {cell!r:.30}"
                        return


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _run(box, command, content):
    path = box.results / "runs" / f"{BAD}.jsonl"
    path.write_bytes(content)
    finished = call(box, command[0], *box.places(), *command[1:])
    faults = [*finished.faults, *_unsafe_cells(box.results / "tables")]
    if GOOD in command and "compare" not in command and finished.status == 2:
        faults.append("a bad run stands in the way of a good one")
    shutil.rmtree(box.results / "tables", ignore_errors=True)
    return faults


@pytest.mark.slow
def test_the_undamaged_run_can_be_read_by_every_command(box, lines):
    for command in COMMANDS:
        if command[0] != "trials":
            assert _run(box, command, _text(lines, BAD).encode()) == [], command


def test_changed_records(box, lines, tries):
    # One of each type: the invocations are many.
    places = list({line["type"]: place for place, line in enumerate(lines)}.values())

    def case(example):
        command, place, line = example
        changed = [*lines[:place], line, *lines[place + 1 :]]
        told = hostile.told(lines[place], line)
        return _run(box, command, _text(changed, BAD).encode()), f"{' '.join(command)}: {lines[place]['type']}{told}"

    examples = st.sampled_from(places).flatmap(
        lambda place: st.tuples(
            st.sampled_from(COMMANDS),
            st.just(place),
            st.one_of(hostile.misstated(lines[place]), hostile.misstated(lines[place]), hostile.changed(lines[place])),
        )
    )
    require_none(explore(examples, case, 120 * tries["factor"], tries["random"]), 120)


def test_names_that_are_more_than_names(box, lines, tries):
    """One name is another wherever it stands, as a hostile writer would have it: all records still fit together."""
    text = _text(lines, BAD)
    header = lines[0]
    names = {header["host"], header["suite"]["name"], *header["environments"], *header["environments"].values()}
    names |= {label for cell in header["cells"] for label in cell["labels"]}
    names |= {"torch.profiler", *lines[1]["labels"]}

    def case(example):
        command, name, other = example
        changed = text.replace(name, json.dumps(other)[1:-1])
        return _run(box, command, changed.encode()), f"{' '.join(command)}: {name} -> {other!r:.80}"

    examples = st.tuples(
        st.sampled_from(COMMANDS), st.sampled_from(sorted(names)), st.one_of(st.sampled_from(hostile.TEXTS), st.text())
    )
    require_none(explore(examples, case, 60 * tries["factor"], tries["random"]), 60)


def test_changed_headers_are_no_plan_of_a_rerun(box, lines, tries):
    known = environments(catalogue(), box.cache)
    path = box.results / "runs" / f"{BAD}.jsonl"

    def opened():
        try:
            open_rerun(store.read_run(path), "ptq_dynamic", known, box.results)
        except (UserError, StageError) as error:
            faults.complain(str(error))
            return 2
        return 0

    def case(line):
        path.write_text(_text([line, *lines[1:]], BAD))
        return attempt(box, opened).faults, hostile.told(lines[0], line)

    require_none(explore(hostile.changed(lines[0], depth=7), case, 60 * tries["factor"], tries["random"]), 60)


def test_damaged_files(box, lines, tries):
    whole = _text(lines, BAD).encode()

    def case(example):
        command, content = example
        return _run(box, command, content), f"{' '.join(command)}: {len(content)} of {len(whole)} bytes"

    examples = st.tuples(st.sampled_from(COMMANDS), hostile.damaged(whole))
    require_none(explore(examples, case, 60 * tries["factor"], tries["random"]), 60)


@pytest.mark.parametrize("kind", ["hosts", "aa"])
def test_changed_hosts_and_floors(box, lines, tries, kind):
    (box.results / "runs" / f"{BAD}.jsonl").write_text(_text(lines, BAD))
    paths = {path.stem: path for path in (box.results / kind).iterdir()}
    path = paths.get(lines[0]["host"], next(iter(paths.values())))
    original = path.read_text()
    base = json.loads(original.splitlines()[-1] if kind == "aa" else original)
    if kind == "aa":
        path = path.with_stem(lines[0]["host"])
    commands = (("compare", GOOD, BAD, "--stored"), ("table", GOOD), ("trend", "--no-pictures"))

    def case(example):
        command, value = example
        path.write_text(hostile.dumps(value) + "\n")
        finished = call(box, command[0], *box.places(), *command[1:])
        return finished.faults, f"{' '.join(command)}: {hostile.told(base, value)}"

    examples = st.tuples(st.sampled_from(commands), hostile.changed(base, depth=5))
    findings = explore(examples, case, 40 * tries["factor"], tries["random"])
    path.write_text(original)
    require_none(findings, 40)
