"""``myodrive doctor``: what is installed here and whether live work will go well."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rich.text import Text

from ..console import add_json, messages, print_json, progress_bar
from ..doctor import examine

EXAMPLE = "myodrive doctor"
STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Examine and print; 1 when there is a problem."""
    with progress_bar("examining"):
        findings = examine()
    healthy = not any(finding.level == "problem" for finding in findings)
    if args.json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            remedy = f" -> {finding.remedy}" if finding.remedy else ""
            level = (f"{finding.level:>7}", STYLES[finding.level])
            messages.print(Text.assemble(level, f"  {finding.name}: {finding.found}{remedy}"))
    return 0 if healthy else 1
