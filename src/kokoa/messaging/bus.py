"""The bus: events in JetStream streams, durable consumers, and small notices that may be lost.

events.<environment>.<service>.<Type>   stream EVENTS, from the outboxes, de-duplicated by event id
logs.<environment>.<account>            stream LOGS, what functions print
notices.<name>                          core NATS: "look again"; receivers also look by themselves now and then
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import nats
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StreamConfig

from kokoa.kernel.errors import Unavailable
from kokoa.kernel.ids import new_id
from kokoa.kernel.transaction import refuse_in_transaction

_log = structlog.get_logger(__name__)

_DAY_S = 86_400.0
_GIB = 1 << 30
_PUBLISH_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 3.0
_ACK_WAIT_S = 12.0  # after a crash, as long until the next gets the messages; a handler that works on says so
_PROGRESS_EVERY_S = 4.0
_PROGRESS_MAX = 10
_REDELIVERIES_MAX = 20
_RETRY_PAUSES_S = (0.1, 0.5, 2.0, 10.0, 30.0)
_FETCH_WAIT_S = 5.0
BATCH_MAX = 1_000  # the server's own bound

StreamName = Literal["EVENTS", "LOGS"]

# A stream's subjects, its age and size bounds; what is older or more is discarded from the old end.
_STREAMS: Mapping[StreamName, tuple[str, float, int]] = {
    "EVENTS": ("events.>", 7 * _DAY_S, 10 * _GIB),
    "LOGS": ("logs.>", _DAY_S, 2 * _GIB),
}


class BusUnavailable(Unavailable):
    """NATS does not answer."""


class Message:
    """One delivery.  data: the payload."""

    def __init__(self, message: Msg) -> None:
        self.subject: str = message.subject
        self.data: bytes = message.data
        self._message = message

    @property
    def attempt(self) -> int:
        """1 for the first delivery."""
        return self._message.metadata.num_delivered or 1


class Outgoing(msgspec.Struct, frozen=True):
    """A message to store.  id: the same one again is dropped."""

    subject: str
    payload: bytes
    id: str


class _BatchAck(msgspec.Struct, frozen=True):
    """What the server says of a batch that it has committed; both are missing when it has not."""

    batch: str = ""
    count: int = 0


class SomeFailed(Exception):
    """A handler did the others, and could not do these: only they come again."""

    def __init__(self, failed: list[Message]) -> None:
        super().__init__(f"{len(failed)} messages failed")
        self.failed = failed


class Bus:
    """One connection to NATS, which reconnects by itself for ever."""

    def __init__(self, client: Client, streams: JetStreamContext) -> None:
        self._client = client
        self._streams = streams

    @classmethod
    async def connect(cls, url: str, *, name: str) -> "Bus":
        """Connect and make sure that the streams exist. Raises BusUnavailable."""
        try:
            client = await nats.connect(url, name=name, **connect_options(attempts=-1))
            streams = client.jetstream(timeout=_PUBLISH_TIMEOUT_S)
            for stream in _STREAMS:
                await _ensure_stream(streams, stream)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise BusUnavailable("The message bus does not answer.", detail=repr(error)) from error
        return cls(client, streams)

    async def close(self) -> None:
        """Close the connection, whether or not the server still answers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._client.close()

    async def require_connected(self) -> None:
        """Raises BusUnavailable while the connection is away."""
        if not self._client.is_connected:
            raise BusUnavailable("The message bus does not answer.")

    async def publish(self, subject: str, payload: bytes, *, message_id: str) -> None:
        """Store a message in its stream; when this returns it is durable. The same id again is dropped.

        Raises BusUnavailable; whether it was stored is then unknown, so publish it again with the same id.
        """
        refuse_in_transaction("NATS publish")
        try:
            await self._streams.publish(subject, payload, headers={"Nats-Msg-Id": message_id})
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise BusUnavailable("The message bus did not store a message.", detail=repr(error)) from error

    async def publish_all(self, messages: Sequence[Outgoing]) -> None:
        """Store messages in their order; when this returns all are durable. Known ids are dropped.

        As one atomic batch (NATS ADR-50), which the server writes to disk once: ten times as fast as one by one.
        Raises BusUnavailable; which were stored is then unknown, so publish all again with the same ids.
        """
        refuse_in_transaction("NATS publish")
        if 1 < len(messages) <= BATCH_MAX and await self._publish_batch(messages):
            return
        # A server without batches, or a message that is stored already: then the whole batch was refused. One after
        # the other awaiting all acknowledgements together: JetStream stores in the order of arrival.
        await asyncio.gather(*(self.publish(one.subject, one.payload, message_id=one.id) for one in messages))

    async def _publish_batch(self, messages: Sequence[Outgoing]) -> bool:
        """Whether the server has stored all of them. Raises BusUnavailable."""
        batch_id = new_id()
        try:
            for number, one in enumerate(messages, 1):
                headers = {"Nats-Msg-Id": one.id, "Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
                if number < len(messages):
                    await self._client.publish(one.subject, one.payload, headers=headers)
            headers["Nats-Batch-Commit"] = "1"
            answer = await self._client.request(one.subject, one.payload, _PUBLISH_TIMEOUT_S, headers=headers)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise BusUnavailable("The message bus did not store messages.", detail=repr(error)) from error
        stored = msgspec.json.decode(answer.data, type=_BatchAck)
        return stored.batch == batch_id and stored.count == len(messages)

    async def notify(self, name: str, payload: bytes = b"") -> None:
        """Tell whoever listens right now. It may be lost: receivers must also look by themselves."""
        refuse_in_transaction("NATS notice")
        try:
            await self._client.publish(f"notices.{name}", payload)
        except (OSError, nats.errors.Error) as error:
            raise BusUnavailable("The message bus does not answer.", detail=repr(error)) from error

    async def listen(self, name: str, handler: Callable[[str, bytes], Awaitable[None]]) -> None:
        """Call handler(name, payload) for every notice; `*` and `>` are NATS's wildcards."""

        async def received(message: Msg) -> None:
            await handler(message.subject.removeprefix("notices."), message.data)

        await self._client.subscribe(f"notices.{name}", cb=received)

    async def overhear(self, subject: str, handler: Callable[[bytes], None]) -> Callable[[], Awaitable[None]]:
        """Call handler(payload) for every message that is published from now on; the answer ends it.

        Nothing is redelivered. Raises BusUnavailable.
        """

        async def received(message: Msg) -> None:
            handler(message.data)

        try:
            subscription = await self._client.subscribe(subject, cb=received)
            await self._client.flush()  # from here on nothing is missed
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise BusUnavailable("The message bus does not answer.", detail=repr(error)) from error

        async def end() -> None:
            with contextlib.suppress(OSError, nats.errors.Error):  # a connection that is gone hears nothing anyway
                await subscription.unsubscribe()

        return end

    async def consume(
        self,
        stream: StreamName,
        durable: str,
        subject: str,
        handler: Callable[[list[Message]], Awaitable[None]],
        *,
        batch: int = 100,
    ) -> None:
        """Run a durable consumer until cancelled: handler(batch) in stream order, at least once.

        A handler that raises gets the same messages again after a pause, up to 20 times; then they are
        given up, each with an error in our log. Processes with the same `durable` share the work. A handler may
        raise SomeFailed, and may take 40 seconds; then others get its messages too.
        """
        while True:
            try:
                # Made, or changed to what it is to be now: a consumer outlives the program that made it.
                await self._streams.add_consumer(
                    stream,
                    ConsumerConfig(
                        durable_name=durable,
                        filter_subject=subject,
                        ack_policy=AckPolicy.EXPLICIT,
                        ack_wait=_ACK_WAIT_S,
                        max_deliver=_REDELIVERIES_MAX,
                        # One batch under way: the next starts when this one is done, so order holds.
                        max_ack_pending=batch,
                    ),
                )
                subscription = await self._streams.pull_subscribe_bind(durable=durable, stream=stream)
                await self._pull(subscription, handler, durable, batch)
            except (OSError, TimeoutError, nats.errors.Error) as error:
                _log.warning("consumer_reconnects", durable=durable, error=repr(error))
                await asyncio.sleep(_RETRY_PAUSES_S[1])

    async def _pull(
        self,
        subscription: JetStreamContext.PullSubscription,
        handler: Callable[[list[Message]], Awaitable[None]],
        durable: str,
        batch: int,
    ) -> None:
        while True:
            try:
                messages = await subscription.fetch(batch, timeout=_FETCH_WAIT_S)
            except nats.errors.TimeoutError:
                continue
            told = [Message(message) for message in messages]
            try:
                async with _in_progress(messages):
                    await handler(told)
            except SomeFailed as some:
                failed = {id(message) for message in some.failed}
                again = [theirs for ours, theirs in zip(told, messages, strict=True) if id(ours) in failed]
                done = [theirs for ours, theirs in zip(told, messages, strict=True) if id(ours) not in failed]
                await _acknowledge(done)
                await _retry(again, durable, some)
            except Exception as error:
                await _retry(messages, durable, error)
            else:
                await _acknowledge(messages)


async def _acknowledge(messages: list[Msg]) -> None:
    """One after the other: each is only written into the connection's buffer."""
    for message in messages:
        await message.ack()


async def _retry(messages: list[Msg], durable: str, error: Exception) -> None:
    """Ask for the messages again after a pause; when it was the last time, they are given up."""
    attempt = max(message.metadata.num_delivered or 1 for message in messages)
    event = "messages_given_up" if attempt >= _REDELIVERIES_MAX else "messages_retried"
    _log.error(event, durable=durable, attempt=attempt, count=len(messages), exc_info=error.__cause__ or error)
    pause_s = _RETRY_PAUSES_S[min(attempt - 1, len(_RETRY_PAUSES_S) - 1)]
    await asyncio.gather(*(message.nak(delay=pause_s) for message in messages))


@contextlib.asynccontextmanager
async def _in_progress(messages: list[Msg]) -> AsyncIterator[None]:
    """While the block runs, keep the messages from going to somebody else; not for ever, for it may hang."""

    async def tell() -> None:
        for _ in range(_PROGRESS_MAX):
            await asyncio.sleep(_PROGRESS_EVERY_S)
            await asyncio.gather(*(message.in_progress() for message in messages))

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, nats.errors.Error):
            await telling


def connect_options(*, attempts: int) -> dict[str, Any]:
    """attempts: how often to try to connect; -1 for ever, quickly at first."""
    return {
        "max_reconnect_attempts": attempts,
        "reconnect_time_wait": 0.1,
        "connect_timeout": 2,
        "allow_reconnect": attempts < 0,
        "error_cb": _note_error,
        "ping_interval": 10,
        "max_outstanding_pings": 3,
    }


async def _note_error(error: Exception) -> None:
    _log.debug("nats_error", error=repr(error))


async def _ensure_stream(streams: JetStreamContext, name: StreamName) -> None:
    subject, max_age_s, max_bytes = _STREAMS[name]
    config = StreamConfig(
        name=name,
        subjects=[subject],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        max_age=max_age_s,
        max_bytes=max_bytes,
        duplicate_window=120.0,
        allow_atomic=True,
    )
    try:
        await streams.add_stream(config)
    except nats.js.errors.BadRequestError:  # it exists with other bounds: ours are the newer ones
        await streams.update_stream(config)
