"""A comparison on real cells: killed and gone on with, a slow-down in the other variant's code, and an A/A."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from harness.results import aa, store
from tests.backend_env import REPOSITORY
from tests.whole.tiny import command, harness, variables

pytestmark = pytest.mark.alone

PAIRS = 2
ONE_CELL = ("suite=tiny", "approach=fp32", "backend=eager", "--pairs", str(PAIRS))


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two working copies of this harness; the second's eager backend does every forward pass thirty times."""
    folders = [tmp_path_factory.mktemp(name) for name in ("plain", "slow")]
    for folder in folders:
        shutil.copytree(REPOSITORY / "harness", folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    with (folders[1] / "harness" / "backends" / "eager" / "backend.py").open("a") as stream:
        stream.write(
            "\n\ndef _thirty_times(forward):\n"
            "    def slow(self, inputs):\n"
            "        for _ in range(29):\n"
            "            forward(self, inputs)\n"
            "        return forward(self, inputs)\n"
            "    return slow\n\n\n"
            "Backend.forward = _thirty_times(Backend.forward)\n"
        )
    return folders


def _sides(project: Path, label: str) -> list[list[dict]]:
    """Return the records of both variants of the newest comparison whose second variant is so called."""
    for path in store.runs(project / "results"):
        header = store.read_run(path)[0]
        compared = header.get("comparison") or {}
        if compared.get("label") == label and compared["side"] == "B":
            other = path.with_name(f"{compared['other']}.jsonl")
            return [store.read_run(one) for one in (other, path)]
    return []


def _invocations(lines: list[dict]) -> list[dict]:
    return [line for line in lines if line["type"] == "invocation"]


@pytest.mark.backend("torch")
def test_a_comparison_survives_a_kill_and_shows_the_slower_code(project, cache, codes):
    plain, label = (f"code:{folder}" for folder in codes)
    arguments = ("compare", plain, label, *ONE_CELL)
    parent = subprocess.Popen(
        command(project, *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables(cache)
    )
    end = time.monotonic() + 240
    while not any(map(_invocations, _sides(project, label))):
        assert time.monotonic() < end and parent.poll() is None, "nothing was measured"
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    finished = harness(project, cache, *arguments)
    assert "going on with" in finished.stderr and "Traceback" not in finished.stderr
    one, other = _sides(project, label)
    assert one[0]["comparison"] | {"side": "B", "label": label, "other": one[0]["run"]} == other[0]["comparison"]
    assert len(list((project / "results" / "runs").glob("*.jsonl"))) >= 2
    order = sorted(
        (line["order"], line["block"], variant)
        for variant, lines in enumerate((one, other))
        for line in _invocations(lines)
    )
    assert order == [(0, 0, 0), (1, 0, 1), (2, 1, 1), (3, 1, 0)]
    for lines in (one, other):
        kinds = Counter(line["type"] for line in lines)
        assert (kinds["header"], kinds["prepared"], kinds["accuracy"], kinds["failure"]) == (1, 1, 1, 0)
        assert store.is_complete(lines) and lines[0]["host"] == one[0]["host"]
    # Both variants' artefacts have the same weights, and the slower code predicts the same.
    accuracies = [next(line for line in lines if line["type"] == "accuracy") for lines in (one, other)]
    assert accuracies[0]["logits_sha256"] == accuracies[1]["logits_sha256"]

    (path,) = (project / "results" / "tables").glob(f"compare-{other[0]['run']}-with-*.csv")
    (row,) = csv.DictReader(path.open())
    assert row["accuracy_verdict"] == "bit-equal"
    # A call of so small a model takes up to five times its best on a busy host; thirty passes are still more.
    assert float(row["b_latency_ms"]) > 1.8 * float(row["a_latency_ms"])
    # Two pairs decide nothing, however large the change.
    assert row["latency_verdict"] == "inconclusive" and finished.returncode == 4


@pytest.mark.backend("torch")
def test_the_same_with_itself_is_written_down_for_this_host(project, cache):
    finished = harness(project, cache, "aa", *ONE_CELL)
    assert finished.returncode == 0, finished.stderr
    one, other = _sides(project, "now")
    (entry,) = aa.read(project / "results", one[0]["host"])
    assert entry["runs"] == [one[0]["run"], other[0]["run"]] and entry["pairs"] == PAIRS
    assert entry["false_verdicts"] == 0 and entry["floor"] is None
    assert "A/A comparisons" in finished.stdout and "No floor" in finished.stdout
    # A run of its own is not taken for an interrupted one of this suite.
    status = harness(project, cache, "status", one[0]["run"])
    assert status.returncode == 0 and "complete" in status.stdout, status.stdout


@pytest.mark.hours
@pytest.mark.backend("torch")
def test_a_target_brings_further_pairs_until_the_budget_is_spent(project, cache):
    budget_seconds = 20.0
    target = ("protocol.target_half_width=0.0001", f"protocol.budget_seconds={budget_seconds}", "protocol.seed=9")
    finished = harness(project, cache, "aa", *ONE_CELL, *target)
    assert finished.returncode == 0 and "further pair" in finished.stderr, finished.stderr
    variants = [
        lines
        for lines in map(store.read_run, store.runs(project / "results"))
        if "protocol.seed=9" in lines[0]["overrides"]
    ]
    assert len(variants) == 2
    found = [{line["block"]: line for line in _invocations(lines)} for lines in variants]
    blocks = sorted(found[0])
    assert blocks == sorted(found[1]) == list(range(len(blocks))) and len(blocks) > PAIRS
    orders = sorted(line["order"] for variant in found for line in variant.values())
    assert orders == list(range(2 * len(blocks)))
    for block in blocks:
        pair = [variant[block] for variant in found]
        assert pair[0]["ring"] == pair[1]["ring"] == sorted(line["order"] for line in pair)
    seconds = [sum(variant[block]["wall_seconds"] for variant in found) / 2 for block in blocks[PAIRS:]]
    assert sum(seconds[:-1]) < budget_seconds <= sum(seconds)
