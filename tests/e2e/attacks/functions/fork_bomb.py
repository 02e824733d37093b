"""Processes without end."""

import os
import signal
from typing import Any


def handler(event: Any, context: Any) -> Any:
    """How many there were when no more came."""
    children = 0
    try:
        while children < 5000:
            if os.fork() == 0:
                signal.pause()
                os._exit(0)
            children += 1
    except OSError:
        pass
    return children
