"""`kokoa doctor`: what this machine offers, what is missing, and the remedy."""

import sys

from rich.console import Console

from kokoa.roles.doctor import examine
from kokoa.roles.settings import load_settings


def doctor() -> None:
    """Check this machine. Exit status 1 when something that a store needs is missing.

    For example: kokoa doctor
    """
    console = Console(highlight=False)
    findings = examine(load_settings())
    for finding in findings:
        mark = "[green]ok[/]  " if finding.ok else "[red]no[/]  "
        why = f": {finding.why}" if finding.why else ""
        console.print(f"{mark} [bold]{finding.name}[/]{why}", soft_wrap=True)
        if not finding.ok and finding.remedy:
            console.print(f"     remedy: {finding.remedy}", soft_wrap=True)
    if any(not finding.ok and finding.required for finding in findings):
        sys.exit(1)
