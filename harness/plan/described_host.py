"""Another host than this one: by a stored description, its own `harness doctor --json`, or a copy of /proc and /sys."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError, nearest
from harness.host.describe import Host, describe, from_dict
from harness.results import files, hosts, store

#: How a person gets a file for ``--host``, shown where one cannot be read.
HOW = "'harness doctor --json > FILE' writes one on the host itself"


def find_host(wanted: str, results: Path) -> Host:
    """Return the host that `wanted` names.

    Parameters
    ----------
    wanted : a fingerprint of ``RESULTS/hosts``, or its beginning; a file as those are, or as ``harness doctor --json``
        prints it; a folder with the ``proc`` and ``sys`` of a host.
    results : the folder of results.

    Raises
    ------
    UserError : there is none of these, or it describes no host.
    """
    path = Path(wanted)
    if files.is_folder(path):
        host = describe(path)
        if not host.cores:
            raise UserError(f"--host {wanted}: no host in this folder; want one with proc/ and sys/ of a host in it")
        return host
    if not files.is_file(path):
        path = _stored(wanted, results)
    try:
        return from_dict(hosts.described(files.content(path)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"--host {wanted}: describes no host ({type(error).__name__}: {error}); {HOW}") from error


def _stored(wanted: str, results: Path) -> Path:
    there = {path.stem: path for path in sorted((results / store.HOSTS).glob("*.json"))}
    meant = [name for name in there if wanted and name.startswith(wanted)]
    if len(meant) != 1:
        found = f"{len(meant)} hosts begin so" if meant else "no such file, folder or stored host"
        raise UserError(f"--host {wanted}: {found} ({results / store.HOSTS}){nearest(wanted, there)}; {HOW}")
    return there[meant[0]]
