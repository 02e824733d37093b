"""Many callers at once, each with a patience: what they were told, and whether anybody was left hanging."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType

import aiohttp
from hurt_store import HurtStore

AGAIN = frozenset({429, 502, 503, 504})
PATIENCE_S = 75.0
"""A call's own deadline is 30 s, and a statement's; more than their sum counts as hanging."""
IN_FLIGHT = 50
_PAUSE_S = 0.05

_CREATE = """mutation Create($sku: String!) {
  createProduct(input: {name: $sku, externalReference: $sku,
                        variants: [{sku: $sku, priceMinor: 100, currency: "EUR"}]}) { id }
}"""

Outcome = str
"""done, again, lost (the connection ended), or what is not allowed: hung, and anything else that was answered."""


class Callers:
    """Writes, listings and invocations through the edge, IN_FLIGHT at once, until `end`.

    written: the references of acknowledged products.  told: outcome → how often, by kind of call.
    """

    def __init__(self, hurt: HurtStore, *, prefix: str, in_flight: int = IN_FLIGHT) -> None:
        self._hurt = hurt
        self._prefix = prefix
        self._in_flight = in_flight
        self._numbers = itertools.count()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.written: set[str] = set()
        self.told: Counter[tuple[str, Outcome]] = Counter()
        self.slowest_s = 0.0

    async def __aenter__(self) -> "Callers":
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE_S))
        calls: tuple[Callable[[], Awaitable[Outcome]], ...] = (self._write, self._list, self._invoke)
        self._tasks = [
            asyncio.create_task(self._call_again_and_again(calls[number % len(calls)]))
            for number in range(self._in_flight)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)
        await self._session.close()

    def done(self, call: str) -> int:
        """How many calls of a kind (write, list, invoke) were served so far."""
        return self.told[call, "done"]

    @property
    def not_allowed(self) -> dict[tuple[str, Outcome], int]:
        """What no caller may be told."""
        return {key: count for key, count in self.told.items() if key[1] not in ("done", "again", "lost")}

    async def _call_again_and_again(self, call: Callable[[], Awaitable[Outcome]]) -> None:
        name = call.__name__.strip("_")
        while not self._stopping:
            begun = time.monotonic()
            try:
                outcome = await call()
            except TimeoutError:
                outcome = "hung"
            except (aiohttp.ClientError, OSError):
                outcome = "lost"
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
            self.told[name, outcome] += 1
            if outcome != "done":
                await asyncio.sleep(_PAUSE_S)

    async def _write(self) -> Outcome:
        reference = f"{self._prefix}{next(self._numbers):06d}"
        body = {"query": _CREATE, "variables": {"sku": reference}}
        environment = self._hurt.environment
        url = f"{environment.store.url}/graphql"
        async with self._session.post(url, json=body, headers=environment.secrets) as response:
            outcome = await outcome_of(response)
            if outcome != "done":
                return outcome
            for error in (await response.json()).get("errors", ()):
                code: str = error["extensions"]["code"]
                return "again" if code.endswith("UNAVAILABLE") or code == "DEADLINE_EXCEEDED" else code
        self.written.add(reference)
        return "done"

    async def _list(self) -> Outcome:
        return await self._get("/api/products?limit=5")

    async def _invoke(self) -> Outcome:
        return await self._get("/kept/first")

    async def _get(self, path: str) -> Outcome:
        environment = self._hurt.environment
        async with self._session.get(environment.store.url + path, headers=environment.shopper) as response:
            return await outcome_of(response)


async def outcome_of(response: aiohttp.ClientResponse) -> Outcome:
    """done or again by the status; else the status with the body."""
    body = await response.read()
    if response.status == 200:
        return "done"
    if response.status == 503 and int(response.headers.get("Retry-After", "0")) < 1:
        return f"503 without Retry-After: {body!r}"
    return "again" if response.status in AGAIN else f"{response.status} {body[:200]!r}"


def product_references(told: Mapping[str, object]) -> list[str]:
    """The external references in a page of products."""
    page = told["products"]
    assert isinstance(page, list)
    return [product["externalReference"] for product in page]
