"""The bus on a real server: durable, de-duplicated, at least once; the relay loses nothing over a crash."""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kokoa.kernel.ids import new_id
from kokoa.kernel.transaction import CallInsideTransaction
from kokoa.messaging import Bus, BusUnavailable, EmbeddedNats, Message, Outgoing, SomeFailed, Together, relay_once
from kokoa.messaging.feed import Feed, FeedOverflow
from kokoa.postgres import Envelope, Event
from kokoa.roles.worker import DatabaseOutbox
from servers import ConnectService, until

SAMPLE = Path(__file__).parent / "migrations_sample"


class ThingSeen(Event):
    """An event for these tests."""

    thing: str

    def key(self) -> str:
        return self.thing


class Collector:
    """A consumer's handler that keeps what it got.  fail_first: how many batches to refuse."""

    def __init__(self, fail_first: int = 0) -> None:
        self.payloads: list[bytes] = []
        self.attempts: list[int] = []
        self._failures_left = fail_first

    async def __call__(self, messages: list[Message]) -> None:
        self.attempts += [message.attempt for message in messages]
        if self._failures_left:
            self._failures_left -= 1
            raise RuntimeError("refused once, on purpose")
        self.payloads += [message.data for message in messages]


@asynccontextmanager
async def consuming(bus: Bus, subject: str, collector: Collector) -> Any:
    name = f"test-{new_id()}"
    task = asyncio.create_task(bus.consume("EVENTS", name, subject, collector, batch=10))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_messages_arrive_in_order_and_once_for_each_id(bus: Bus) -> None:
    environment, collector = new_id(), Collector()
    subject = f"events.{environment}.sample.ThingSeen"
    for number in range(25):
        await bus.publish(subject, str(number).encode(), message_id=f"{environment}/{number}")
        await bus.publish(subject, b"again", message_id=f"{environment}/{number}")
    async with consuming(bus, f"events.{environment}.>", collector):
        await until(lambda: len(collector.payloads) >= 25)
    assert collector.payloads == [str(number).encode() for number in range(25)]


async def test_a_handler_that_fails_gets_the_same_messages_again(bus: Bus) -> None:
    environment, collector = new_id(), Collector(fail_first=1)
    await bus.publish(f"events.{environment}.sample.ThingSeen", b"one", message_id=new_id())
    async with consuming(bus, f"events.{environment}.>", collector):
        await until(lambda: collector.payloads == [b"one"])
    assert collector.attempts == [1, 2]


async def test_relay_publishes_what_committed_and_nothing_twice(connect_service: ConnectService, bus: Bus) -> None:
    database = await connect_service("sample", SAMPLE)
    environment, collector = new_id(), Collector()
    async with database.transaction(environment) as tx:
        await tx.emit(*(ThingSeen(thing=str(n)) for n in range(5)), correlation_id="a" * 32)
    outbox = DatabaseOutbox(database)
    rows = await outbox.pending(10)
    assert await relay_once(outbox, bus) == 5
    assert await relay_once(outbox, bus) == 0
    for _, event_id, payload in rows:  # as after a crash between publishing and deleting
        await bus.publish(f"events.{environment}.sample.ThingSeen", payload, message_id=event_id)
    async with consuming(bus, f"events.{environment}.>", collector):
        await until(lambda: len(collector.payloads) >= 5)
    things = [msgspec.json.decode(payload, type=Envelope).data["thing"] for payload in collector.payloads]
    assert things == ["0", "1", "2", "3", "4"]


async def test_one_relay_leads_at_a_time(connect_service: ConnectService) -> None:
    database = await connect_service("sample", SAMPLE)
    async with DatabaseOutbox(database).leading() as first, DatabaseOutbox(database).leading() as second:
        assert (first, second) == (True, False)
    async with DatabaseOutbox(database).leading() as again:
        assert again is True


async def test_publishing_inside_a_transaction_is_refused(connect_service: ConnectService, bus: Bus) -> None:
    database = await connect_service("sample", SAMPLE)
    async with database.transaction(new_id()):
        with pytest.raises(CallInsideTransaction):
            await bus.publish("events.x.y.Z", b"", message_id=new_id())


async def test_what_was_acknowledged_survives_kill_9_and_the_connection_comes_back(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path)
    await server.start()
    bus = await Bus.connect(server.url, name="test")
    try:
        environment, collector = new_id(), Collector()
        await bus.publish(f"events.{environment}.sample.ThingSeen", b"before", message_id=new_id())
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await publish_until_stored(bus, f"events.{environment}.sample.ThingSeen", b"after")
        async with consuming(bus, f"events.{environment}.>", collector):
            await until(lambda: len(collector.payloads) >= 2)
        assert collector.payloads == [b"before", b"after"]
    finally:
        await bus.close()
        await server.stop()


async def publish_until_stored(bus: Bus, subject: str, payload: bytes) -> None:
    message_id = new_id()
    async with asyncio.timeout(30):
        while True:
            try:
                async with asyncio.timeout(1):
                    await bus.publish(subject, payload, message_id=message_id)
                    return
            except (BusUnavailable, TimeoutError):
                continue


async def test_notices_reach_listeners_of_other_connections(bus: Bus, nats_server: EmbeddedNats) -> None:
    other = await Bus.connect(nats_server.url, name="other")
    heard: list[tuple[str, bytes]] = []

    async def hear(name: str, payload: bytes) -> None:
        heard.append((name, payload))

    await other.listen("changed.*", hear)
    async with asyncio.timeout(10):
        while not heard:
            await bus.notify("changed.routes", b"now")
            await asyncio.sleep(0.02)
    assert heard[0] == ("changed.routes", b"now")
    await other.close()


async def test_a_feed_hands_events_to_all_who_listen_and_closes_after_the_last(bus: Bus) -> None:
    environment, feed = new_id(), Feed(bus, "sample")
    heard: list[list[bytes]] = [[], []]

    async def listen(number: int, wanted: int) -> None:
        async with aclosing(feed.follow(environment)) as events:
            async for payload in events:
                heard[number].append(payload)
                if len(heard[number]) == wanted:
                    return

    listening = [asyncio.ensure_future(listen(0, 1)), asyncio.ensure_future(listen(1, 2))]
    await until(lambda: feed.listeners(environment) == 2)
    await bus.publish(f"events.{new_id()}.sample.ThingSeen", b"elsewhere", message_id=new_id())
    for text in (b"one", b"two"):
        await bus.publish(f"events.{environment}.sample.ThingSeen", text, message_id=new_id())
    await asyncio.wait_for(asyncio.gather(*listening), 60)
    assert heard == [[b"one"], [b"one", b"two"]]
    assert feed.listeners(environment) == 0


async def test_who_reads_too_slowly_is_told_to_connect_again(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokoa.messaging.feed.WAITING_MAX", 4)
    environment, feed = new_id(), Feed(bus, "sample")
    events = feed.follow(environment)
    first = asyncio.ensure_future(anext(events))
    await until(lambda: feed.listeners(environment) == 1)
    last = asyncio.Event()
    await bus.overhear(f"events.{environment}.>", lambda payload: last.set() if payload == b"9" else None)
    for number in range(10):
        await bus.publish(f"events.{environment}.sample.ThingSeen", str(number).encode(), message_id=new_id())
    await asyncio.wait_for(last.wait(), 60)
    assert await first == b"0"
    with pytest.raises(FeedOverflow, match="Connect again"):
        async for _ in events:
            pass


async def test_only_the_messages_that_a_handler_could_not_do_come_again(bus: Bus) -> None:
    environment = new_id()
    subject = f"events.{environment}.sample.ThingSeen"
    seen: list[list[bytes]] = []

    async def handle(messages: list[Message]) -> None:
        seen.append([message.data for message in messages])
        failed = [message for message in messages if message.data == b"2" and message.attempt < 3]
        if failed:
            raise SomeFailed(failed)

    for number in range(4):
        await bus.publish(subject, str(number).encode(), message_id=new_id())
    job = asyncio.create_task(bus.consume("EVENTS", f"some-{environment}", subject, handle))
    await until(lambda: sum(map(len, seen)) == 6)
    await bus.publish(subject, b"last", message_id=new_id())
    await until(lambda: b"last" in seen[-1])
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    assert sorted(data for batch in seen for data in batch) == [b"0", b"1", b"2", b"2", b"2", b"3", b"last"]


async def test_a_batch_is_stored_whole_in_order_and_what_is_known_is_dropped(bus: Bus) -> None:
    """Also a batch of which a part was stored before, as after a crash between publishing and deleting."""
    environment, collector = new_id(), Collector()
    subject = f"events.{environment}.sample.ThingSeen"
    messages = [Outgoing(subject, str(number).encode(), new_id()) for number in range(1200)]
    for part in ([], messages[:1], messages[:300], messages[:300], messages[200:1200], messages):
        await bus.publish_all(part)
    async with consuming(bus, f"events.{environment}.>", collector):
        await until(lambda: len(collector.payloads) >= 1200, within_s=60)
    assert collector.payloads == [one.payload for one in messages]


async def test_what_comes_at_the_same_moment_is_one_batch_and_each_ones_messages_keep_their_order(bus: Bus) -> None:
    environment, together = new_id(), Together(bus)
    own = {name: _numbered(environment, name, 40) for name in ("carts", "orders", "payments")}
    await asyncio.gather(*(together.publish_all(messages) for messages in own.values()), together.publish_all([]))
    stored = await _stored(bus, environment, 120)
    assert len({headers["Nats-Batch-Id"] for _, headers, _ in stored}) == 1
    for name, messages in own.items():
        assert [data for subject, _, data in stored if f".{name}." in subject] == [one.payload for one in messages]


async def test_more_than_a_batch_holds_is_several_and_much_waits_for_nobody(bus: Bus) -> None:
    environment, together = new_id(), Together(bus)
    parts = [_numbered(environment, f"s{number}", 290) for number in range(4)]
    await asyncio.gather(*(together.publish_all(part) for part in parts))
    alone = asyncio.create_task(together.publish_all(_numbered(environment, "few", 1)))
    await asyncio.sleep(0)
    await together.publish_all(_numbered(environment, "many", 300))
    await alone
    stored = await _stored(bus, environment, 4 * 290 + 301)
    batches: dict[str, set[str]] = defaultdict(set)
    for subject, headers, _ in stored:
        batches[headers.get("Nats-Batch-Id", "")].add(subject.split(".")[2])
    assert sorted(map(sorted, batches.values())) == [["few"], ["many"], ["s0", "s1", "s2"], ["s3"]]


async def test_what_cannot_be_stored_keeps_nobody_elses(bus: Bus) -> None:
    """A message that is larger than the server takes."""
    environment, together = new_id(), Together(bus)
    large = Outgoing(f"events.{environment}.large.ThingSeen", b"x" * (9 << 20), new_id())
    good = _numbered(environment, "good", 10)
    ended = await asyncio.gather(together.publish_all([large]), together.publish_all(good), return_exceptions=True)
    assert [type(one) for one in ended] == [BusUnavailable, type(None)]
    assert [data for _, _, data in await _stored(bus, environment, 10)] == [one.payload for one in good]


async def test_who_goes_away_takes_nobody_elses_messages_along(bus: Bus) -> None:
    environment, together = new_id(), Together(bus)
    leaving = asyncio.create_task(together.publish_all(_numbered(environment, "leaving", 5)))
    staying = asyncio.create_task(together.publish_all(_numbered(environment, "staying", 5)))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert leaving.cancelled()
    assert len(await _stored(bus, environment, 10)) == 10


def _numbered(environment: str, service: str, count: int) -> list[Outgoing]:
    subject = f"events.{environment}.{service}.ThingSeen"
    return [Outgoing(subject, str(number).encode(), new_id()) for number in range(count)]


async def _stored(bus: Bus, environment: str, count: int) -> list[tuple[str, Mapping[str, str], bytes]]:
    """(subject, headers, data) of what the stream holds of an environment, in its order."""
    subscription = await bus._streams.subscribe(f"events.{environment}.>", ordered_consumer=True)
    try:
        found = [await subscription.next_msg(timeout=30) for _ in range(count)]
        return [(one.subject, one.headers or {}, one.data) for one in found]
    finally:
        await subscription.unsubscribe()


async def test_a_stream_that_takes_no_batches_gets_the_messages_one_by_one(bus: Bus) -> None:
    environment, collector = new_id(), Collector()
    subject = f"events.{environment}.sample.ThingSeen"
    stream = await bus._streams.stream_info("EVENTS")
    stream.config.allow_atomic = False
    await bus._streams.update_stream(stream.config)
    try:
        await bus.publish_all([Outgoing(subject, str(number).encode(), new_id()) for number in range(20)])
    finally:
        stream.config.allow_atomic = True
        await bus._streams.update_stream(stream.config)
    async with consuming(bus, f"events.{environment}.>", collector):
        await until(lambda: len(collector.payloads) >= 20)
    assert collector.payloads == [str(number).encode() for number in range(20)]


async def test_a_consumer_that_an_earlier_version_made_is_changed_to_what_it_is_to_be(bus: Bus) -> None:
    environment, collector, name = new_id(), Collector(), f"changed-{new_id()}"
    subject = f"events.{environment}.sample.ThingSeen"
    for batch in (10, 500):
        job = asyncio.create_task(bus.consume("EVENTS", name, subject, collector, batch=batch))
        seen = len(collector.payloads)
        await bus.publish_all([Outgoing(subject, str(number).encode(), new_id()) for number in range(600)])
        await until(lambda seen=seen: len(collector.payloads) == seen + 600, within_s=60)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        consumer = await bus._streams.consumer_info("EVENTS", name)
        assert consumer.config.max_ack_pending == batch
