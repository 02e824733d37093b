"""The Runtime API client that awslambdaric asks for, in plain Python.

awslambdaric ships this module as a C++ extension for one minor version of Python only; this one serves every
version that the machine has, and starts faster because it loads no shared library. Same four functions.
"""

import socket

_API = ("127.0.0.1", 9001)
_PATH = "/2018-06-01/runtime/invocation/"
_HEAD_BYTES_MAX = 65536
# The host answers 413 to an answer that is too large and has told the caller so already: the runtime goes on.
_ANSWERS_EXPECTED = ("202", "413")


class _Connection:
    """One kept connection; requests go out in one write each, or delayed ACKs would cost 40 ms."""

    def __init__(self) -> None:
        self.user_agent = "aws-lambda-python"
        self._socket: socket.socket | None = None

    def exchange(self, head: str, body: bytes = b"") -> tuple[str, dict[str, str], bytes]:
        """Send a request and read its answer: (status, headers, body). Raises RuntimeError."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(_API)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(head.encode("latin-1") + body)
            return _read_answer(self._socket)
        except OSError as error:
            self._socket = None
            raise RuntimeError(f"the Lambda Runtime API does not answer: {error}") from error


def _read_answer(source: socket.socket) -> tuple[str, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(source, 65536)
        if len(data) > _HEAD_BYTES_MAX and b"\r\n\r\n" not in data:
            raise OSError("the head of the answer is too long")
    head, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    chunks = [body]
    missing = int(headers.get("Content-Length", "0")) - len(body)
    while missing > 0:
        chunk = _receive(source, min(missing, 1 << 20))
        chunks.append(chunk)
        missing -= len(chunk)
    return status_line.split(" ")[1], headers, b"".join(chunks)


def _receive(source: socket.socket, count: int) -> bytes:
    chunk = source.recv(count)
    if not chunk:
        raise OSError("the connection was closed")
    return chunk


_connection = _Connection()


def initialize_client(user_agent: str) -> None:
    """Remember how this runtime calls itself."""
    _connection.user_agent = user_agent


def next() -> tuple[bytes, dict[str, str | int]]:
    """Wait for the next invocation: (body, headers)."""
    agent = _connection.user_agent
    status, headers, body = _connection.exchange(
        f"GET {_PATH}next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUser-Agent: {agent}\r\n\r\n"
    )
    if status != "200":
        raise RuntimeError(f"Failed to get the next invocation: status {status}")
    deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])  # awslambdaric counts with it
    return body, {**headers, "Lambda-Runtime-Deadline-Ms": deadline_ms}


def post_invocation_result(invoke_id: str, data: bytes, content_type: str, invocation_id: str | None = None) -> None:
    """Report what the function returned."""
    _post(invoke_id + "/response", data, f"Content-Type: {content_type}\r\n")


def post_error(invoke_id: str, error_document: str, xray_cause: str, invocation_id: str | None = None) -> None:
    """Report what the function raised. The X-Ray cause has no reader here and is left out."""
    _post(invoke_id + "/error", error_document.encode(), "Content-Type: application/json\r\n")


def _post(path: str, data: bytes, headers: str) -> None:
    status, _, body = _connection.exchange(
        f"POST {_PATH}{path} HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n{headers}Content-Length: {len(data)}\r\n\r\n", data
    )
    if status not in _ANSWERS_EXPECTED:
        raise RuntimeError(f"The Runtime API refused the answer: {status} {body.decode(errors='replace')}")
