"""TCP ports on the loopback interface."""

import socket

from kokoa.kernel.errors import Conflict


class PortBusy(Conflict):
    """Somebody listens there already."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_free_port(host: str, port: int, *, setting: str) -> None:
    """Raises PortBusy, which names the setting that chooses another port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortBusy(
                f"Port {port} on {host} is in use by another program. Stop that one, or choose another port: "
                f"{setting}={port + 1} make up"
            ) from None
