"""What the machine is called, which its neighbours may share. event: the machine's name."""

import os
import socket
from typing import Any


def handler(event: Any, context: Any) -> Any:
    """The machine's name, if it shows."""
    return [name for name in (socket.gethostname(), os.uname().nodename) if name == event]
