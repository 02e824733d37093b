"""Heavy documents wait in a lane of their own: nobody else waits for them, and a flood fills only its own part."""

import asyncio
import threading

import pytest
from graph_fakes import make_call, make_subgraph, run

from kokoa.graphql.lane import Admission, Lane, TooManyNewDocuments

SDL = "type Query { leaf: Int  child: Query }"


async def test_work_runs_one_at_a_time_in_another_thread() -> None:
    lane = Lane()
    running = 0
    most = 0

    def work() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        running -= 1
        return threading.get_ident()

    threads = await asyncio.gather(*(lane.run("a", work) for _ in range(10)))
    assert most == 1
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_a_key_fills_its_own_part_of_the_lane_only() -> None:
    lane = Lane(Admission(waiting_max=8, waiting_of_key_max=4))
    gate = threading.Event()
    greedy = [asyncio.ensure_future(lane.run("greedy", gate.wait)) for _ in range(6)]
    other = asyncio.ensure_future(lane.run("other", lambda: "read"))
    refused, _ = await asyncio.wait(greedy, return_when=asyncio.FIRST_EXCEPTION)
    gate.set()
    assert await other == "read"
    done = await asyncio.gather(*greedy, return_exceptions=True)
    assert sum(isinstance(one, TooManyNewDocuments) for one in done) == 2
    assert refused
    assert await lane.run("greedy", lambda: "read again") == "read again"


async def test_the_whole_lane_is_bounded_too() -> None:
    lane = Lane(Admission(waiting_max=3, waiting_of_key_max=2))
    gate = threading.Event()
    waiting = [asyncio.ensure_future(lane.run(key, gate.wait)) for key in ("a", "a", "b")]
    await asyncio.sleep(0)
    with pytest.raises(TooManyNewDocuments, match="Send this one again"):
        await lane.run("c", lambda: None)
    gate.set()
    await asyncio.gather(*waiting)


def heavy(number: int) -> str:
    return "{" + " ".join(f"a{number}_{n}: child {{ leaf }}" for n in range(90)) + "}"


async def test_what_is_short_or_known_is_answered_while_long_documents_are_read() -> None:
    subgraph = make_subgraph(SDL, {"Query.leaf": lambda parents, *_: [1] * len(parents), "Query.child": _children})
    known = heavy(0)
    for _ in range(2):  # a long document is kept when it comes again
        assert "errors" not in await run(subgraph, known)
    flood = [asyncio.ensure_future(run(subgraph, heavy(number))) for number in range(1, 12)]
    await asyncio.sleep(0)
    for number in range(20):
        assert (await run(subgraph, f"{{ x{number}: leaf }}"))["data"] == {f"x{number}": 1}
        assert "errors" not in await run(subgraph, known)
    assert not all(one.done() for one in flood), "the light ones waited for all of the heavy ones"
    assert all("errors" not in one for one in await asyncio.gather(*flood))


async def test_a_flood_is_told_to_come_again() -> None:
    subgraph = make_subgraph(SDL, {"Query.leaf": lambda parents, *_: [1] * len(parents), "Query.child": _children})
    answers = await asyncio.gather(*(run(subgraph, heavy(number)) for number in range(40)))
    refused = [one["errors"][0]["extensions"] for one in answers if "errors" in one]
    assert refused
    assert {one["code"] for one in refused} == {"TOO_MANY_NEW_DOCUMENTS"}
    assert {one["retryAfterS"] for one in refused} == {1}
    assert len(refused) < 40


async def test_one_long_document_has_one_turn_however_many_send_it_at_once() -> None:
    subgraph = make_subgraph(SDL, {"Query.leaf": lambda parents, *_: [1] * len(parents), "Query.child": _children})
    answers = await asyncio.gather(*(run(subgraph, heavy(1)) for _ in range(40)))
    assert all("errors" not in one for one in answers)
    wrong = heavy(2).replace("leaf", "loaf")
    answers = await asyncio.gather(*(run(subgraph, wrong) for _ in range(40)))
    assert {one["errors"][0]["extensions"]["code"] for one in answers} == {"GRAPHQL_VALIDATION_FAILED"}


async def test_a_long_list_of_variables_is_coerced_in_the_lane() -> None:
    threads: set[int] = set()
    sdl = "input Row { a: Int } type Query { count(rows: [Row!]!): Int }"

    def count(_parents: object, args: dict[str, list[object]], _call: object) -> list[int]:
        threads.add(threading.get_ident())
        return [len(args["rows"])]

    subgraph = make_subgraph(sdl, {"Query.count": count})
    result = await subgraph.execute(
        "query ($r: [Row!]!) { count(rows: $r) }", {"r": [{"a": n} for n in range(3_000)]}, make_call()
    )
    assert result.data == {"count": 3_000}
    assert threads == {threading.get_ident()}, "resolvers always run on the loop"


def _children(parents: list[object], *_: object) -> list[object]:
    return [{}] * len(parents)
