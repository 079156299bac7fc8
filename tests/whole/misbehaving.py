"""Environments of the tiny project whose children misbehave when a test asks for it, and are real ones otherwise."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path

from harness.execute.environments.manifest import FILES, MARKER
from harness.execute.environments.pinned import environments
from harness.plan.catalogue import catalogue

#: What a child that measures does in the place of its work; ``$fd`` is its pipe, ``$python`` its real python.
FAULTS = {
    "none": "",
    "closes": "exec {fd}>&-; sleep 600",
    "floods": 'while :; do echo "{\\"event\\": \\"progress\\""; done >&$fd',
    "rubbish": 'printf "\\377\\376{[\\0" >&$fd',
    "cut": 'printf "{\\"event\\": \\"result\\", \\"values\\": {" >&$fd',
    "forks": "sleep 600 & kill -SEGV $$",
    "exits": "exit 3",
    "memory": 'exec "$python" "$@" < <(sed "s/\\(memory_limit_bytes.: \\)[0-9][0-9]*/\\140000000/" /proc/self/fd/0)',
    "terminated": "kill -TERM $$",
    "hung up": "kill -HUP $$",
    "killed": "kill -KILL $$",
    "interrupted": "kill -INT $$; sleep 0.1; exit 130",
}

# The spec lies in a file in memory; opened anew it is read from its beginning, and the child's place in it stays.
_WRAPPER = """#!/bin/bash
python={python}
fd=$3
if grep -q '"stage": "measure"' /proc/self/fd/0 2>/dev/null && mv {queue}/next {queue}/taken.$$ 2>/dev/null; then
  fault=$(cat {queue}/taken.$$)
  for one in {queue}/[0-9]*; do [ -e "$one" ] && mv "$one" {queue}/next && break; done
  case "$fault" in
{cases}
  esac
fi
exec "$python" "$@"
"""


def misbehaving(cache: Path, real: Path, name: str = "torch") -> Path:
    """Make, below `cache`, an environment that wraps a built one, and return the folder of its queue of faults.

    Parameters
    ----------
    real : the python of the built environment.
    """
    known = environments(catalogue(), cache)
    folder, queue = known.python(name).parents[1], cache / "faults"
    (folder / "bin").mkdir(parents=True)
    queue.mkdir()
    cases = "\n".join(f"  {shlex.quote(fault)}) {words or ':'} ;;" for fault, words in FAULTS.items())
    wrapper = folder / "bin" / "python"
    wrapper.write_text(_WRAPPER.format(python=shlex.quote(str(real)), queue=shlex.quote(str(queue)), cases=cases))
    wrapper.chmod(0o755)
    (folder / FILES).write_text("")
    marker = {"name": name, "lock": known.lock_hash(name), "size_bytes": 0, "note": None, "files": 0}
    (folder / MARKER).write_text(json.dumps(marker))
    return queue


def ask_for(queue: Path, faults: Iterable[str]) -> None:
    """Have the next children that measure misbehave, one a fault; what an earlier test has left is forgotten."""
    for path in queue.iterdir():
        path.unlink()
    for place, fault in enumerate(faults):
        (queue / ("next" if place == 0 else f"{place:03}")).write_text(fault)


def taken(queue: Path) -> list[str]:
    """Return the faults that have come about."""
    return sorted(path.read_text() for path in queue.glob("taken.*"))
