"""python -m benchmarks.hostile: what a flood of hostile documents does to everybody else's requests.

One client asks a store for a listing, again and again; then once more while others flood the same store with
documents that are as dear to read as the limits allow, no two alike, from a process of their own. Printed are the
latencies of the listing in both cases, and what the flood was told.
"""

import asyncio
import itertools
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.queues import Queue

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.load import Address, Line, post
from benchmarks.running import store_up

SECONDS = 10.0
FLOOD_CONNECTIONS = 8
PACE_S = 0.005
AIM_MS = 50.0
LISTING = "{ products(limit: 50) { id name price variants { sku price } } }"
HEADERS = {"Host": "localhost", "X-Tenant-ID": "demo", "Content-Type": "application/json"}


def hostile_documents() -> Iterator[bytes]:
    """Bodies of requests, each of another kind than the one before and none ever the same."""
    kinds = (
        lambda n: "{" + " ".join(f"x{n}_{i}" for i in range(3_900)) + "}",
        lambda n: "{" + " ".join(f"a{n}_{i}: products(limit: 1) {{ id name price }}" for i in range(95)) + "}",
        lambda n: " ".join(f"query B{n}_{i} {{ __typename }}" for i in range(790)),
        lambda n: "{" + f"a{n} " * 49_000 + "}",
        lambda n: f"#{n}\n" + "#a\n" * 32_000 + "{ __typename }",
        lambda n: "{" + " ".join(f"...F{i}" for i in range(100)) + "} " + _fragments(n),
        lambda n: '{ products(search: "' + "\\u0041" * 15_000 + f'{n}") {{ id }} }}',
        lambda n: "{ products(limit: [" + "1 " * 3_900 + f"]) {{ a{n}: id }} }}",
        lambda n: "{ " + "__schema { types { fields { type { fields { name } } } } }" + f" a{n}: __typename }}",
        lambda n: "query ($i: [ID!]) { products(ids: $i) { a%d: id } }" % n,  # noqa: UP031 (braces)
    )
    for number in itertools.count():
        text = kinds[number % len(kinds)](number)
        variables = {"i": ["x"] * 40_000} if "$i" in text else {}
        yield orjson.dumps({"query": text, "variables": variables})


def _fragments(number: int) -> str:
    inside = f"products {{ variants {{ sku }} a{number}: id }}"
    return " ".join(f"fragment F{i} on Query {{ {inside} }}" for i in range(100))


async def _flood(address: Address, seconds: float, told: "Counter[str]") -> None:
    bodies = hostile_documents()
    ends = time.monotonic() + seconds

    async def one() -> None:
        while time.monotonic() < ends:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(post("/graphql", {**HEADERS, "Connection": "close"}, next(bodies)))
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            codes = [
                one.get("extensions", {}).get("code", "") for one in orjson.loads(body or b"{}").get("errors", [])
            ]
            told[codes[0] if codes else head[9:12].decode()] += 1

    await asyncio.gather(*(one() for _ in range(FLOOD_CONNECTIONS)))


def _flood_process(address: Address, seconds: float, told: "Queue[Counter[str]]") -> None:
    counted: Counter[str] = Counter()
    asyncio.run(_flood(address, seconds, counted))
    told.put(counted)


def latencies_ms(address: Address, seconds: float) -> list[float]:
    """Of the listing, asked over one connection with a pause between; sorted."""
    found = []
    asked = post("/graphql", HEADERS, orjson.dumps({"query": LISTING}))
    ends = time.monotonic() + seconds
    with Line(address) as line:
        while time.monotonic() < ends:
            found.append(line.time_ms(asked))
            time.sleep(PACE_S)
    return sorted(found)


def main() -> None:
    """Start a store, measure quietly and under the flood, print both. Exit status 1 if the aim is missed."""
    console = Console(highlight=False)
    with store_up() as store:
        latencies_ms(store.address, 2.0)
        quiet = latencies_ms(store.address, SECONDS)
        context = multiprocessing.get_context("spawn")
        told: Queue[Counter[str]] = context.Queue()
        flood = context.Process(target=_flood_process, args=(store.address, SECONDS + 2, told))
        flood.start()
        time.sleep(1.0)
        flooded = latencies_ms(store.address, SECONDS)
        counted = told.get(timeout=60)
        flood.join()
    table = Table(box=None, header_style="bold")
    for heading in ("listing of 50 × 3", "requests", "p50", "p99", "worst"):
        table.add_column(heading, justify="left" if heading.startswith("listing") else "right")
    for name, found in (("quiet", quiet), ("under the flood", flooded)):
        middle, late = found[len(found) // 2], found[int(len(found) * 0.99)]
        table.add_row(name, str(len(found)), f"{middle:.1f} ms", f"{late:.1f} ms", f"{found[-1]:.1f} ms")
    console.print(table)
    answered = ", ".join(f"{count} {code}" for code, count in counted.most_common())
    console.print(f"The flood: {counted.total() / (SECONDS + 2):.0f} requests a second; told {answered}.")
    sys.exit(flooded[int(len(flooded) * 0.99)] > AIM_MS)


if __name__ == "__main__":
    main()
