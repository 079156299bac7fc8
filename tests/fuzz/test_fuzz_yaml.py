"""Suites and config files of a project may hold anything: they are used, or refused in one message."""

from __future__ import annotations

import pytest
import yaml

from tests.fuzz import yaml_files
from tests.fuzz.driver import call
from tests.fuzz.explore import explore, require_none

#: Config group -> an option that is shipped, and how a command line asks for a project's own.
GROUPS = {
    "model": "minilm",
    "task": "sentiment",
    "approach": "ptq_static",
    "backend": "fx",
    "tuner": "basic",
    "host": "native",
    "protocol": "smoke",
}


def test_suites(sandbox, tries):
    path = sandbox.project / "suites" / "own.yaml"

    def case(content):
        path.write_bytes(content)
        finished = call(sandbox, "plan", *sandbox.places(), "suite=own")
        return finished.faults, repr(content[-400:])

    require_none(explore(yaml_files.files(yaml_files.SUITE), case, 220 * tries["factor"], tries["random"]), 220)


@pytest.mark.parametrize("group", GROUPS)
def test_configs(sandbox, shipped, tries, group):
    base = yaml.safe_load((shipped / group / f"{GROUPS[group]}.yaml").read_text())
    path = sandbox.project / "conf" / group / "own.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)

    def case(content):
        path.write_bytes(content)
        finished = call(sandbox, "plan", *sandbox.places(), "suite=small", f"{group}=own")
        return finished.faults, repr(content[-400:])

    require_none(explore(yaml_files.files(base), case, 18 * tries["factor"], tries["random"]), 18)


def test_environments(sandbox, shipped, tries):
    base = yaml.safe_load((shipped / "environment" / "torch.yaml").read_text()) | {"variables": {"OMP_X": "1"}}
    folder = sandbox.project / "conf" / "environment"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "torch.txt").write_text("six==1.16.0\n")

    def case(content):
        (folder / "own.yaml").write_bytes(content)
        finished = call(sandbox, "env", "list", *sandbox.places())
        return finished.faults, repr(content[-400:])

    findings = explore(yaml_files.files(base), case, 18 * tries["factor"], tries["random"])
    (folder / "own.yaml").unlink()
    require_none(findings, 18)
