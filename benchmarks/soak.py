"""`python -m benchmarks.soak`: mixed load for a long time; fails when what the store holds of the machine grows.

Shoppers read, a merchant changes products, a partner deploys functions, invokes them and takes a route over and back.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
import uvloop
from cyclopts import App, Parameter
from rich.console import Console

from benchmarks.census import Counts, take_census
from benchmarks.functions import HELLO, SEARCH, deployed, overridden, zipped
from benchmarks.growth import SAMPLES_MIN, growth
from benchmarks.load import Line, UnexpectedAnswer, drive, request
from benchmarks.reads import LISTING, PAGE
from benchmarks.reads import SEARCH as SEARCH_READ
from benchmarks.running import RunningStore, store_up
from benchmarks.stage import Stage, open_stage

SAMPLE_S = 60.0
_SLICE_S = 5.0
_SHOPPERS = 2
_INVOKES = 20
_EACH = 20
_PAUSE_S = 0.2
# A process may send requests to a function for a second after its route was given back; on a busy machine for longer.
_ROUTES_STALE_S = 5.0

_CREATE = "mutation Create($input: CreateProductInput!) { createProduct(input: $input) { id version } }"
_UPDATE = "mutation Update($input: UpdateProductInput!) { updateProduct(input: $input) { id version } }"
_DELETE = "mutation Delete($id: ID!, $version: Int!) { deleteProduct(id: $id, version: $version) }"

app = App(name="soak", help="Mixed load against a store of its own, for as long as you like.")
console = Console(highlight=False)


class Refused(Exception):
    """The store refused what it should take."""


@app.default
def soak(minutes: Annotated[float, Parameter(help="How long; at least one.")] = 60.0) -> None:
    """Run the load, print counts each minute, and exit with 1 when something grew or failed. Ctrl-C ends it cleanly.

    Example: python -m benchmarks.soak --minutes 5
    """
    with store_up() as store:
        try:
            wrong = uvloop.run(_soak(store, max(1.0, minutes) * 60))
        except* (Refused, UnexpectedAnswer) as failures:
            wrong = [f"The store failed under load: {failure}" for failure in failures.exceptions]
    for sentence in wrong:
        console.print(f"[red]{sentence}[/]")
    if wrong:
        sys.exit(1)
    console.print("[green]Nothing grew.[/]")


async def _soak(store: RunningStore, seconds: float) -> list[str]:
    cycles: dict[str, int] = {}
    samples: list[Counts] = []
    async with open_stage(store, console.print) as stage, asyncio.TaskGroup() as group:
        loads = [
            group.create_task(_again("shoppers", cycles, lambda: _shop(stage))),
            group.create_task(_again("merchant", cycles, lambda: asyncio.to_thread(_trade, stage))),
            group.create_task(_again("partner", cycles, lambda: asyncio.to_thread(_deploy, stage, cycles))),
        ]
        started = time.monotonic()
        pause_s = min(SAMPLE_S, seconds / SAMPLES_MIN)
        while time.monotonic() - started < seconds:
            await asyncio.sleep(pause_s)
            counts = await asyncio.to_thread(take_census, store.process.pid, store.state_dir / "host" / "host.sock")
            samples.append(counts)
            console.print(_line(time.monotonic() - started, counts, cycles), soft_wrap=True)
        for load in loads:
            load.cancel()
    return growth(samples)


async def _again(name: str, cycles: dict[str, int], once: Callable[[], Awaitable[None]]) -> None:
    while True:
        await once()
        cycles[name] = cycles.get(name, 0) + 1


def _line(passed_s: float, counts: Counts, cycles: dict[str, int]) -> str:
    shown = "  ".join(f"{name} {value:,.0f}" for name, value in sorted(counts.items()))
    done = "  ".join(f"{name} {count}" for name, count in sorted(cycles.items()))
    return f"[bold]{passed_s / 60:5.1f} min[/]  {shown}  [dim]cycles: {done}[/]"


async def _shop(stage: Stage) -> None:
    """A few seconds of reads, the route that is now and then overridden among them."""
    asked = [
        stage.graphql(read.query, random.choice(read.variables))
        for read in (LISTING, PAGE, SEARCH_READ)
        for _ in range(_EACH)
    ]
    asked += [_native_search(stage)] * _EACH
    random.shuffle(asked)
    await drive(stage.store.address, asked, connections=_SHOPPERS, seconds=_SLICE_S)


def _native_search(stage: Stage) -> bytes:
    tenant = stage.store.variables["KOKOA_TENANT_ID"]
    headers = {"Host": f"127.0.0.1:{stage.store.address[1]}", "X-Tenant-ID": tenant}
    return request("GET", "/api/search?q=lamp", headers)


def _trade(stage: Stage) -> None:
    """A product's life."""
    number = random.randrange(10**12)
    with Line(stage.store.address) as line:

        def ask(query: str, variables: dict[str, Any]) -> Any:
            answer = msgspec.json.decode(line.exchange(stage.graphql(query, variables)))
            if answer.get("errors"):
                raise Refused(str(answer["errors"]))
            return next(iter(answer["data"].values()))

        variant = {"sku": f"S{number}", "priceMinor": 990, "currency": "EUR"}
        made = ask(_CREATE, {"input": {"name": f"Soak {number}", "variants": [variant]}})
        named = {"id": made["id"], "version": made["version"]}
        changed = ask(_UPDATE, {"input": {**named, "description": "changed while it is read"}})
        ask(_DELETE, {"id": changed["id"], "version": changed["version"]})
    time.sleep(_PAUSE_S)


def _deploy(stage: Stage, cycles: dict[str, int]) -> None:
    """A function's life: deployed, invoked, changed, invoked, and a route of its own for a moment."""
    number = cycles.get("partner", 0)
    client = stage.aws("lambda")
    payload = json.dumps({"name": "soak"}).encode()
    with deployed(stage, f"soak-{number}", f"# {number}\n{HELLO}"):
        for _ in range(_INVOKES):
            _invoke(client, f"soak-{number}", payload)
        client.update_function_code(FunctionName=f"soak-{number}", ZipFile=zipped(f"# {number} anew\n{HELLO}"))
        client.get_waiter("function_updated_v2").wait(FunctionName=f"soak-{number}", WaiterConfig={"Delay": 0.05})
        _invoke(client, f"soak-{number}", payload)
    with deployed(stage, f"soak-route-{number}", f"# {number}\n{SEARCH}") as arn:
        with overridden(stage, arn, "GET /api/search"), Line(stage.store.address) as line:
            for _ in range(_INVOKES):
                line.exchange(_native_search(stage))
        time.sleep(_ROUTES_STALE_S)
    client.close()


def _invoke(client: Any, name: str, payload: bytes) -> None:
    answer = client.invoke(FunctionName=name, Payload=payload)
    if answer.get("FunctionError"):
        raise Refused(answer["Payload"].read().decode())
    answer["Payload"].read()


if __name__ == "__main__":
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
