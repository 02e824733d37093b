"""The smallest ASGI client: one request in, status, headers and body out."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import orjson
from starlette.types import ASGIApp, Message


class Answer(msgspec.Struct, frozen=True):
    status: int
    header_list: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.header_list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.header_list if key == name]

    def json(self) -> Any:
        return orjson.loads(self.body)


async def ask(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | list[bytes] = b"",
    client: str = "203.0.113.7",
    disconnect: bool = False,
    scheme: str = "http",
) -> Answer:
    """target: path and query as they stand in the request line.  disconnect: the client leaves before its body."""
    raw_path, _, query = target.partition("?")
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": raw_path,
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
        "client": (client, 50000),
        "server": ("127.0.0.1", 8080),
    }
    chunks = list(body) if isinstance(body, list) else [body]
    sent: list[Message] = []

    async def receive() -> Message:
        if disconnect or not chunks:
            return {"type": "http.disconnect"}
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Answer(0, (), b"")
    start = sent[0]
    pairs_out = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
    return Answer(start["status"], pairs_out, b"".join(message.get("body", b"") for message in sent[1:]))


class SessionOfApp:
    """The part of aiohttp's session that a client uses, in front of an ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @asynccontextmanager
    async def post(self, url: str, *, data: bytes, headers: Mapping[str, str], timeout: Any) -> AsyncIterator[Any]:
        assert timeout.total
        answer = await ask(self._app, "POST", url.removeprefix("http://peer"), headers=headers, body=data)

        class Response:
            status = answer.status

            async def read(self) -> bytes:
                return answer.body

        yield Response()
