"""The first program in a sandbox: it hands the listening sockets out, waits to be told which function it is, and
becomes that function's runtime.

Descriptor 3 is the control socket to the host, 4 the log frames. Who holds a listening socket together with the host
can make the host's accept() block for ever, so nothing of a partner's runs in a process that holds one. A sandbox
that waits for any function has none of its code or variables. One whose function was known before it started (its
code is mounted already, its variables act on interpreters) starts isolated and without variables; once the sockets
are gone it starts the interpreter again, with them. AWS's runtime strips `/bootstrap.py` frames from stack traces,
hence the name.
"""

import importlib
import json
import os
import socket
import sys
import time
from typing import Any

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


def _hand_out() -> bytes:
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
    return message


def _start_again(message: bytes) -> None:
    """Become the interpreter that knows the function's variables; it reads the message from a descriptor."""
    start: dict[str, Any] = json.loads(message)["start"]
    handed = os.memfd_create("function", 0)
    os.write(handed, message)
    os.lseek(handed, 0, os.SEEK_SET)
    os.execve(start["command"][0], [*start["command"], str(handed)], start["environment"])  # noqa: S606


def _read(handed: int) -> bytes:
    with os.fdopen(handed, "rb") as message:
        return message.read()


def main() -> None:
    """Become the function (AWS Lambda's contract for its process: environment, working directory, sys.path)."""
    if sys.flags.isolated:
        _start_again(_hand_out())
    started_again = len(sys.argv) > 1
    message = _read(int(sys.argv.pop())) if started_again else b""
    runtime = importlib.import_module("awslambdaric.__main__")  # what waits has it loaded when its function comes
    function: dict[str, Any] = json.loads(message or _hand_out())
    os.environ.update(function["environment"])
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(_LOG_FD)
    time.tzset()
    os.chdir("/var/task")
    sys.path[:] = function["path"] + [entry for entry in sys.path if entry not in function["path"]]
    runtime.main(["bootstrap", function["handler"]])


if __name__ == "__main__":
    main()
