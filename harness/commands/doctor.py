"""``harness doctor``: what this host is, and what will make its timings untrustworthy."""

from __future__ import annotations

import argparse
import dataclasses

from harness.commands.shared import output
from harness.host import checks
from harness.host.describe import describe, fingerprint
from harness.host.load import unwatched
from harness.plan.described_host import find_host
from harness.publish.host import render
from harness.text.terminal import Console


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    output.add_json(parser)
    parser.add_argument(
        "--host",
        metavar="HOST",
        help="another host: a fingerprint of results/hosts, a file that 'harness doctor --json' has written there, or "
        "a folder with its proc and sys",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the host and the findings; always 0, for a finding is advice."""
    if arguments.host is None:
        host = describe()
        findings = checks.findings(host)
    else:
        host = find_host(arguments.host, arguments.results)
        findings = checks.findings(host, unwatched())
    if arguments.json:
        values = {
            "fingerprint": fingerprint(host),
            "host": dataclasses.asdict(host),
            "findings": [dataclasses.asdict(finding) for finding in findings],
        }
        output.print_json("doctor", values)
    else:
        render.render(host, findings, Console())
    return 0
