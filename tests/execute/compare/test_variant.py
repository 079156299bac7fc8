"""Sides of a comparison: how they are spelled, what they bring back, and what is said of those that cannot be."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
from pathlib import Path

import pytest

from harness.errors import StageError, UserError
from harness.execute.compare import variant
from harness.execute.environments.pinned import Environments
from harness.execute.process.import_closure import PACKAGE
from harness.execute.run import code
from harness.execute.run.assemble import Place, make_header
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan
from harness.results import store
from tests.execute.process.stand_ins import cell

OVERRIDES = ["suite=quickstart", "task=sentiment", "approach=fp32,ptq_dynamic", "backend=eager"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "results", tmp_path / "cache")


@pytest.fixture
def known(tmp_path: Path) -> Environments:
    return Environments(catalogue(), tmp_path / "environments")


@pytest.fixture
def plan():
    return make_plan(catalogue(), [*OVERRIDES, "protocol.blocks=12"])


def test_parts_are_joined_by_a_plus_that_versions_may_hold_too():
    parts = variant.parse("20261124T1+rev:HEAD~1+lock:torch=a/b.txt+with:torch==2.12.1+cpu+with:NumPy==1.26.4")
    assert (parts.base, parts.code) == ("20261124T1", "rev:HEAD~1")
    assert parts.locks == {"torch": Path("a/b.txt")}
    assert parts.with_pins == {"torch": "2.12.1+cpu", "numpy": "1.26.4"}
    assert not parts.is_stored_run and variant.parse("20261124T1").is_stored_run
    assert variant.parse("with:torch==2.0").base == "now" == variant.parse("now").base


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wiht:torch==2.0", "did you mean 'with'"),
        ("with:torch=2.0", "want with:PACKAGE==VERSION"),
        ("lock:torch", "want lock:NAME=FILE"),
        ("rev:", "rev: is empty"),
        ("", "a part is empty"),
        ("rev:a+code:b", "exclude each other"),
        ("run1+now", "exclude each other"),
    ],
)
def test_a_variant_that_is_misspelled_is_one_clear_line(text, words):
    with pytest.raises(UserError, match=words):
        variant.parse(text)


def test_another_version_takes_the_place_of_its_pin_in_each_lock_that_has_it(plan, known, place):
    resolved = variant.resolve(variant.parse("with:torch==2.12.1"), plan, known, place)
    before, after = (one.lock("torch").lines for one in (known, resolved.environments))
    changed = set(after) - set(before)
    assert changed == {"torch==2.12.1"}
    assert resolved.environments.lock_hash("torch") != known.lock_hash("torch")
    assert resolved.plan is plan and resolved.code.known is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("with:troch==2.12.1", "did you mean 'torch'"),
        ("with:torch==VERSION", "pins torch==.* already"),
        ("lock:troch=x.txt", "did you mean 'torch'"),
        ("lock:torch=x.txt", "x.txt: no such lock file"),
        ("rev:no-such-branch", "git knows no such revision"),
        ("code:/nowhere", "no package 'harness' in it"),
        ("20261124T0", "no run '20261124T0'"),
    ],
)
def test_what_cannot_be_brought_back_is_named(plan, known, place, text, words):
    pinned = next(line for line in known.lock("torch").lines if line.startswith("torch=="))
    with pytest.raises(UserError, match=words):
        variant.resolve(variant.parse(text.replace("VERSION", pinned.partition("==")[2])), plan, known, place)


def stored_run(known: Environments, place: Place, **changed) -> tuple[str, Environments]:
    """Store a run of an older lock and an older config, and return its id and the original environments."""
    lock = place.results.parent / "old.txt"
    lock.write_text("torch==2.1.0\nnumpy==1.26.4\n")
    then = known.with_locks({"torch": lock})
    plan = make_plan(catalogue(), [*OVERRIDES, "task.max_length=64"])
    labels = {option.label: option.label.split("[")[0] for option in plan.options}
    header = make_header(plan, then, place, code.own())
    for option in header["options"]:
        option["label"] = labels[option["label"]]
    for entry in header["cells"]:
        entry["labels"] = [labels[label] for label in entry["labels"]]
        entry["key"] = "/".join(entry["labels"])
    store.RunWriter.create(place.results, {**header, **changed}).close()
    return header["run"], then


def test_a_stored_run_brings_back_its_locks_and_configs_and_takes_todays_protocol(plan, known, place):
    run, then = stored_run(known, place)
    resolved = variant.resolve(variant.parse(run), plan, known, place)
    assert resolved.environments.lock("torch") == then.lock("torch") != known.lock("torch")
    assert [one.key for one in resolved.plan.cells] == [one.key for one in plan.cells]
    assert {one.task.max_length for one in resolved.plan.cells} == {64} != {one.task.max_length for one in plan.cells}
    assert {one.protocol for one in resolved.plan.cells} == {one.protocol for one in plan.cells}
    assert resolved.plan.cells[0].digest != plan.cells[0].digest
    header = make_header(resolved.plan, resolved.environments, place, resolved.code)
    assert header["environments"]["torch"] == then.lock_hash("torch")


def test_a_lock_that_is_not_the_one_its_hash_names_is_refused(plan, known, place):
    run, then = stored_run(known, place)
    path = place.results / "environments" / f"torch-{then.lock_hash('torch')}.txt"
    pinned = path.read_text()
    for edited, words in (
        ("torch==2.2.0\n", "it was edited, or python"),
        # The original pins, and so the hash of the environment, but not the original file.
        (f"# all is well\n{pinned}", "was edited; the record names SHA-256"),
        (f"{pinned}# why \\\n-e /nowhere\n", "may end elsewhere for another program"),
        (f"{pinned}--index-url https://x.invalid\n", "'--index-url https://x.invalid' is no pin"),
    ):
        path.write_text(edited)
        with pytest.raises(UserError, match=f"cannot be brought back: .*{words}"):
            variant.resolve(variant.parse(run), plan, known, place)
    path.unlink()
    with pytest.raises(UserError, match="is not there"):
        variant.resolve(variant.parse(run), plan, known, place)


def test_an_edited_lock_among_the_results_is_told_and_other_comments_are_not(plan, known, place):
    header = make_header(plan, known, place, code.own())
    path = place.results / "environments" / f"torch-{known.lock_hash('torch')}.txt"
    assert header["lock_sha256"] == {"torch": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.write_text(f"# of another run\n{path.read_text()}")
    again = make_header(plan, known, place, code.own())
    assert again["lock_sha256"] == {"torch": hashlib.sha256(path.read_bytes()).hexdigest()} != header["lock_sha256"]
    path.write_text("torch==0.1\n")
    with pytest.raises(StageError, match="it was edited; remove it, and the lock of torch is stored again"):
        make_header(plan, known, place, code.own())


def test_a_run_of_other_cells_is_refused(plan, known, place):
    run, _ = stored_run(known, place)
    other = make_plan(catalogue(), ["suite=quickstart", "task=reuters_r8"])
    with pytest.raises(UserError, match="none of its cells"):
        variant.resolve(variant.parse(run), other, known, place)


def test_the_code_of_a_revision_is_written_once_and_is_that_of_git(plan, known, place):
    resolved = variant.resolve(variant.parse("rev:HEAD"), plan, known, place)
    repository = PACKAGE.parent
    head = subprocess.run(["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, text=True)
    wanted = {"revision": head.stdout.strip(), "dirty": False, "digest": resolved.code.digest()}
    assert resolved.code.header == wanted | {"version": resolved.code.version}
    committed = subprocess.run(
        ["git", "-C", str(repository), "show", "HEAD:harness/errors.py"], capture_output=True, check=True
    )
    assert (resolved.code.package / "errors.py").read_bytes() == committed.stdout
    before = resolved.code.digest()
    with (resolved.code.package / "worker" / "stages" / "measure.py").open("a") as stream:
        stream.write("# changed")
    assert code.of_folder(resolved.code.package.parent).digest() != before
    marker = resolved.code.package.parent / "marker"
    marker.touch()
    variant.resolve(variant.parse("rev:HEAD"), plan, known, place)
    assert marker.exists()


def test_older_code_is_sent_the_fields_that_it_knows():
    told = code.of_folder(PACKAGE.parent)
    assert told.encode(cell()) == cell().to_dict()
    task = {name: below for name, below in told.known["task"].items() if name != "fine_tune"}
    source = {"source": {"path": None}}
    known = {"protocol": {"name": None, "blocks": None}, "task": task, "model": {"name": None, **source}}
    older = dataclasses.replace(told, known={**told.known, **known})
    values = older.encode(cell())
    assert set(values["protocol"]) == {"name", "blocks"}
    assert values["model"] == {"name": "m", "source": {"path": None}}
    assert "fine_tune" not in values["task"] and values["host"] == cell().to_dict()["host"]
    changed = dataclasses.replace(cell(), protocol=dataclasses.replace(cell().protocol, latency_batch_size=4))
    with pytest.raises(StageError, match=r"protocol\.latency_batch_size=4: the code of"):
        older.encode(changed)
