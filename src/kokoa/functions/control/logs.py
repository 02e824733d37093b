"""Function logs: written once each however often they are delivered, read back page by page, forgotten in time."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from kokoa.functions.control.errors import InvalidLogQuery, LogGroupNotFound
from kokoa.functions.control.store import q
from kokoa.functions.host.model import LogRecord
from kokoa.kernel.clock import Clock, now_ms
from kokoa.postgres import Database, Row

RETENTION_MS: Final = 14 * 24 * 3_600_000
FORGET_BATCH: Final = 5_000
APPEND_MAX: Final = 10_000
MESSAGE_LENGTH_MAX: Final = 262_144
TERMS_MAX: Final = 20
SCAN_MAX: Final = 50_000
"""How many events one page of a search reads: a rare term must not read two weeks of logs at once."""
PAGE_BYTES_MAX: Final = 1024 * 1024
"""Where a page of events ends, as in AWS; it always holds one event."""
FOREVER_MS: Final = 2**62

T = TypeVar("T")

_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))')


class LogGroup(msgspec.Struct, frozen=True):
    """A log group: `/aws/lambda/<function>`."""

    name: str
    created_ms: int


class LogStream(msgspec.Struct, frozen=True):
    """A stream of a group: what one sandbox wrote."""

    name: str
    first_event_ms: int
    last_event_ms: int
    ingested_ms: int
    created_ms: int


class LogEvent(msgspec.Struct, frozen=True):
    """One line, with where it stands.  position: orders the lines of one millisecond."""

    id: str
    stream: str
    timestamp_ms: int
    ingested_ms: int
    message: str
    position: int


class Page(NamedTuple):
    """Events and the token that continues after them; empty when there are no more now."""

    events: list[LogEvent]
    next_token: str


class Pattern(msgspec.Struct, frozen=True):
    """A filter pattern of plain terms: all of `required`, one of `optional`, none of `excluded`. Case counts."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


class LogQuery(msgspec.Struct, frozen=True):
    """What to filter events by.  start_ms is included, end_ms is not; no streams means all of them."""

    group: str
    start_ms: int = 0
    end_ms: int = FOREVER_MS
    streams: tuple[str, ...] = ()
    stream_prefix: str = ""
    pattern: Pattern = Pattern()


def parse_pattern(text: str) -> Pattern:
    """`ERROR "not found" -retry`, `?one ?other`. Raises InvalidLogQuery for JSON, array and regex patterns."""
    stripped = text.strip()
    if stripped[:1] in ("{", "[", "%"):
        raise InvalidLogQuery(
            f'Invalid filter pattern {stripped[:40]!r}: Kokoa filters by plain terms (ERROR "not found" -retry, '
            "?one ?other), not by JSON, array or regex patterns yet.",
            field="filterPattern",
        )
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    for sign, quoted, plain in _TERM.findall(stripped):
        term = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        if term:
            terms[sign].append(term)
    if sum(map(len, terms.values())) > TERMS_MAX:
        raise InvalidLogQuery(f"A filter pattern has at most {TERMS_MAX} terms.", field="filterPattern")
    return Pattern(tuple(terms[""]), tuple(terms["?"]), tuple(terms["-"]))


class FunctionLogs:
    """The log events of all functions. Everything but `forget_old` is inside one environment and account."""

    def __init__(self, database: Database, *, clock: Clock = now_ms, scan_max: int = SCAN_MAX) -> None:
        self._database = database
        self._scan_max = scan_max
        self._clock = clock

    async def append(self, environment_id: str, records: Sequence[LogRecord]) -> None:
        """Keep the records; what is there already by its id stays as it is.  records: at most APPEND_MAX."""
        if not records:
            return
        if len(records) > APPEND_MAX:
            raise InvalidLogQuery(f"At most {APPEND_MAX} log records are written at once.")
        if any(record.environment_id != environment_id for record in records):
            raise InvalidLogQuery("Log records of another environment cannot be written here.")
        now = self._clock()
        columns = [
            [record.account_id for record in records],
            [record.id for record in records],
            [record.log_group for record in records],
            [record.log_stream for record in records],
            [record.timestamp_ms for record in records],
            [now for _ in records],
            [_storable(record.message) for record in records],
            [record.request_id for record in records],
            [record.correlation_id for record in records],
        ]
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(q.insert_log_events, *columns)
            await tx.execute(q.touch_log_streams, *_stream_columns(records, now))

    async def forget_old(self, *, older_than_ms: int = RETENTION_MS) -> int:
        """Delete events of all environments past their retention, one batch; how many went. Call it until 0."""
        rows = await self._database.fetch_anywhere(q.forget_old_logs, self._clock() - older_than_ms, FORGET_BATCH)
        return int(rows[0][0])

    async def groups(
        self, environment_id: str, account_id: str, *, prefix: str, part: str, after: str, limit: int
    ) -> list[LogGroup]:
        """By name, after the given one.  part: a text that the name contains."""
        rows = await self._database.fetch(environment_id, q.log_groups_page, account_id, after, prefix, part, limit)
        return [LogGroup(row["log_group"], row["created_ms"]) for row in rows]

    async def streams(
        self,
        environment_id: str,
        account_id: str,
        group: str,
        *,
        order: Literal["name", "time"],
        descending: bool,
        prefix: str,
        token: str,
        limit: int,
    ) -> tuple[list[LogStream], str]:
        """A page and its token. Raises LogGroupNotFound, InvalidLogQuery."""
        await self._require_group(environment_id, account_id, group)
        if order == "name":
            statement = q.log_streams_by_name_descending if descending else q.log_streams_by_name
            after: tuple[object, ...] = (_place_of_stream(token)[1] if token else "", prefix)
        else:
            statement = q.log_streams_by_time_descending if descending else q.log_streams_by_time
            start = (FOREVER_MS, "") if descending else (-1, "")
            after = _place_of_stream(token) if token else start
        rows = await self._database.fetch(environment_id, statement, account_id, group, *after, limit)
        streams = [
            LogStream(
                row["log_stream"],
                row["first_event_ms"],
                row["last_event_ms"],
                row["ingested_ms"],
                row["created_ms"],
            )
            for row in rows
        ]
        more = _pack((streams[-1].last_event_ms, streams[-1].name)) if len(streams) == limit else ""
        return streams, more

    async def filter(self, environment_id: str, account_id: str, query: LogQuery, *, token: str, limit: int) -> Page:
        """Events of a group in order of time; a page that searched SCAN_MAX events ends there, with a token.

        Raises LogGroupNotFound, InvalidLogQuery.
        """
        await self._require_group(environment_id, account_id, query.group)
        after = _place_of_event(token) if token else (-1, -1)
        span = (account_id, query.group, query.start_ms, query.end_ms, *after)
        end = await self._database.fetchrow(environment_id, q.scan_end, *span, self._scan_max - 1)
        until = (end["timestamp_ms"], end["position"]) if end else (FOREVER_MS, FOREVER_MS)
        pattern = query.pattern
        terms = (list(pattern.required), list(pattern.optional), list(pattern.excluded))
        rows = await self._database.fetch(
            environment_id,
            q.filter_log_events,
            *span,
            *until,
            list(query.streams),
            query.stream_prefix,
            *terms,
            limit,
            PAGE_BYTES_MAX,
        )
        events = [_event(row) for row in rows]
        if events and (len(events) == limit or len(events) < rows[0]["found"]):
            return Page(events, _pack(_place(events[-1])))
        return Page(events, _pack(until) if end else "")

    async def stream_events(
        self,
        environment_id: str,
        account_id: str,
        group: str,
        stream: str,
        *,
        start_ms: int,
        end_ms: int,
        token: str,
        from_head: bool,
        limit: int,
    ) -> tuple[list[LogEvent], str, str]:
        """Events of one stream, oldest first, with the tokens that go forward and backward from there.

        Tokens begin with f/ or b/ as AWS's do; a token that leads nowhere new comes back unchanged.
        Raises LogGroupNotFound, InvalidLogQuery.
        """
        exists = await self._database.fetchval(environment_id, q.log_stream_exists, account_id, group, stream)
        if not exists:
            raise LogGroupNotFound("The specified log stream does not exist.")
        forward = from_head if not token else token.startswith("f/")
        place = _place_of_event(token[2:]) if token else ((-1, -1) if forward else (FOREVER_MS, 0))
        statement = q.stream_events_forward if forward else q.stream_events_backward
        rows = await self._database.fetch(
            environment_id, statement, account_id, group, stream, start_ms, end_ms, *place, limit, PAGE_BYTES_MAX
        )
        events = [_event(row) for row in (rows if forward else reversed(rows))]
        first = _place(events[0]) if events else place
        last = _place(events[-1]) if events else place
        return events, "f/" + _pack(last), "b/" + _pack(first)

    async def _require_group(self, environment_id: str, account_id: str, group: str) -> None:
        if not await self._database.fetchval(environment_id, q.log_group_exists, account_id, group):
            raise LogGroupNotFound("The specified log group does not exist.")


def _stream_columns(records: Sequence[LogRecord], now: int) -> list[list[object]]:
    spans: dict[tuple[str, str, str], tuple[int, int]] = {}
    for record in records:
        key = (record.account_id, record.log_group, record.log_stream)
        first, last = spans.get(key, (record.timestamp_ms, record.timestamp_ms))
        spans[key] = (min(first, record.timestamp_ms), max(last, record.timestamp_ms))
    lines = [(*key, first, last, now) for key, (first, last) in spans.items()]
    return [list(column) for column in zip(*lines, strict=True)]


def _storable(message: str) -> str:
    """PostgreSQL's text cannot hold NUL, nor half a surrogate pair; functions can print both."""
    cut = message[:MESSAGE_LENGTH_MAX].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cut.encode("utf-8", "replace").decode()


def _event(row: Row) -> LogEvent:
    return LogEvent(
        id=row["id"],
        stream=row["log_stream"],
        timestamp_ms=row["timestamp_ms"],
        ingested_ms=row["ingested_ms"],
        message=row["message"],
        position=row["position"],
    )


def _place(event: LogEvent) -> tuple[int, int]:
    return event.timestamp_ms, event.position


def _pack(place: tuple[int, int] | tuple[int, str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place_of_event(token: str) -> tuple[int, int]:
    time_ms, position = _unpack(token, tuple[int, int])
    return _within(time_ms), _within(position)


def _place_of_stream(token: str) -> tuple[int, str]:
    time_ms, name = _unpack(token, tuple[int, str])
    if "\0" in name:
        raise _bad_token()
    return _within(time_ms), name


def _unpack(token: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=kind)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise _bad_token() from None


def _within(number: int) -> int:
    if not -1 <= number <= FOREVER_MS:
        raise _bad_token()
    return number


def _bad_token() -> InvalidLogQuery:
    return InvalidLogQuery("The specified nextToken is invalid.", field="nextToken")
