"""The least of a server: POST a body, get JSON; the same around everything that this benchmark runs in Python."""

from abc import ABC, abstractmethod

from starlette.types import Receive, Scope, Send

from kokoa.roles.asgi import settle_heap


class SmallApp(ABC):
    """An ASGI application. open and close: around its life, in its event loop."""

    async def open(self) -> None:  # noqa: B027  # most, not all, have something to open
        """Before the first request."""

    async def close(self) -> None:  # noqa: B027
        """After the last one."""

    @abstractmethod
    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """The status and the JSON to send back."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        status, body = await self.answer(scope["path"], headers, await _body(receive))
        sent = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.open()
        settle_heap()  # as each of Kokoa's processes does
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
