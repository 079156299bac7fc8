"""``harness doctor``: what this host is, and what will make its timings untrustworthy."""

from __future__ import annotations

import argparse
import dataclasses
import json

from rich.console import Console

from harness.execute import trust
from harness.execute.host import describe, fingerprint
from harness.publish import doctor


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print the host and the findings; always 0, for a finding is advice."""
    host = describe()
    findings = trust.findings(host)
    if arguments.json:
        values = {
            "fingerprint": fingerprint(host),
            "host": dataclasses.asdict(host),
            "findings": [dataclasses.asdict(finding) for finding in findings],
        }
        print(json.dumps(values, indent=1))
    else:
        doctor.render(host, findings, Console())
    return 0
