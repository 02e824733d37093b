"""Equal queries that are under way are executed once, for shoppers alone, and never an error for two."""

import asyncio
from typing import Any

import pytest

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import InProcessClient
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.subgraph import build_subgraph
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.ids import new_correlation_id

SDL = """type Query { count(of: Int = 0): Int  mine: Int @cacheControl(scope: PRIVATE) }
type Mutation { add: Int }"""
SHOPPER = Caller("storefront", "", frozenset({"storefront"}))


class Slow(Unavailable):
    """Not this time."""


class Counter:
    """A subgraph that answers when it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False
        self.go = asyncio.Event()
        subgraph = build_subgraph(
            name="counter",
            sdl=SDL,
            resolvers=dict.fromkeys(("Query.count", "Query.mine", "Mutation.add"), self.count),
        )
        self.gateway = Gateway(compose([SubgraphDefinition("counter", SDL)]), {"counter": InProcessClient(subgraph)})

    async def count(self, *_: Any) -> list[Any]:
        self.asked += 1
        mine = self.asked
        await self.go.wait()
        return [Slow("Later.") if self.fails else mine]

    def ask(self, text: str = "{ count }", caller: Caller = SHOPPER, **more: Any) -> "asyncio.Task[ExecutionResult]":
        environment_id = more.pop("environment_id", "one")
        variables = more.pop("variables", {})
        call = Call(environment_id, caller, new_correlation_id(), now_ms() + more.pop("within_ms", 60_000), **more)
        return asyncio.ensure_future(self.gateway.execute(text, variables, call))

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(30):
            while self.asked < times:
                await asyncio.sleep(0)


async def test_equal_queries_are_executed_once_and_none_is_kept() -> None:
    counter = Counter()
    asked = [counter.ask("{ count }"), *(counter.ask("{\n  count\n}") for _ in range(4))]
    asked += [counter.ask() for _ in range(20)]
    await counter.until_asked(1)
    for _ in range(20):
        await asyncio.sleep(0)
    counter.go.set()
    assert {(await one).data["count"] for one in asked} <= {1, 2}
    assert counter.asked <= 2  # one for each way of writing it, at most
    before = counter.asked
    assert (await counter.ask()).data == {"count": before + 1}


@pytest.mark.parametrize(
    "more",
    [
        {"environment_id": "two"},
        {"session": "other"},
        {"depth": 1},
        {"caller": Caller("storefront", "ada", frozenset({"storefront"}))},
        {"caller": Caller("server", "", frozenset({"storefront", "management"}))},
        {"text": "query($of: Int) { count(of: $of) }", "variables": {"of": 1}},
        {"text": "mutation { add }"},
    ],
)
async def test_others_have_answers_of_their_own(more: dict[str, Any]) -> None:
    counter = Counter()
    first = counter.ask()
    await counter.until_asked(1)
    second, third = counter.ask(**more), counter.ask(**more)
    await counter.until_asked(2)
    counter.go.set()
    assert (await first).data == {"count": 1}
    own = [next(iter((await one).data.values())) for one in (second, third)]
    assert 1 not in own


async def test_servers_customers_and_mutations_never_share() -> None:
    for more in ({"caller": Caller("server")}, {"caller": Caller("storefront", "ada")}, {"text": "mutation { add }"}):
        counter = Counter()
        asked = [counter.ask(**more) for _ in range(3)]  # type: ignore[arg-type]
        await counter.until_asked(3)
        counter.go.set()
        await asyncio.gather(*asked)


async def test_what_is_one_callers_is_read_by_each_on_their_own() -> None:
    """Who has changed it meanwhile would read what was there before."""
    counter = Counter()
    counter.go.set()
    assert (await counter.ask("{ mine }")).data == {"mine": 1}
    counter.go.clear()
    asked = [counter.ask("{ mine }") for _ in range(3)] + [counter.ask("{ mine count }") for _ in range(2)]
    await counter.until_asked(8)
    counter.go.set()
    assert len({tuple((await one).data.values()) for one in asked}) == 5


async def test_an_error_is_nobody_elses() -> None:
    counter = Counter()
    counter.fails = True
    asked = [counter.ask() for _ in range(5)]
    await counter.until_asked(1)
    counter.go.set()
    results = await asyncio.gather(*asked)
    assert all(one.errors for one in results)
    assert counter.asked == 5


async def test_who_goes_away_takes_nobody_along() -> None:
    counter = Counter()
    first = counter.ask()
    await counter.until_asked(1)
    second = counter.ask()
    for _ in range(10):
        await asyncio.sleep(0)
    first.cancel()
    await counter.until_asked(2)
    counter.go.set()
    assert (await second).data == {"count": 2}


async def test_who_waits_keeps_their_own_deadline() -> None:
    counter = Counter()
    first = counter.ask()
    await counter.until_asked(1)
    late = await counter.ask(within_ms=50)
    assert late.errors[0]["extensions"]["code"] == "DEADLINE_EXCEEDED"
    counter.go.set()
    assert (await first).data == {"count": 1}
