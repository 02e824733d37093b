"""As sitecustomize: runs before the bootstrap does, and keeps what sockets that process has or makes.

Who holds a listening socket together with the host can clear O_NONBLOCK on it: the host's accept() blocks for ever.
Holding it is proof enough: the host of a test is the test's own process.
"""

import os
import signal
import socket
from pathlib import Path

listen = socket.socket.listen


def keep(listener: socket.socket, backlog: int = 0) -> None:
    """Listen as asked, with a child that holds on to the socket when the bootstrap lets go of it."""
    listen(listener, backlog)
    if os.fork() == 0:
        signal.pause()
    with Path("/tmp/held").open("a") as held:
        held.write(f"{listener.getsockname()[1]}\n")


socket.socket.listen = keep  # type: ignore[method-assign]
for number in range(3, 64):
    if os.path.exists(f"/proc/self/fd/{number}") and os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
        with Path("/tmp/inherited").open("a") as inherited:
            inherited.write(f"{number}\n")
