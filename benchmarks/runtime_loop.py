"""The barest function there is: one process that asks a Runtime API for work and answers it. A program for
`runtime_floor`, on the standard library alone: `python runtime_loop.py <port>`.
"""

import json
import socket
import sys

_HEAD_END = b"\r\n\r\n"


def exchange(connection: socket.socket, data: bytes) -> tuple[dict[str, str], bytes]:
    """Send a request; the headers (lower-case names) and the body of its answer."""
    connection.sendall(data)
    received = b""
    while _HEAD_END not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(_HEAD_END)
    lines = head.decode("latin-1").lower().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return headers, body


def main(port: int) -> None:
    """Until the server closes the connection."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    path = "/2018-06-01/runtime/invocation/"
    ask = f"GET {path}next HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    while True:
        headers, body = exchange(connection, ask)
        event = json.loads(body)
        answer = json.dumps({"hello": event["name"]}).encode()
        target = f"{path}{headers['lambda-runtime-aws-request-id']}/response"
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(answer)}\r\n\r\n"
        exchange(connection, head.encode() + answer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
