"""Threads without end."""

import threading
from typing import Any


def handler(event: Any, context: Any) -> Any:
    """How many there were when no more came."""
    threading.stack_size(65536)
    stay = threading.Event()
    count = 0
    try:
        while count < 5000:
            threading.Thread(target=stay.wait, daemon=True).start()
            count += 1
    except RuntimeError:
        pass
    stay.set()
    return count
