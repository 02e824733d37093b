"""The floor: the same SQL by bare asyncpg, the same JSON by orjson, behind the same server.

No environment is looked up, nobody is asked who they are, nothing is logged or limited. Run as a program:
`python -m benchmarks.floor_app <port> <processes>` with FLOOR_CATALOG, FLOOR_SEARCH … (connection URLs of
the services' own roles) and FLOOR_ENVIRONMENT.
"""

import os
import sys
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.floor_buying import Buying
from kokoa.postgres.database import PLANS
from kokoa.roles.platform import SERVICES
from kokoa.services.catalog.categories.store import queries as category_queries
from kokoa.services.catalog.store import queries as catalog_queries
from kokoa.services.search.store import queries as search_queries
from kokoa.web.server import ServerSettings, run_server

POOL_SIZE = 4


async def _keep(_: asyncpg.Connection) -> None:
    """No reset query: Kokoa has none either."""


class Floor:
    """Opened with the first lifespan message; each path is one of what is measured."""

    def __init__(self) -> None:
        self._environment = os.environ["FLOOR_ENVIRONMENT"]
        self._pools: dict[str, Any] = {}
        self._buying = Buying(self._environment, self._pools)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        query = parse_qs(scope["query_string"].decode())
        work = {
            "/listing": self.listing,
            "/page": self.page,
            "/search": self.search,
            "/cart": self._buying.cart,
            "/add": self._buying.add,
            "/order": self._buying.order,
        }[scope["path"]]
        body = orjson.dumps({"data": await work(query)})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        for name in SERVICES:
            if f"FLOOR_{name.upper()}" in os.environ:
                self._pools[name] = await self._pool(f"FLOOR_{name.upper()}", name)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for pool in self._pools.values():
            await pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _pool(self, variable: str, schema: str) -> Any:
        settings = {"search_path": schema, "kokoa.environment_id": self._environment, **PLANS}
        return await asyncpg.create_pool(
            os.environ[variable], min_size=1, max_size=POOL_SIZE, reset=_keep, server_settings=settings
        )

    async def listing(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """50 products with their variants."""
        async with self._pools["catalog"].acquire() as connection:
            products = await connection.fetch(
                catalog_queries.products_page, self._environment, 50, int(query["offset"][0])
            )
            variants = await self._variants(connection, [product["id"] for product in products])
        return {"products": [{**_product(row), "variants": variants[row["id"]]} for row in products]}

    async def page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """One product by its slug, with variants and category."""
        async with self._pools["catalog"].acquire() as connection:
            row = await connection.fetchrow(catalog_queries.product_by_slug, self._environment, query["slug"][0])
            variants = await self._variants(connection, [row["id"]])
            category = await connection.fetchrow(
                category_queries.categories_by_paths, self._environment, [row["category"]]
            )
        product = {
            **_product(row),
            "description": row["description"],
            "category": {"slug": category["slug"], "name": category["name"]},
            "variants": variants[row["id"]],
        }
        return {"product": product}

    async def search(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """20 results by relevance, with the products' fields."""
        words, offset = query["q"][0], int(query["offset"][0])
        async with self._pools["search"].acquire() as connection:
            found = await connection.fetchrow(
                search_queries.search_page,
                self._environment,
                words.split(),
                words,
                20,
                offset,
                "RELEVANCE",
                *[None] * 4,
                True,
                False,
            )
        ids = found["product_ids"]
        async with self._pools["catalog"].acquire() as connection:
            rows = await connection.fetch(catalog_queries.products_by_ids, self._environment, ids)
        products = {row["id"]: row for row in rows}
        return {"search": {"total": found["total"], "items": [_product(products[one]) for one in ids]}}

    async def _variants(self, connection: Any, ids: list[Any]) -> dict[Any, list[dict[str, Any]]]:
        rows = await connection.fetch(catalog_queries.variants_of_products, self._environment, ids)
        found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            found[row["product_id"]].append(
                {"id": str(row["id"]), "sku": row["sku"], "name": row["name"], "price": row["price_minor"] / 100}
            )
        return found


def _product(row: Any) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "slug": row["slug"],
        "price": row["price_minor"] / 100,
        "currency": row["currency"],
    }


def create() -> ASGIApp:
    """The factory that the server calls in each process."""
    return Floor()


if __name__ == "__main__":
    port, processes = map(int, sys.argv[1:])
    run_server(ServerSettings(target="benchmarks.floor_app:create", port=port, workers=processes))
