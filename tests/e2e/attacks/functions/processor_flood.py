"""Takes all processors for a while. event: how many processes, for how many seconds."""

import os
import time
from typing import Any

import attacking


def spin(seconds: float) -> None:
    """Nothing, as fast as possible."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def handler(event: Any, context: Any) -> Any:
    """Seconds of processor time that were had for each second."""
    started = time.monotonic()
    children = [attacking.fork(lambda: spin(event["seconds"])) for _ in range(event["processes"])]
    for child in children:
        os.waitpid(child, 0)
    times = os.times()
    return (times.children_user + times.children_system) / (time.monotonic() - started)
