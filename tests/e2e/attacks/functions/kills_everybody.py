"""kill(-1): every process that it may signal."""

import os
import signal
from typing import Any


def handler(event: Any, context: Any) -> Any:
    """Does not return, if all goes well."""
    if os.fork() == 0:
        os.kill(-1, signal.SIGKILL)
        os._exit(0)
    while True:
        signal.pause()
