"""Processes that it can see. event: a text in the command line of one outside."""

import glob
from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """The processes with that text, and how many there are at all."""
    lines = {path: attacking.read(path) for path in glob.glob("/proc/[0-9]*/cmdline")}
    return {"found": [path for path, line in lines.items() if event in line], "seen": len(lines)}
