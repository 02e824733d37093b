"""Asks the store or its AWS endpoint in a raw way. event: door, request text; what it returns is the raw answer."""

import os
import socket
from typing import Any
from urllib.parse import urlsplit


def handler(event: Any, context: Any) -> Any:
    """The first part of what came back."""
    address = urlsplit(os.environ[event.get("door", "APP_LOAD_BALANCER_URL")])
    with socket.create_connection((address.hostname, address.port), 5) as door:
        door.settimeout(5)
        try:
            door.sendall(event["request"].encode("latin-1"))
            return door.recv(65536).decode("latin-1")
        except OSError as error:
            return type(error).__name__
