"""Reads under load: a listing, a product page and a search, through the store's graph and by bare SQL."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from benchmarks.load import Address, Line, drive, request
from benchmarks.report import Measurement, Target
from benchmarks.running import floor_up
from benchmarks.stage import EACH, PRODUCTS, THINGS, Stage, Tell, product_name
from kokoa.services.catalog.model import slug_of

CONNECTIONS = 16
SECONDS = 2.0
WARM_SECONDS = 1.0
_FLOOR = "the same SQL by bare asyncpg and orjson, same server, same processes"


class Read(msgspec.Struct, frozen=True):
    """One measured read.  variables: of each query in turn, so many that nothing can be answered from memory.

    floor_path: the same at the floor; it takes the variables as its query string.
    """

    name: str
    query: str
    variables: Sequence[dict[str, Any]]
    floor_path: str
    ratio: float
    statements: int


LISTING = Read(
    name="listing: 50 products × 3 variants",
    query="query Listing($offset: Int!) { products(limit: 50, offset: $offset) "
    "{ id name slug price currency variants { id sku name price } } }",
    variables=[{"offset": offset} for offset in range(PRODUCTS - 50)],
    floor_path="/listing",
    ratio=0.5,
    statements=5,
)
PAGE = Read(
    name="product page",
    query="query Page($slug: String!) { product(slug: $slug) "
    "{ id name slug price currency description category { slug name } variants { id sku name price } } }",
    variables=[{"slug": slug_of(product_name(number))} for number in range(PRODUCTS)],
    floor_path="/page",
    ratio=0.4,
    statements=5,
)
SEARCH = Read(
    name="search: 20 results",
    query="query Search($q: String!, $offset: Int!) { search(q: $q, limit: 20, offset: $offset) "
    "{ total items { id name slug price currency } } }",
    variables=[{"q": thing, "offset": offset} for offset in range(EACH - 20) for thing in THINGS],
    floor_path="/search",
    ratio=0.4,
    statements=5,
)


async def measure_reads(stage: Stage, reads: Iterable[Read], rounds: int, tell: Tell) -> list[Measurement]:
    """Drive the store and the floor in turn, in each round once each."""
    settings = {
        "FLOOR_CATALOG": stage.dsn("catalog"),
        "FLOOR_SEARCH": stage.dsn("search"),
        "FLOOR_ENVIRONMENT": stage.environment_id,
    }
    with floor_up(settings) as floor:
        return [await _measure(stage, floor, read, rounds, tell) for read in reads]


async def _measure(stage: Stage, floor: Address, read: Read, rounds: int, tell: Tell) -> Measurement:
    host = {"Host": f"127.0.0.1:{floor[1]}"}
    # A stride that shares no factor with the count visits all, and never neighbours in turn.
    varied = [read.variables[index * 7919 % len(read.variables)] for index in range(len(read.variables))]
    ours = [stage.graphql(read.query, variables) for variables in varied]
    theirs = [request("GET", f"{read.floor_path}?{urlencode(variables)}", host) for variables in varied]
    await asyncio.to_thread(_require_equal, stage.store.address, ours, floor, theirs)
    statements = await stage.statements(read.query, varied[0])
    sides = [(stage.store.address, ours), (floor, theirs)]
    for address, requests in sides:
        await drive(address, requests, connections=CONNECTIONS, seconds=WARM_SECONDS)
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        tell(f"{read.name}: round {number + 1} of {rounds}")
        for side in (0, 1) if number % 2 else (1, 0):
            address, requests = sides[side]
            driven = await drive(address, requests, connections=CONNECTIONS, seconds=SECONDS)
            found[side].append(driven.per_second)
    return Measurement(
        name=read.name,
        unit="req/s",
        subject=found[0],
        floor=found[1],
        floor_name=_FLOOR,
        target=Target("ratio", read.ratio),
        notes={"SQL statements a query": f"{statements} (at most {read.statements})"},
    )


def _require_equal(ours: Address, our_requests: list[bytes], floor: Address, floor_requests: list[bytes]) -> None:
    """The floor does the same work only if it answers the same."""
    with Line(ours) as our_line, Line(floor) as floor_line:
        for our_request, floor_request in list(zip(our_requests, floor_requests, strict=True))[:20]:
            answer = msgspec.json.decode(our_line.exchange(our_request))
            wanted = msgspec.json.decode(floor_line.exchange(floor_request))
            assert answer == wanted, f"the floor answers otherwise:\n{str(answer)[:500]}\n{str(wanted)[:500]}"
