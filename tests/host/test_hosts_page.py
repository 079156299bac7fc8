"""The page on hosts is what the code prints, and another host can be described and planned for."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from harness.cli import run
from harness.errors import UserError
from harness.host.describe import fingerprint
from harness.plan.described_host import find_host
from harness.results import store
from tests.host import hosts_page
from tests.host.machines import MACHINES, build, described

SNC4 = "2 x 56 Sapphire Rapids, SNC4"
QUICK = ["suite=quickstart", "task=sentiment", "host=node,socket,cores4"]


@pytest.mark.slow
def test_the_page_is_what_the_code_prints() -> None:
    assert hosts_page.PAGE.read_text(encoding="utf-8") == hosts_page.page()


def test_doctor_tells_hosts_with_amx_from_those_without() -> None:
    sections = dict(part.split("\n", 1) for part in hosts_page.PAGE.read_text(encoding="utf-8").split("## ")[1:])
    lines = {
        name: next(line for line in text.splitlines() if line.startswith("instructions"))
        for name, text in sections.items()
    }
    with_amx = {name for name, line in lines.items() if "AMX INT8, AMX BF16" in line.partition(" (no ")[0]}
    assert with_amx == {name for name in lines if "Rapids" in name}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    host = described(SNC4)
    store.save_host(tmp_path / "results", fingerprint(host), dataclasses.asdict(host))
    return tmp_path / "results"


def test_a_host_is_found_by_fingerprint_file_and_folder(results: Path, tmp_path: Path) -> None:
    host = described(SNC4)
    name = fingerprint(host)
    assert find_host(name, results) == find_host(name[:5], results) == host
    assert find_host(str(results / "hosts" / f"{name}.json"), results) == host
    small = "a virtual machine of 2 cores"
    assert find_host(str(build(tmp_path / "tree", MACHINES[small])), results) == described(small)


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ("0123", "no such file, folder or stored host"),
        ("{results}", "no host in this folder"),
        ("{results}/hosts/broken.json", "describes no host"),
        ("{results}/hosts/partial.json", "describes no host"),
    ],
)
def test_what_is_no_host_is_one_line_that_says_how_to_get_one(results: Path, wanted: str, line: str) -> None:
    (results / "hosts" / "broken.json").write_text("[1]")
    (results / "hosts" / "partial.json").write_text('{"host": {"cores": [], "caches": [], "numa": []}}')
    with pytest.raises(UserError, match=line) as caught:
        find_host(wanted.format(results=results), results)
    assert "\n" not in str(caught.value)


def test_doctor_and_plan_speak_of_the_host_that_is_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = fingerprint(described(SNC4))
    assert run(["doctor", "--results", str(results), "--host", name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fingerprint"] == name
    assert not [finding for finding in told["findings"] if "load average" in finding["what"]]
    assert run(["plan", *QUICK, "--results", str(results), "--host", name]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "host node: 14 threads on node 0 (CPU 0-13), memory bound to node 0" in text
    assert "host socket: 56 threads on nodes 0-3 (CPU 0-55), memory bound to nodes 0-3" in text
    assert run(["plan", *QUICK, "--results", str(results), "--host", name, "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["placements"]["cores4"] == {
        **{"threads": 4, "cores": [0, 1, 2, 3], "nodes": [0], "memory_nodes": [0], "notes": []}
    }


def test_what_doctor_prints_on_a_host_is_read_on_another(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = fingerprint(described(SNC4))
    assert run(["doctor", "--results", str(results), "--host", name, "--json"]) == 0
    (tmp_path / "xeon.json").write_text(capsys.readouterr().out)
    shutil.rmtree(results)
    assert find_host(str(tmp_path / "xeon.json"), results) == described(SNC4)
