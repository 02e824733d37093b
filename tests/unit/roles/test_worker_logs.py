"""Function logs on their way from the bus to the database."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from kokoa.functions.control.logs import APPEND_MAX
from kokoa.functions.host.model import LogRecord
from kokoa.roles.worker import keep_logs

Handler = Callable[[list[Any]], Awaitable[None]]


class FakeMessage:
    """One message of the LOGS stream."""

    def __init__(self, records: Sequence[LogRecord]) -> None:
        self.data = msgspec.msgpack.encode(list(records))


class FakeBus:
    """Keeps the handler of a consumer, to be called by the test."""

    handler: Handler

    async def consume(self, stream: str, durable: str, subject: str, handler: Handler, *, batch: int) -> None:
        self.handler = handler
        self.batch = batch


class FakeLogs:
    """Counts what it is given, and refuses too much at once, as FunctionLogs does."""

    def __init__(self) -> None:
        self.written: dict[str, int] = {}

    async def append(self, environment_id: str, records: Sequence[LogRecord]) -> None:
        assert len(records) <= APPEND_MAX
        assert {record.environment_id for record in records} == {environment_id}
        self.written[environment_id] = self.written.get(environment_id, 0) + len(records)


def records(environment_id: str, count: int) -> list[LogRecord]:
    return [
        LogRecord(
            id=str(number),
            environment_id=environment_id,
            account_id="123456789012",
            log_group="/aws/lambda/f",
            log_stream="s",
            timestamp_ms=1,
            message="x",
            request_id="r",
            correlation_id="c",
        )
        for number in range(count)
    ]


async def test_a_flood_of_one_environment_is_written_in_parts_and_holds_nobody_up() -> None:
    bus, logs = FakeBus(), FakeLogs()
    await keep_logs(bus, logs)  # type: ignore[arg-type]  # fakes with the methods that are used
    flood = [FakeMessage(records("flooded", 500)) for _ in range(bus.batch - 1)]
    await bus.handler([*flood, FakeMessage(records("quiet", 1))])
    assert logs.written == {"flooded": 500 * (bus.batch - 1), "quiet": 1}
    assert logs.written["flooded"] > APPEND_MAX
