"""The first program in a sandbox: it hands the listening sockets out, waits to be told which function it is, and
becomes that function's runtime.

Descriptor 3 is the control socket to the host, 4 the log frames. Nothing of a partner's has run when this waits; once
it goes on, the control socket is gone. AWS's runtime strips `/bootstrap.py` frames from stack traces, hence the name.
"""

import json
import os
import socket
import sys
import time
from typing import Any

import awslambdaric.__main__ as runtime

_CONTROL_FD = 3
_LOG_FD = 4
_PORTS = (9001, 9002, 9003)
_BACKLOG = 128
_MESSAGE_BYTES_MAX = 200_000


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", port))
    listener.listen(_BACKLOG)
    return listener


def _specialise() -> dict[str, Any]:
    """Hand out the listeners and wait for the function. Ends the process when the host goes away."""
    control = socket.socket(fileno=_CONTROL_FD)
    listeners = [_listen(port) for port in _PORTS]
    socket.send_fds(control, [b"ready"], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()
    message = control.recv(_MESSAGE_BYTES_MAX)
    control.close()
    os.closerange(_LOG_FD + 1, 1024)
    if not message:
        os._exit(0)
    function: dict[str, Any] = json.loads(message)
    return function


def main() -> None:
    """Become the function (AWS Lambda's contract for its process: environment, working directory, sys.path)."""
    function = _specialise()
    os.environ.update(function["environment"])
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(_LOG_FD)
    time.tzset()
    os.chdir("/var/task")
    sys.path[:] = function["path"] + [entry for entry in sys.path if entry not in function["path"]]
    runtime.main(["bootstrap", function["handler"]])


if __name__ == "__main__":
    main()
