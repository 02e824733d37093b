"""Responses as server-sent events: the *distinct connections mode* of the graphql-sse protocol.

    event: next       one response, as JSON; for a refused request too, because EventSource hides other statuses
    event: complete   nothing follows

A comment every HEARTBEAT_S keeps proxies from closing a quiet stream. Source: the protocol document of graphql-sse,
and https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from kokoa.graphql.http import encode_body
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.errors import Unavailable

HEARTBEAT_S = 12.0
LIFE_S_MAX = 3_600.0
EVENT_BYTES_MAX = 32_000_000

_COMMENT = b":\n\n"
_COMPLETE = b"event: complete\ndata: \n\n"


class EventTooLong(Unavailable):
    """Another server sent an event that is longer than we are willing to hold."""


async def events(
    results: AsyncGenerator[ExecutionResult, None],
    *,
    heartbeat_s: float = HEARTBEAT_S,
    life_s: float = LIFE_S_MAX,
) -> AsyncGenerator[bytes, None]:
    """The stream of an answer. After life_s it ends without `complete`, so that clients connect, and prove who
    they are, anew."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + life_s
    coming: asyncio.Future[ExecutionResult] | None = None
    yield _COMMENT
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(results))
            done, _ = await asyncio.wait({coming}, timeout=min(heartbeat_s, max(ends - loop.time(), 0)))
            if done:
                yield b"event: next\ndata: " + encode_body(coming.result()) + b"\n\n"
                coming = None
            elif loop.time() >= ends:
                return
            else:
                yield _COMMENT
    except StopAsyncIteration:
        yield _COMPLETE
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait({coming})
        await results.aclose()


async def read_events(
    chunks: AsyncIterator[bytes], *, event_bytes_max: int = EVENT_BYTES_MAX
) -> AsyncGenerator[tuple[str, bytes], None]:
    """Another server's stream: (event, data) for each event, comments left out. Raises EventTooLong."""
    waiting = bytearray()
    event, data = "message", bytearray()
    async for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        waiting += first
        lines: list[bytes] = []
        if rest:
            lines = [bytes(waiting), *rest[:-1]]
            waiting = bytearray(rest[-1])
        for line in (one.removesuffix(b"\r") for one in lines):
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if not line:
                if data or event != "message":
                    yield event, bytes(data)
                event, data = "message", bytearray()
            elif name == b"event":
                event = value.decode("utf-8", "replace")
            elif name == b"data":
                data += b"\n" + value if data else value
        if len(waiting) + len(data) > event_bytes_max:
            raise EventTooLong(f"An event has more than {event_bytes_max} bytes.")
