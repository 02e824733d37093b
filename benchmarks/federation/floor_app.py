"""The floor: what Kokoa's plan fetches, fetched and put together by hand. It knows this one query and no schema.

It checks nothing, has no deadline, knows no failure. FEDERATION_SUBGRAPHS: the base URL of the subgraphs.
"""

import asyncio
import os
from typing import Any

import aiohttp
import orjson

from benchmarks.federation.shop import ONE_FETCH, make_supergraph, plan_of
from benchmarks.federation.small_app import SmallApp
from kokoa.gateway.plan import Plan

Row = dict[str, Any]
_HEADERS = {"content-type": "application/json"}


class Floor(SmallApp):
    """The documents are the plan's, in its order: users, top products, reviews, products, stock, names, stock."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    async def open(self) -> None:
        supergraph = make_supergraph(self._base_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=256, keepalive_timeout=60), auto_decompress=False
        )
        self._plan: Plan = plan_of(supergraph)

    async def close(self) -> None:
        await self._session.close()

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        asked = orjson.loads(body)
        if asked["query"] == ONE_FETCH:
            return 200, orjson.dumps({"data": await self._post("accounts", ONE_FETCH, {})})
        return 200, orjson.dumps({"data": await self._page()})

    async def _page(self) -> Row:
        users, top = await asyncio.gather(self._fetch(0), self._fetch(1))
        people, products = users["users"], top["topProducts"]
        stock = asyncio.ensure_future(self._fetch(6, representations=_stock_of(products)))
        found = await self._fetch(
            2,
            representations_0=[{"__typename": "User", "id": one["id"]} for one in people],
            representations_1=[{"__typename": "Product", "upc": one["upc"]} for one in products],
        )
        for mine, brought in zip((*people, *products), (*found["_entities_0"], *found["_entities_1"]), strict=True):
            mine.update(brought)
        named, authors = _mentioned(people, products)
        await asyncio.gather(self._fill_products(named), self._fill_authors(authors))
        for mine, brought in zip(products, (await stock)["_entities"], strict=True):
            mine.update(brought)
        return {"users": people, "topProducts": products}

    async def _fill_products(self, named: dict[str, list[Row]]) -> None:
        references = [{"__typename": "Product", "upc": upc} for upc in named]
        brought = (await self._fetch(3, representations=references))["_entities"]
        known = [{"upc": upc, **one} for upc, one in zip(named, brought, strict=True)]
        stock = (await self._fetch(4, representations=_stock_of(known)))["_entities"]
        for places, one, more in zip(named.values(), brought, stock, strict=True):
            for place in places:
                place.update(one)
                place.update(more)

    async def _fill_authors(self, authors: dict[str, list[Row]]) -> None:
        references = [{"__typename": "User", "id": user_id} for user_id in authors]
        brought = (await self._fetch(5, representations=references))["_entities"]
        for places, one in zip(authors.values(), brought, strict=True):
            for place in places:
                place.update(one)

    async def _fetch(self, index: int, **variables: Any) -> Row:
        fetch = self._plan.fetches[index]
        return await self._post(fetch.subgraph, fetch.document, variables)

    async def _post(self, name: str, document: str, variables: Row) -> Row:
        data = orjson.dumps({"query": document, "variables": variables})
        async with self._session.post(f"{self._base_url}/{name}", data=data, headers=_HEADERS) as response:
            answer: dict[str, Row] = orjson.loads(await response.read())
        return answer["data"]


def _stock_of(products: list[Row]) -> list[Row]:
    return [
        {"__typename": "Product", "upc": one["upc"], "price": one["price"], "weight": one["weight"]}
        for one in products
    ]


def _mentioned(people: list[Row], top: list[Row]) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """The products and the authors that reviews mention, by their keys, with all places where they stand."""
    named: dict[str, list[Row]] = {}
    authors: dict[str, list[Row]] = {}
    reviewed = list(top)
    for person in people:
        for review in person["reviews"]:
            named.setdefault(review["product"]["upc"], []).append(review["product"])
            reviewed.append(review["product"])
    for product in reviewed:
        for review in product["reviews"]:
            author = review["author"]
            authors.setdefault(author["id"], []).append(author)
            for other in author["reviews"]:
                named.setdefault(other["product"]["upc"], []).append(other["product"])
    return named, authors


def create() -> Floor:
    """The factory that the server calls."""
    return Floor(os.environ["FEDERATION_SUBGRAPHS"])
