"""``myodrive doctor``: what is installed here and whether live work will go well."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rich.text import Text

from ..console import add_json, messages, print_json, progress_bar
from ..doctor.examination import examine, healthy

EXAMPLE = "myodrive doctor"
STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--network", action="store_true", help="also ask other machines for their LSL streams, as `run` does"
    )
    parser.add_argument("--record", default=".", metavar="DIR", help="folder whose disk is tried (the working folder)")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Examine and print; 1 when something stands in the way of running."""
    with progress_bar("examining") as progress:
        findings = examine(asks_network=args.network, record=args.record, progress=progress)
    fine = healthy(findings)
    if args.json:
        print_json({"healthy": fine, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            remedy = f" -> {finding.remedy}" if finding.remedy else ""
            level = (f"{finding.level:>7}", STYLES[finding.level])
            messages.print(Text.assemble(level, f"  {finding.name}: {finding.found}{remedy}"))
    return 0 if fine else 1
