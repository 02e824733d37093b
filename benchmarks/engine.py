"""The engine against graphql-core: the same schema, data and operations, interleaved in one run; ratios are printed.

python -m benchmarks.engine
"""

import asyncio
import gc
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from graphql import build_schema, execute, parse, validate

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute import InProcessClient
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql import Limits, build_subgraph
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms

SDL = """
type Query { products(limit: Int! = 50): [Product!]!  product: Product }
type Product { id: ID! name: String! slug: String! price: Float variants: [Variant!]! }
type Variant { id: ID! sku: String! price: Float stock: Int weight: Int }
"""
LISTING = "{ products { id name slug price variants { id sku price stock weight } } }"
ONE = "{ product { id name slug price } }"
LONG = "{ products(limit: 10000) { id name slug price } }"
LENGTHS = (1_000, 10_000, 100_000)

Work = Callable[[], Awaitable[object]]


class Variant(msgspec.Struct):
    id: str
    sku: str
    price: float
    stock: int
    weight: int


class Product(msgspec.Struct):
    id: str
    name: str
    slug: str
    price: float
    variants: list[Variant]


def _data(count: int) -> list[Product]:
    return [
        Product(
            f"{n}",
            f"Product {n}",
            f"product-{n}",
            n + 0.5,
            [Variant(f"{n}-{m}", f"SKU{n}{m}", 9.5, m, 100) for m in range(3)],
        )
        for n in range(count)
    ]


PRODUCTS = _data(10_000)
MANY = PRODUCTS * 10
NO_LIMITS = Limits(page_size=10**6, cost=10**9, objects=10**7)


async def _products(_parents: Sequence[Any], args: Any, _call: Call) -> list[Any]:
    return [MANY[: args["limit"]]]


def _reference(text: str) -> Work:
    schema = build_schema(SDL)
    document = parse(text)
    assert not validate(schema, document)

    async def products(_info: Any, limit: int = 50) -> list[Product]:
        return MANY[:limit]

    root = {"products": products, "product": PRODUCTS[0]}

    async def work() -> object:
        found: Any = execute(schema, document, root)
        return await found if hasattr(found, "__await__") else found

    return work


def _engine(text: str) -> tuple[Work, Work]:
    """The subgraph alone, and behind the gateway with its plan in the cache."""
    resolvers = {"Query.products": _products, "Query.product": lambda *_: [PRODUCTS[0]]}
    subgraph = build_subgraph(name="catalog", sdl=SDL, resolvers=resolvers, limits=NO_LIMITS)
    supergraph = compose([SubgraphDefinition("catalog", SDL)])
    gateway = Gateway(supergraph, {"catalog": InProcessClient(subgraph)}, NO_LIMITS)
    call = Call("e", Caller("server"), "0" * 32, now_ms() + 3_600_000)
    return lambda: subgraph.execute(text, {}, call), lambda: gateway.execute(text, {}, call)


async def _seconds(work: Work, times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        await work()
    return (time.perf_counter() - started) / times


async def _compare(name: str, text: str, times: int, rounds: int = 7) -> None:
    reference, (engine, gateway) = _reference(text), _engine(text)
    works = (reference, engine, gateway)
    for work in works:
        await work()
    gc.collect()
    measured = [[await _seconds(work, times) for work in works] for _ in range(rounds)]
    core, ours, behind = (statistics.median(column) * 1e3 for column in zip(*measured, strict=True))
    print(
        f"{name:32} graphql-core {core:9.3f} ms   engine {ours:8.3f} ms   {core / ours:5.1f} × faster   "
        f"gateway adds {behind - ours:+.3f} ms"
    )


async def _growth() -> None:
    """Whether time grows as the list does: microseconds for each object of lists of several lengths."""
    texts = {length: LONG.replace("10000", str(length)) for length in LENGTHS}
    works = {length: _engine(text)[0] for length, text in texts.items()}
    found = {}
    for length, work in works.items():
        await work()
        gc.collect()
        times = max(1, LENGTHS[-1] // length)
        found[length] = min([await _seconds(work, times) for _ in range(5)]) / length * 1e6
    shown = ", ".join(f"{found[length]:.2f} µs with {length:,}" for length in LENGTHS)
    print(f"{'an object of a list':32} {shown}   {found[LENGTHS[-1]] / found[LENGTHS[0]]:.2f} × from first to last")


async def _memory() -> None:
    """The most that running 10,000 objects takes at once, in responses: what is left of it afterwards is one."""
    work = _engine(LONG)[0]
    await work()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    response = await work()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = after - before
    print(
        f"{'memory of 10,000 objects':32} response {size / 1e6:.2f} MB   at most {(peak - before) / 1e6:.2f} MB   "
        f"{(peak - before) / size:.2f} × the response"
    )
    del response


async def _run() -> None:
    await _compare("listing of 50 × 3", LISTING, 30)
    await _compare("one object", ONE, 500)
    await _compare("10,000 objects", LONG, 1, rounds=5)
    await _growth()
    await _memory()


def main() -> None:
    """Print one line for each comparison."""
    asyncio.run(_run())


if __name__ == "__main__":
    main()
