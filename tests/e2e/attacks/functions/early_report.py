"""What `early` took before the runtime began, and whether any process here listens on the doors."""

import glob
import os
import socket
from typing import Any

import attacking


def listeners() -> int:
    """How many listening sockets this process holds."""
    count = 0
    for path in glob.glob("/proc/self/fd/*"):
        try:
            if os.readlink(path).startswith("socket:"):
                with socket.socket(fileno=os.dup(int(path.rpartition("/")[2]))) as copy:
                    count += copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            continue
    return count


def handler(event: Any, context: Any) -> Any:
    """The ports that were held, the sockets that were inherited, the listening sockets that are here now."""
    ran_early = "early" in os.environ.get("PYTHONPATH", "") or os.path.exists("/var/task/sitecustomize.py")
    return {
        "early": ran_early and "keep" in socket.socket.listen.__name__,
        "held": attacking.read("/tmp/held").split(),
        "inherited": attacking.read("/tmp/inherited").split(),
        "listening": listeners(),
    }
