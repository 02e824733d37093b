"""catalog on a real server, asked through its subgraph."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from contract.catalog_shop import CREATE, Shop
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.messaging import Bus, relay_once
from kokoa.postgres import Database
from kokoa.roles.worker import DatabaseOutbox
from kokoa.services.catalog.model import Category, Country
from kokoa.services.catalog.service import CatalogService
from servers import until

UPDATE = """mutation Update($input: UpdateProductInput!) { updateProduct(input: $input) { name version } }"""


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    shop = Shop(catalog[0])
    await shop.service.actions.put_categories(shop.environment_id, [Category("lamps", "Lamps")])
    await shop.service.actions.put_countries(shop.environment_id, [Country("FI", "Finland")])
    return shop


async def test_a_product_is_created_and_read_with_its_lowest_price_in_major_units(shop: Shop) -> None:
    made = await shop.create("Brass lamp", category="lamps")
    assert (made["slug"], made["price"], made["currency"], made["version"]) == ("brass-lamp", 79.9, "EUR", 1)
    assert [variant["priceMinor"] for variant in made["variants"]] == [8990, 7990]
    found = await shop.data('{ product(slug: "brass-lamp") { id category { slug name } } countries { code name } }')
    assert found == {
        "product": {"id": made["id"], "category": {"slug": "lamps", "name": "Lamps"}},
        "countries": [{"code": "FI", "name": "Finland"}],
    }


async def test_pages_are_by_name_and_ids_keep_their_order(shop: Shop) -> None:
    made = {name: (await shop.create(name))["id"] for name in ("Cup", "Axe", "Bed")}
    page = await shop.data("{ products(limit: 2, offset: 1) { name } }")
    assert [product["name"] for product in page["products"]] == ["Bed", "Cup"]
    ids = [made["Cup"], new_id(), made["Axe"]]
    chosen = await shop.data("query($ids: [ID!]) { products(ids: $ids) { name } }", ids=ids)
    assert [product["name"] for product in chosen["products"]] == ["Cup", "Axe"]


async def test_another_environment_sees_and_changes_nothing(shop: Shop) -> None:
    made = await shop.create("Secret lamp")
    other = Shop(shop.service)
    assert (await other.data("{ products { id } }"))["products"] == []
    assert (await other.data("query($id: ID!) { product(id: $id) { id } }", id=made["id"]))["product"] is None
    change = {"id": made["id"], "version": 1, "name": "Stolen"}
    assert await other.code(UPDATE, input=change) == "PRODUCT_NOT_FOUND"


async def test_updates_name_the_version_they_change(shop: Shop) -> None:
    made = await shop.create("Lamp")
    change = {"id": made["id"], "version": 1, "name": "Better lamp"}
    assert (await shop.data(UPDATE, input=change))["updateProduct"] == {"name": "Better lamp", "version": 2}
    assert await shop.code(UPDATE, input=change) == "PRODUCT_CHANGED"
    for category, code in (("nowhere", "CATEGORY_NOT_FOUND"), ("a\x00", "INVALID_TEXT")):
        assert await shop.code(UPDATE, input={"id": made["id"], "version": 2, "category": category}) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "INVALID_PRODUCT"),
        ({"name": "x" * 201}, "INVALID_PRODUCT"),
        ({"slug": "Not a slug"}, "INVALID_PRODUCT"),
        ({"category": "nowhere"}, "CATEGORY_NOT_FOUND"),
        ({"category": "no\x00where"}, "INVALID_TEXT"),
        ({"name": "a\x00b", "slug": "a"}, "INVALID_PRODUCT"),
        ({"variants": [{"sku": "a", "priceMinor": 1, "currency": "E1R"}]}, "INVALID_MONEY"),
        ({"variants": [{"sku": "a", "priceMinor": 1, "currency": "E\x00R"}]}, "INVALID_MONEY"),
        ({"variants": [{"sku": "a", "priceMinor": -1, "currency": "EUR"}]}, "INVALID_PRODUCT"),
        ({"variants": [{"sku": "a", "priceMinor": 1, "currency": "Euro"}]}, "INVALID_MONEY"),
        ({"variants": [{"sku": "a", "priceMinor": 1, "currency": "EUR"}] * 2}, "INVALID_PRODUCT"),
        ({"variants": [{"sku": "taken-1", "priceMinor": 1, "currency": "EUR"}]}, "ALREADY_TAKEN"),
        ({"externalReference": "taken", "slug": "free"}, "ALREADY_TAKEN"),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(shop: Shop, change: dict[str, Any], code: str) -> None:
    await shop.create("taken", externalReference="taken")
    wrong = {"name": "New", "variants": [], **change}
    assert await shop.code(CREATE, input=wrong) == code
    assert len((await shop.data("{ products { id } }"))["products"]) == 1


@pytest.mark.parametrize(
    "arguments", ["limit: 101", "limit: -1", "offset: -1", "offset: 10001", 'ids: ["not-an-id"]']
)
async def test_pages_are_bounded(shop: Shop, arguments: str) -> None:
    assert (await shop.code(f"{{ products({arguments}) {{ id }} }}")) in {"INVALID_PAGE", "INVALID_ID"}


async def test_a_storefront_cannot_change_the_catalog(shop: Shop) -> None:
    wanted = {"name": "Mine", "variants": []}
    result = await shop.ask(CREATE, frozenset({"storefront"}), input=wanted)
    assert result.errors
    assert (await shop.data("{ products { id } }"))["products"] == []


async def test_every_change_tells_what_happened(shop: Shop, database: Database) -> None:
    made = await shop.create("Lamp")
    await shop.data(UPDATE, input={"id": made["id"], "version": 1, "name": "Better lamp"})
    await shop.data("mutation($id: ID!) { deleteProduct(id: $id, version: 2) }", id=made["id"])
    rows = await database.fetch(
        shop.environment_id, "SELECT event_type, event_key FROM outbox WHERE environment_id = $1 ORDER BY id"
    )
    assert [(row["event_type"], row["event_key"]) for row in rows] == [
        ("ProductCreated", made["id"]),
        ("ProductUpdated", made["id"]),
        ("ProductDeleted", made["id"]),
    ]


async def test_a_listing_takes_the_same_number_of_statements_at_any_size(shop: Shop, database: Database) -> None:
    for number in range(12):
        await shop.create(f"Lamp {number}", category="lamps")
    document = "query($n: Int!) { products(limit: $n) { name price variants { sku } category { name } } }"
    counts = [await statements(shop, database, document, n=size) for size in (1, 12)]
    assert counts[0] == counts[1] <= 5


async def statements(shop: Shop, database: Database, document: str, **variables: Any) -> int:
    """How many statements a query sends, counted where they leave."""
    sent: list[str] = []
    fetch, fetchrow = database.fetch, database.fetchrow

    async def counting(environment_id: str, statement: str, *arguments: Any) -> Any:
        sent.append(statement)
        return await fetch(environment_id, statement, *arguments)

    database.fetch = counting  # type: ignore[method-assign]
    try:
        await shop.data(document, **variables)
    finally:
        database.fetch, database.fetchrow = fetch, fetchrow  # type: ignore[method-assign]
    return len(sent)


async def test_a_subscription_tells_each_change_of_the_products_it_asks_for(
    shop: Shop, database: Database, bus: Bus
) -> None:
    one, other = await shop.create("Lamp"), await shop.create("Chair")
    await relay_once(DatabaseOutbox(database), bus)
    text = "subscription($ids: [ID!]) { productChanged(ids: $ids) { id product { name } } }"
    call = Call(shop.environment_id, Caller("storefront"), new_correlation_id(), now_ms() + 10_000)
    async with aclosing(shop.service.subgraph.stream(text, {"ids": [one["id"]]}, call)) as changes:
        coming = asyncio.ensure_future(anext(changes))
        await until(lambda: shop.service.feed.listeners(shop.environment_id) == 1)
        for changed in (other, one):
            await shop.data(UPDATE, input={"id": changed["id"], "version": 1, "name": "Better"})
        await relay_once(DatabaseOutbox(database), bus)
        first = await asyncio.wait_for(coming, 10)
        coming = asyncio.ensure_future(anext(changes))
        await shop.data("mutation($id: ID!) { deleteProduct(id: $id, version: 2) }", id=one["id"])
        await relay_once(DatabaseOutbox(database), bus)
        second = await asyncio.wait_for(coming, 10)
    assert first.response() == {"data": {"productChanged": {"id": one["id"], "product": {"name": "Better"}}}}
    assert second.response() == {"data": {"productChanged": {"id": one["id"], "product": None}}}
    assert shop.service.feed.listeners(shop.environment_id) == 0


async def test_a_subscription_with_wrong_ids_says_so(shop: Shop) -> None:
    text = 'subscription { productChanged(ids: ["no-id"]) { id } }'
    call = Call(shop.environment_id, Caller("storefront"), new_correlation_id(), now_ms() + 10_000)
    (found,) = [one async for one in shop.service.subgraph.stream(text, {}, call)]
    assert found.errors[0]["extensions"]["code"] == "INVALID_ID"
