"""Drafts, published and archived products: what changes them, and who sees them by which way."""

import asyncio
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from starlette.types import Message

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from kokoa.edge.native.operations import load_operations
from kokoa.edge.native.serve import NativeRoutes
from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import InProcessClient
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.kernel.errors import NotFound
from kokoa.messaging import Bus, relay_once
from kokoa.postgres import Database
from kokoa.roles.graph import DataOrError, LocalGraph
from kokoa.roles.indexing import indexer_call
from kokoa.roles.worker import DatabaseOutbox
from kokoa.services.catalog.model import Category
from kokoa.services.catalog.service import CatalogService
from kokoa.services.search.service import SearchService
from kokoa.web.http import Request, Response
from servers import until

CHANGES = ("publish", "unpublish", "archive", "restore")
OUTBOX = "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    shop = Shop(catalog[0])
    await shop.service.actions.put_categories(shop.environment_id, [Category("lamps", "Lamps")])
    return shop


def mutation(change: str) -> str:
    return f"mutation($id: ID!, $v: Int!) {{ p: {change}Product(id: $id, version: $v) {{ status version }} }}"


async def changed(shop: Shop, change: str, product_id: str, version: int) -> tuple[str, int]:
    found = (await shop.data(mutation(change), id=product_id, v=version))["p"]
    return found["status"], found["version"]


async def test_a_product_goes_through_its_life_and_each_change_is_told_once(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    assert await changed(shop, "publish", made, 1) == ("PUBLISHED", 2)
    assert await changed(shop, "publish", made, 1) == ("PUBLISHED", 2)  # again, as after a lost answer
    assert await changed(shop, "unpublish", made, 2) == ("DRAFT", 3)
    assert await changed(shop, "archive", made, 3) == ("ARCHIVED", 4)
    assert await changed(shop, "archive", made, 4) == ("ARCHIVED", 4)
    for change in ("publish", "unpublish"):
        assert await shop.code(mutation(change), id=made, v=4) == "PRODUCT_IS_ARCHIVED"
    assert await changed(shop, "restore", made, 4) == ("DRAFT", 5)
    assert await changed(shop, "restore", made, 5) == ("DRAFT", 5)
    told = [row["event_type"] for row in await database.fetch(shop.environment_id, OUTBOX)]
    lived = ["ProductPublished", "ProductUnpublished", "ProductArchived", "ProductRestored"]
    assert told == ["ProductCreated", *lived]


async def test_a_change_names_the_version_and_one_of_two_at_once_wins(shop: Shop) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    assert await shop.code(mutation("publish"), id=made, v=7) == "PRODUCT_CHANGED"
    both = await asyncio.gather(
        shop.ask(mutation("publish"), variables={"id": made, "v": 1}),
        shop.ask(mutation("archive"), variables={"id": made, "v": 1}),
    )
    assert sorted(len(result.errors) for result in both) == [0, 1]
    (refused,) = [result.errors[0]["extensions"]["code"] for result in both if result.errors]
    assert refused in {"PRODUCT_CHANGED", "PRODUCT_IS_ARCHIVED"}


@pytest.mark.parametrize("change", CHANGES)
async def test_neither_a_storefront_nor_another_environment_changes_a_status(shop: Shop, change: str) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    assert await shop.code(mutation(change), STOREFRONT, id=made, v=1) == "FORBIDDEN"
    assert await Shop(shop.service).code(mutation(change), id=made, v=1) == "PRODUCT_NOT_FOUND"
    assert await shop.code(mutation(change), id="7", v=1) == "INVALID_ID"
    found = await shop.data("query($id: ID) { product(id: $id) { status version } }", id=made)
    assert found["product"] == {"status": "DRAFT", "version": 1}


async def test_a_product_is_published_when_nobody_says_otherwise_and_is_never_born_archived(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    query = "query($id: ID) { product(id: $id) { status createdAt updatedAt } }"
    found = (await shop.data(query, STOREFRONT, id=made))["product"]
    assert found["status"] == "PUBLISHED"
    assert found["createdAt"] == found["updatedAt"]
    assert found["createdAt"].endswith("Z")
    wanted = {"name": "Old", "variants": [], "status": "ARCHIVED"}
    create = "mutation($input: CreateProductInput!) { createProduct(input: $input) { id } }"
    assert await shop.code(create, input=wanted) == "INVALID_PRODUCT"


# Every way through the subgraph to a product: `$id` and `$v` are the hidden product's and its variant's.
WAYS = {
    "product by id": "query($id: ID!) { product(id: $id) { id } }",
    "product by slug": 'query { product(slug: "hidden") { id } }',
    "listing": "query { products { id } }",
    "listing by ids": "query($id: ID!) { products(ids: [$id]) { id } }",
    "listing of a category": 'query { products(category: "lamps") { id } }',
    "products of a category": 'query { category(slug: "lamps") { products { id } } }',
    "products of categories": "query { categories { products { id } } }",
    "product as an entity": """query($id: ID!) {
        _entities(representations: [{__typename: "Product", id: $id}]) { ... on Product { id } } }""",
    "variant as an entity": """query($v: ID!) {
        _entities(representations: [{__typename: "Variant", id: $v}]) { ... on Variant { id } } }""",
    "variants by id": "query($v: ID!) { variants(ids: [$v]) { id product { id } } }",
    "variants by SKU": 'query { variants(skus: ["Hidden-1"]) { product { id } } }',
    "products of an entity": """query {
        _entities(representations: [{__typename: "Category", path: "lamps"}]) {
          ... on Category { products { id } } } }""",
}


@pytest.mark.parametrize("status", ["DRAFT", "ARCHIVED"])
@pytest.mark.parametrize("way", WAYS)
async def test_storefronts_see_published_products_only(shop: Shop, way: str, status: str) -> None:
    made = await shop.create("Hidden", category="lamps", status="DRAFT")
    if status == "ARCHIVED":
        await changed(shop, "archive", made["id"], 1)
    variants = await shop.data("query($id: ID!) { product(id: $id) { variants { id } } }", id=made["id"])
    known = {"id": made["id"], "v": variants["product"]["variants"][0]["id"]}
    wanted = {name: value for name, value in known.items() if f"${name}:" in WAYS[way]}
    assert not ids_in(await shop.data(WAYS[way], STOREFRONT, **wanted))
    assert not ids_in(await shop.data(WAYS[way], frozenset(), **wanted))
    assert ids_in(await shop.data(WAYS[way], MANAGEMENT, **wanted)) & set(known.values())


def ids_in(answer: Any) -> set[str]:
    """Every `id` in an answer."""
    if isinstance(answer, dict):
        own = {answer["id"]} if "id" in answer else set()
        return own.union(*(ids_in(value) for value in answer.values()))
    return set().union(*(ids_in(one) for one in answer)) if isinstance(answer, list) else set()


async def test_a_storefront_hears_of_published_products_only(shop: Shop, database: Database, bus: Bus) -> None:
    draft = (await shop.create("Draft", status="DRAFT"))["id"]
    shown = (await shop.create("Shown"))["id"]
    await relay_once(DatabaseOutbox(database), bus)
    text = "subscription { productChanged { id product { name } } }"
    heard: list[Any] = []
    async with aclosing(shop.service.subgraph.stream(text, {}, shop.call(STOREFRONT))) as changes:
        coming = asyncio.ensure_future(anext(changes))
        await until(lambda: shop.service.feed.listeners(shop.environment_id) == 1, within_s=30)
        update = "mutation($input: UpdateProductInput!) { updateProduct(input: $input) { version } }"
        await shop.data(update, input={"id": draft, "version": 1, "name": "Secret"})
        await changed(shop, "archive", shown, 1)
        await shop.data("mutation($id: ID!) { deleteProduct(id: $id, version: 2) }", id=shown)
        await changed(shop, "publish", draft, 2)
        await relay_once(DatabaseOutbox(database), bus)
        for _ in range(2):
            heard.append((await asyncio.wait_for(coming, 30)).response()["data"]["productChanged"])
            coming = asyncio.ensure_future(anext(changes))
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    assert heard == [{"id": shown, "product": None}, {"id": draft, "product": {"name": "Secret"}}]


async def without_body() -> Message:
    """What a server receives."""
    return {"type": "http.request", "body": b"", "more_body": False}


class Store:
    """catalog and search behind a gateway, and the REST routes in front of it."""

    def __init__(self, shop: Shop, index: SearchService) -> None:
        self.shop = shop
        services = {"catalog": shop.service.subgraph, "search": index.subgraph}
        supergraph = compose([SubgraphDefinition(name, one.sdl) for name, one in services.items()])
        self.graph = LocalGraph(Gateway(supergraph, {name: InProcessClient(one) for name, one in services.items()}))
        self.routes = NativeRoutes(load_operations(), self.graph)
        self._indexer = index.indexer(DataOrError(self.graph))

    async def index(self, *product_ids: str) -> None:
        """As the worker does."""
        await self._indexer.index(list(product_ids), indexer_call(self.shop.environment_id, "0" * 32))

    async def get(self, name: str, query: str, scopes: frozenset[str], **parameters: str) -> Any:
        """The answer of a native route, None for 404."""
        try:
            response = await self._serve(name, query, scopes, **parameters)
        except NotFound:
            return None
        assert response.status == 200, response
        return orjson.loads(response.body)

    async def problem(self, name: str, query: str, scopes: frozenset[str]) -> tuple[int, str]:
        """Status and code of a refusal."""
        response = await self._serve(name, query, scopes)
        return response.status, orjson.loads(response.body)["code"]

    async def _serve(self, name: str, query: str, scopes: frozenset[str], **parameters: str) -> Response:
        request = Request("GET", f"/{name}", (name,), query, (), "1.1", "http", "", "0" * 32)
        return await self.routes.serve(request, without_body, self.shop.call(scopes), name, parameters)


@pytest.fixture
def store(shop: Shop, search_index: SearchService) -> Store:
    return Store(shop, search_index)


async def test_rest_routes_and_search_show_what_the_graph_shows(shop: Shop, store: Store) -> None:
    draft, shown = (await shop.create("Brass lamp", status="DRAFT"))["id"], (await shop.create("Iron lamp"))["id"]
    await store.index(draft, shown)
    assert [one["id"] for one in await store.get("Products", "", STOREFRONT)] == [shown]
    assert [one["id"] for one in await store.get("Products", "", MANAGEMENT)] == [draft, shown]
    assert await store.get("Product", "", STOREFRONT, id=draft) is None
    assert (await store.get("Product", "", MANAGEMENT, id=draft))["id"] == draft
    for scopes in (STOREFRONT, MANAGEMENT):
        found = await store.get("Search", "q=lamp", scopes)
        assert (found["total"], [one["id"] for one in found["items"]]) == (1, [shown])
    await changed(shop, "publish", draft, 1)
    await changed(shop, "archive", shown, 1)
    await store.index(draft, shown)
    assert [one["id"] for one in (await store.get("Search", "q=lamp", STOREFRONT))["items"]] == [draft]


async def test_the_rest_listing_takes_filters_and_a_sort(shop: Shop, store: Store) -> None:
    for name, more in {"Brass lamp": {"category": "lamps"}, "Iron lamp": {}, "Sofa": {}}.items():
        await shop.create(name, **more)
    await shop.create("Secret lamp", status="DRAFT")

    async def names(query: str, scopes: frozenset[str] = STOREFRONT) -> list[str]:
        return [one["name"] for one in await store.get("Products", query, scopes)]

    assert await names("nameContains=LAMP&sort=NAME&direction=DESC") == ["Iron lamp", "Brass lamp"]
    assert await names("category=lamps&includeSubcategories=true") == ["Brass lamp"]
    assert await names("skus=Sofa-1&skus=Sofa-2&currency=EUR&maxPriceMinor=7990") == ["Sofa"]
    assert await names("createdTo=2020-01-01T00:00:00Z") == []
    assert await names("sort=CREATED&direction=DESC&limit=2") == ["Sofa", "Iron lamp"]
    assert await names("status=DRAFT") == []
    assert await names("status=DRAFT&status=ARCHIVED", MANAGEMENT) == ["Secret lamp"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("sort=COLOUR", "BAD_USER_INPUT"),
        ("status=SOLD", "BAD_USER_INPUT"),
        ("createdFrom=0001-01-01T00:00:00%2B01:00", "BAD_USER_INPUT"),
        ("createdFrom=yesterday", "BAD_USER_INPUT"),
        ("nameContains=ab", "INVALID_FILTER"),
        ("minPriceMinor=5", "INVALID_FILTER"),
        ("includeSubcategories=true", "INVALID_FILTER"),
        ("ids=7", "INVALID_ID"),
    ],
)
async def test_a_wrong_parameter_of_the_rest_listing_is_a_problem(store: Store, query: str, code: str) -> None:
    assert (await store.problem("Products", query, STOREFRONT)) == (400, code)


async def test_many_filtered_lists_in_one_operation_cost_too_much(shop: Shop, store: Store) -> None:
    lists = [f'l{n}: products(limit: 1, filter: {{namePrefix: "a"}}) {{ id }}' for n in range(50)]
    refused = await store.graph.execute(f"{{ {' '.join(lists)} }}", {}, shop.call(STOREFRONT))
    assert refused.errors[0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert not (await store.graph.execute(f"{{ {' '.join(lists[:10])} }}", {}, shop.call(STOREFRONT))).errors
