"""CloudWatch Logs with real boto3: what a host reported comes back once, filtered, in pages and in order."""

from typing import Any

import msgspec
import pytest
from clients import refused

from kokoa.functions.control.logs import FunctionLogs, LogQuery, parse_pattern
from kokoa.functions.host.model import LogRecord

GROUP = "/aws/lambda/hello"
START_MS = 1_700_000_000_000


@pytest.fixture
def logs(endpoint: Any, key: Any) -> Any:
    return endpoint.client("logs", key)


def record(key: Any, number: int, message: str, *, stream: str = "s1", at_ms: int | None = None) -> LogRecord:
    return LogRecord(
        id=f"{stream}-{number}",
        environment_id=key.environment_id,
        account_id=key.account_id,
        log_group=GROUP,
        log_stream=stream,
        timestamp_ms=START_MS + number if at_ms is None else at_ms,
        message=message,
        request_id="r",
        correlation_id="c" * 32,
    )


async def append(endpoint: Any, key: Any, *records: LogRecord) -> None:
    await endpoint.plane.logs.append(key.environment_id, records)


def messages(answer: Any) -> list[str]:
    return [event["message"] for event in answer["events"]]


async def test_what_is_delivered_twice_is_kept_once(endpoint: Any, logs: Any, key: Any) -> None:
    records = [record(key, number, f"line {number}") for number in range(5)]
    await append(endpoint, key, *records)
    await append(endpoint, key, *records)
    answer = await logs.filter_log_events(logGroupName=GROUP)
    assert messages(answer) == [f"line {number}" for number in range(5)]
    assert answer["events"][0]["logStreamName"] == "s1"
    assert answer["events"][0]["eventId"] == "s1-0"


async def test_lines_of_one_millisecond_keep_their_order(endpoint: Any, logs: Any, key: Any) -> None:
    lines = [f"line {number}" for number in range(30)]
    await append(endpoint, key, *(record(key, n, text, at_ms=START_MS) for n, text in enumerate(lines)))
    assert messages(await logs.filter_log_events(logGroupName=GROUP)) == lines


async def test_pages_follow_each_other_without_gap_or_repetition(endpoint: Any, logs: Any, key: Any) -> None:
    await append(endpoint, key, *(record(key, n, str(n), at_ms=START_MS + n // 4) for n in range(10)))
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = await logs.filter_log_events(logGroupName=GROUP, limit=3, **token)
        seen += messages(page)
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == [str(n) for n in range(10)]


async def test_a_page_ends_where_its_messages_get_large(endpoint: Any, logs: Any, key: Any) -> None:
    await append(endpoint, key, *(record(key, n, str(n) * 200_000) for n in range(9)))
    first = await logs.filter_log_events(logGroupName=GROUP)
    rest = await logs.filter_log_events(logGroupName=GROUP, nextToken=first["nextToken"])
    assert [text[0] for text in messages(first)] == list("012345")
    assert [text[0] for text in messages(rest)] == list("678")
    assert "nextToken" not in rest
    stream = {"logGroupName": GROUP, "logStreamName": "s1"}
    newest = await logs.get_log_events(**stream)
    older = await logs.get_log_events(**stream, nextToken=newest["nextBackwardToken"])
    assert [text[0] for text in messages(older) + messages(newest)] == list("012345678")


async def test_a_search_goes_on_past_the_end_of_a_page_without_finds(endpoint: Any, key: Any) -> None:
    await append(endpoint, key, *(record(key, n, "needle" if n == 9 else "hay") for n in range(12)))
    logs = FunctionLogs(endpoint.database, scan_max=4)
    query = LogQuery(group=GROUP, pattern=parse_pattern("needle"))
    found, token, pages = [], "", 0
    while True:
        page = await logs.filter(key.environment_id, key.account_id, query, token=token, limit=10)
        found += [event.message for event in page.events]
        token, pages = page.next_token, pages + 1
        if not token:
            break
    assert (found, pages) == (["needle"], 4)


async def test_events_are_filtered_by_time_stream_and_terms(endpoint: Any, logs: Any, key: Any) -> None:
    await append(
        endpoint,
        key,
        record(key, 0, "ERROR not found"),
        record(key, 1, "INFO fine"),
        record(key, 2, "ERROR retry later", stream="s2"),
    )

    async def found(**query: Any) -> list[str]:
        return messages(await logs.filter_log_events(logGroupName=GROUP, **query))

    assert await found(filterPattern="ERROR") == ["ERROR not found", "ERROR retry later"]
    assert await found(filterPattern='ERROR "not found"') == ["ERROR not found"]
    assert await found(filterPattern="ERROR -retry") == ["ERROR not found"]
    assert await found(filterPattern="?fine ?later") == ["INFO fine", "ERROR retry later"]
    assert await found(logStreamNames=["s2"]) == ["ERROR retry later"]
    assert await found(logStreamNamePrefix="s1") == ["ERROR not found", "INFO fine"]
    assert await found(startTime=START_MS + 1, endTime=START_MS + 1) == ["INFO fine"]
    refusal = await refused(logs.filter_log_events(logGroupName=GROUP, filterPattern='{ $.level = "ERROR" }'))
    assert refusal[:2] == ("InvalidParameterException", 400)
    assert "plain terms" in refusal[2]


async def test_the_id_of_a_request_finds_all_that_it_wrote(endpoint: Any, logs: Any, key: Any) -> None:
    mine = [record(key, number, f"line {number}") for number in range(3)]
    mine = [msgspec.structs.replace(each, request_id="request-1", correlation_id="d" * 32) for each in mine]
    await append(endpoint, key, *mine, record(key, 3, "another request's"))
    for pattern in (f'"{"d" * 32}"', "request-1", f"?{'d' * 32} ?nothing"):
        found = await logs.filter_log_events(logGroupName=GROUP, filterPattern=pattern)
        assert messages(found) == ["line 0", "line 1", "line 2"]
    found = await logs.filter_log_events(logGroupName=GROUP, filterPattern=f'"{"d" * 32}" "line 1"')
    assert messages(found) == ["line 1"]


async def test_one_stream_is_read_from_either_end(endpoint: Any, logs: Any, key: Any) -> None:
    await append(endpoint, key, *(record(key, n, str(n)) for n in range(5)))
    stream = {"logGroupName": GROUP, "logStreamName": "s1"}
    newest = await logs.get_log_events(**stream, limit=2)
    assert messages(newest) == ["3", "4"]
    older = await logs.get_log_events(**stream, limit=2, nextToken=newest["nextBackwardToken"])
    assert messages(older) == ["1", "2"]
    oldest = await logs.get_log_events(**stream, limit=2, startFromHead=True)
    assert messages(oldest) == ["0", "1"]
    after = await logs.get_log_events(**stream, nextToken=oldest["nextForwardToken"])
    assert messages(after) == ["2", "3", "4"]
    end = await logs.get_log_events(**stream, nextToken=after["nextForwardToken"])
    assert (messages(end), end["nextForwardToken"]) == ([], after["nextForwardToken"])
    await append(endpoint, key, record(key, 9, "late"))
    assert messages(await logs.get_log_events(**stream, nextToken=end["nextForwardToken"])) == ["late"]


async def test_groups_and_streams_are_described(endpoint: Any, logs: Any, key: Any) -> None:
    await append(
        endpoint,
        key,
        record(key, 5, "b", stream="s1"),
        record(key, 1, "a", stream="s2"),
        record(key, 9, "c", stream="s1"),
    )
    groups = (await logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/"))["logGroups"]
    assert [group["logGroupName"] for group in groups] == [GROUP]
    assert (await logs.describe_log_groups(logGroupNamePrefix="/other"))["logGroups"] == []
    streams = (await logs.describe_log_streams(logGroupName=GROUP))["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["s1", "s2"]
    assert (streams[0]["firstEventTimestamp"], streams[0]["lastEventTimestamp"]) == (START_MS + 5, START_MS + 9)
    latest = await logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=1)
    assert [stream["logStreamName"] for stream in latest["logStreams"]] == ["s1"]
    rest = await logs.describe_log_streams(
        logGroupName=GROUP, orderBy="LastEventTime", descending=True, nextToken=latest["nextToken"]
    )
    assert [stream["logStreamName"] for stream in rest["logStreams"]] == ["s2"]


async def test_what_is_not_there_is_not_found(endpoint: Any, logs: Any, key: Any) -> None:
    for call in (
        logs.filter_log_events(logGroupName=GROUP),
        logs.describe_log_streams(logGroupName=GROUP),
        logs.get_log_events(logGroupName=GROUP, logStreamName="s1"),
    ):
        assert (await refused(call))[:2] == ("ResourceNotFoundException", 400)
    await append(endpoint, key, record(key, 1, "x"))
    for token in ("nonsense", "W10=", "f/", "b/%"):
        refusal = await refused(logs.filter_log_events(logGroupName=GROUP, nextToken=token))
        assert refusal[0] == "InvalidParameterException"


async def test_what_functions_print_cannot_break_the_store(endpoint: Any, logs: Any, key: Any) -> None:
    await append(endpoint, key, record(key, 1, "nul \0 and half a pair \ud800"))
    [message] = messages(await logs.filter_log_events(logGroupName=GROUP))
    assert message.startswith("nul ")


async def test_logs_past_their_retention_are_forgotten(endpoint: Any, logs: Any, key: Any) -> None:
    plane_logs = endpoint.plane.logs
    now = await endpoint.database.fetchval(
        key.environment_id, "SELECT (extract(epoch FROM now()) * 1000)::bigint WHERE $1::uuid IS NOT NULL"
    )
    await append(endpoint, key, record(key, 1, "old"), record(key, 2, "new", stream="s2", at_ms=now))
    assert await plane_logs.forget_old(older_than_ms=3_600_000) >= 1
    assert await plane_logs.forget_old(older_than_ms=3_600_000) == 0
    assert messages(await logs.filter_log_events(logGroupName=GROUP)) == ["new"]
    streams = (await logs.describe_log_streams(logGroupName=GROUP))["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["s2"]


async def test_records_of_another_environment_are_not_written(endpoint: Any, key: Any) -> None:
    stranger = endpoint.directory.add("initech")
    with pytest.raises(Exception, match="another environment"):
        await append(endpoint, key, record(stranger, 1, "x"))
