"""Subscriptions: one response for each event, and their form as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson
import pytest
from graph_fakes import FEDERATION, make_call, make_subgraph, run

from kokoa.graphql import ExecutionResult, SchemaInvalid, Subgraph
from kokoa.graphql.sse import EventTooLong, events, read_events
from kokoa.kernel.errors import Invalid

SDL = (
    FEDERATION
    + """
type Query { a: Int }
type Subscription { ticks(to: Int! = 3): Tick!  plain: Int  guarded: Int @requiresScopes(scopes: [["staff"]]) }
type Tick { number: Int!  half: Int  double: Int! }
"""
)


class TickingTooFast(Invalid):
    """What a source may raise."""


class Clock:
    """Sources that count; knows whether they were closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def ticks(self, args: Any, _call: Any) -> AsyncGenerator[Any, None]:
        try:
            for number in range(args["to"]):
                yield {"number": number, "half": None if number % 2 else number // 2}
        finally:
            self.closed += 1

    def subgraph(self, **more: Any) -> Subgraph:
        return make_subgraph(
            SDL,
            {
                "Subscription.ticks": self.ticks,
                "Subscription.plain": self.plain,
                "Subscription.guarded": self.plain,
                "Tick.double": lambda parents, *_: [2 * one["number"] for one in parents],
                **more,
            },
        )

    async def plain(self, _args: Any, _call: Any) -> AsyncIterator[Any]:
        async def numbers() -> AsyncIterator[Any]:
            yield 1
            yield TickingTooFast("one event failed")
            yield 3

        return numbers()


async def stream(subgraph: Subgraph, text: str, variables: dict[str, Any] | None = None, **who: Any) -> list[Any]:
    return [one.response() async for one in subgraph.stream(text, variables, make_call(**who))]


async def test_each_event_is_a_response_that_runs_breadth_first() -> None:
    clock = Clock()
    found = await stream(
        clock.subgraph(), "subscription ($n: Int!) { ticks(to: $n) { n: number double half } }", {"n": 2}
    )
    assert found == [
        {"data": {"ticks": {"n": 0, "double": 0, "half": 0}}},
        {"data": {"ticks": {"n": 1, "double": 2, "half": None}}},
    ]
    assert clock.closed == 1


async def test_an_event_may_fail_alone() -> None:
    one, two, three = await stream(Clock().subgraph(), "subscription { plain }")
    assert (one, three) == ({"data": {"plain": 1}}, {"data": {"plain": 3}})
    assert two["data"] == {"plain": None}
    assert (two["errors"][0]["extensions"]["code"], two["errors"][0]["path"]) == ("TICKING_TOO_FAST", ["plain"])


async def test_a_null_that_climbs_to_the_root_is_one_response() -> None:
    found = await stream(
        Clock().subgraph(**{"Tick.double": lambda parents, *_: [None] * len(parents)}),
        "subscription { ticks(to: 1) { double } }",
    )
    assert [one["data"] for one in found] == [None]
    assert found[0]["errors"][0]["path"] == ["ticks", "double"]


@pytest.mark.parametrize("breaks_at", [0, 2])
async def test_a_source_that_breaks_ends_the_stream_with_its_error(breaks_at: int) -> None:
    async def broken(_args: Any, _call: Any) -> AsyncGenerator[Any, None]:
        for number in range(5):
            if number == breaks_at:
                raise TickingTooFast("too fast")
            yield {"number": number, "half": 0}

    found = await stream(Clock().subgraph(**{"Subscription.ticks": broken}), "subscription { ticks { number } }")
    assert len(found) == breaks_at + 1
    assert found[-1]["errors"][0]["message"] == "too fast"
    assert found[-1]["errors"][0]["path"] == ["ticks"]
    assert "data" not in found[-1]


async def test_a_source_that_is_no_iterator_is_the_developer_s_mistake() -> None:
    found = await stream(Clock().subgraph(**{"Subscription.plain": lambda *_: [1]}), "subscription { plain }")
    assert found[0]["errors"][0]["extensions"]["code"] == "INTERNAL"


async def test_who_may_not_ask_does_not_open_the_source() -> None:
    (refused,) = await stream(Clock().subgraph(), "subscription { guarded }")
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert len(await stream(Clock().subgraph(), "subscription { guarded }", scopes=("staff",))) == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { plain ticks { number } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { plain @skip(if: true) }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription ($n: Int!) { ticks(to: $n) { number } }", "BAD_USER_INPUT"),
    ],
)
async def test_a_bad_subscription_is_one_response_that_says_why(text: str, code: str) -> None:
    (found,) = await stream(Clock().subgraph(), text)
    assert found["errors"][0]["extensions"]["code"] == code
    assert "data" not in found


async def test_queries_and_mutations_have_a_stream_of_one() -> None:
    assert await stream(Clock().subgraph(), "{ __typename }") == [{"data": {"__typename": "Query"}}]


async def test_a_client_that_takes_one_response_is_told_what_to_send() -> None:
    response = await run(Clock().subgraph(), "subscription { plain }")
    assert response["errors"][0]["extensions"]["code"] == "SUBSCRIPTION_NEEDS_STREAM"
    assert "Accept: text/event-stream" in response["errors"][0]["message"]


async def test_leaving_closes_the_source() -> None:
    clock = Clock()
    found = clock.subgraph().stream("subscription { ticks(to: 100) { number } }", {}, make_call())
    await anext(found)
    await found.aclose()
    assert clock.closed == 1


async def test_an_event_has_a_deadline_of_its_own() -> None:
    async def slowly(parents: list[Any], *_: Any) -> list[Any]:
        await asyncio.sleep(0)
        return [1] * len(parents)

    subgraph = Clock().subgraph(**{"Tick.double": slowly})
    found = [
        one async for one in subgraph.stream("subscription { ticks { double } }", {}, make_call(deadline_in_ms=-1))
    ]
    assert [one.errors for one in found] == [()] * 3


def test_a_subscription_field_needs_a_source() -> None:
    with pytest.raises(SchemaInvalid, match=r"Subscription\.s has no source"):
        make_subgraph("type Query { a: Int } type Subscription { s: Int }", {})


async def results(*data: Any) -> AsyncGenerator[ExecutionResult, None]:
    for one in data:
        yield ExecutionResult(one)


async def test_the_form_of_events() -> None:
    body = b"".join([chunk async for chunk in events(results({"a": 1}, {"a": "line\nbreak"}))])
    assert body == (
        b':\n\nevent: next\ndata: {"data":{"a":1}}\n\n'
        b'event: next\ndata: {"data":{"a":"line\\nbreak"}}\n\nevent: complete\ndata: \n\n'
    )


async def test_a_quiet_stream_beats_and_an_old_one_ends_without_complete() -> None:
    async def never() -> AsyncGenerator[ExecutionResult, None]:
        await asyncio.Event().wait()
        yield ExecutionResult({})

    chunks = [chunk async for chunk in events(never(), heartbeat_s=0.01, life_s=0.1)]
    assert len(chunks) >= 3
    assert set(chunks) == {b":\n\n"}


async def test_closing_the_stream_closes_what_it_reads() -> None:
    closed = asyncio.Event()

    async def never() -> AsyncGenerator[ExecutionResult, None]:
        try:
            await asyncio.Event().wait()
            yield ExecutionResult({})
        finally:
            closed.set()

    chunks = events(never(), heartbeat_s=0.01)
    await anext(chunks)
    await anext(chunks)
    await chunks.aclose()
    assert closed.is_set()


async def pieces(body: bytes, size: int) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
async def test_events_are_read_as_they_were_written(size: int, newline: bytes) -> None:
    body = (
        b"".join([chunk async for chunk in events(results({"a": 1}, {"b": "\u2713"}))])
        + b"data: two\ndata: lines\n\n"
    )
    found = [one async for one in read_events(pieces(body.replace(b"\n", newline), size))]
    assert [(event, orjson.loads(data)) for event, data in found[:2]] == [
        ("next", {"data": {"a": 1}}),
        ("next", {"data": {"b": "✓"}}),
    ]
    assert found[2:] == [("complete", b""), ("message", b"two\nlines")]


async def test_an_event_without_end_is_given_up() -> None:
    with pytest.raises(EventTooLong, match="more than 100 bytes"):
        async for _ in read_events(pieces(b"data: " + b"x" * 1_000, 50), event_bytes_max=100):
            pass
