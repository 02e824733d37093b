"""Products that belong together: related ones, in order and of published products only; bundles of variants."""

import asyncio
from itertools import product
from typing import Any

import pytest

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from contract.test_catalog_bulk import row, upsert
from contract.test_catalog_schedules import told
from contract.test_catalog_staged_changes import PUBLISH, stage
from contract.test_catalog_statements import counting
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.catalog.service import CatalogService

RELATE = """mutation($id: ID!, $v: Int!, $kind: RelationKind!, $ids: [ID!]!) {
  relateProducts(id: $id, version: $v, kind: $kind, productIds: $ids) { version } }"""
RELATED = """query($id: ID!, $kind: RelationKind! = RELATED, $limit: Int! = 10) {
  product(id: $id) { related(kind: $kind, limit: $limit) { name } } }"""
BUNDLE = """mutation($id: ID!, $v: Int!, $items: [BundleItemInput!]!) {
  setBundle(id: $id, version: $v, items: $items) { version } }"""
BUNDLED = "query($id: ID!) { product(id: $id) { price version bundle { items { quantity variant { sku price } } } } }"
DELETE = "mutation($id: ID!, $v: Int!) { deleteProduct(id: $id, version: $v) }"


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


async def relate(shop: Shop, product_id: str, version: int, *ids: str, kind: str = "RELATED") -> int:
    answer = await shop.data(RELATE, id=product_id, v=version, kind=kind, ids=list(ids))
    return int(answer["relateProducts"]["version"])


async def related(shop: Shop, product_id: str, scopes: frozenset[str] = STOREFRONT, **more: Any) -> list[str]:
    found = (await shop.data(RELATED, scopes, id=product_id, **more))["product"]
    return [one["name"] for one in found["related"]]


async def test_related_products_keep_their_order_each_kind_for_itself(shop: Shop, database: Database) -> None:
    lamp, bulb, oil, wick = [(await shop.create(name))["id"] for name in ("Lamp", "Bulb", "Oil", "Wick")]
    assert await relate(shop, lamp, 1, wick, bulb, oil) == 2
    assert await relate(shop, lamp, 1, wick, bulb, oil) == 2  # again, as after a lost answer
    assert await relate(shop, lamp, 2, bulb, kind="UPSELL") == 3
    assert await related(shop, lamp) == ["Wick", "Bulb", "Oil"]
    assert await related(shop, lamp, limit=2) == ["Wick", "Bulb"]
    assert await related(shop, lamp, kind="UPSELL") == ["Bulb"]
    assert await related(shop, lamp, kind="ACCESSORY") == []
    assert await related(shop, bulb) == [], "it points one way"
    await relate(shop, lamp, 3, oil, bulb)
    assert await related(shop, lamp) == ["Oil", "Bulb"]
    assert await shop.code(RELATE, id=lamp, v=3, kind="RELATED", ids=[]) == "PRODUCT_CHANGED"
    await shop.data(DELETE, id=oil, v=1)
    assert await related(shop, lamp) == ["Bulb"]
    assert await relate(shop, lamp, 4) == 5
    assert await told(shop, database, lamp) == ["ProductCreated"] + ["ProductUpdated"] * 4


async def test_storefronts_see_related_products_that_are_published(shop: Shop) -> None:
    lamp, draft, shown = [
        (await shop.create(name, status=status))["id"]
        for name, status in (("Lamp", "PUBLISHED"), ("Draft", "DRAFT"), ("Shown", "PUBLISHED"))
    ]
    await relate(shop, lamp, 1, draft, shown)
    assert await related(shop, lamp, limit=1) == ["Shown"]
    assert await related(shop, lamp, MANAGEMENT) == ["Draft", "Shown"]


async def test_relations_that_make_no_sense_are_refused(shop: Shop) -> None:
    lamp, bulb = [(await shop.create(name))["id"] for name in ("Lamp", "Bulb")]
    stranger = Shop(shop.service)
    theirs = (await stranger.create("Chair"))["id"]
    wrong: list[tuple[list[str], str]] = [
        ([lamp], "INVALID_RELATIONS"),
        ([bulb, bulb], "INVALID_RELATIONS"),
        ([new_id() for _ in range(51)], "INVALID_RELATIONS"),
        (["7"], "INVALID_ID"),
        ([new_id()], "PRODUCT_NOT_FOUND"),
        ([theirs], "PRODUCT_NOT_FOUND"),
    ]
    for ids, code in wrong:
        assert await shop.code(RELATE, id=lamp, v=1, kind="RELATED", ids=ids) == code
    assert await shop.code(RELATED, id=lamp, limit=51) == "INVALID_RELATIONS"
    assert await shop.code(RELATED, id=lamp, limit=-1) in {"INVALID_RELATIONS", "LIMIT_EXCEEDED"}
    assert await stranger.code(RELATE, id=lamp, v=1, kind="RELATED", ids=[]) == "PRODUCT_NOT_FOUND"
    assert await shop.code(RELATE, STOREFRONT, id=lamp, v=1, kind="RELATED", ids=[bulb]) == "FORBIDDEN"
    assert await related(shop, lamp) == []


def items(*given: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": quantity} for sku, quantity in given]


async def test_a_bundle_names_its_parts_and_has_a_price_of_its_own(shop: Shop, database: Database) -> None:
    kit = (await shop.create("Kit"))["id"]
    await shop.create("Lamp")
    bulb = (await shop.create("Bulb", status="DRAFT"))["id"]
    found = await shop.data("query($id: ID!) { product(id: $id) { variants { id } } }", id=bulb)
    bulb_variant = found["product"]["variants"][0]["id"]
    wanted = [*items(("Lamp-2", 1)), {"variantId": bulb_variant, "quantity": 4}]
    for _ in range(2):  # again, as after a lost answer
        assert (await shop.data(BUNDLE, id=kit, v=1, items=wanted))["setBundle"]["version"] == 2
    lamp_part = {"quantity": 1, "variant": {"sku": "Lamp-2", "price": 79.9}}
    seen = (await shop.data(BUNDLED, STOREFRONT, id=kit))["product"]
    assert seen["price"] == 79.9
    assert seen["bundle"]["items"] == [lamp_part, {"quantity": 4, "variant": None}]
    full = (await shop.data(BUNDLED, id=kit))["product"]["bundle"]["items"]
    assert full[1] == {"quantity": 4, "variant": {"sku": "Bulb-1", "price": 89.9}}
    assert (await shop.data(BUNDLED, id=bulb))["product"]["bundle"] is None
    assert await shop.code(BUNDLE, id=kit, v=1, items=[]) == "PRODUCT_CHANGED"
    await shop.data(BUNDLE, id=kit, v=2, items=[])
    assert (await shop.data(BUNDLED, id=kit))["product"]["bundle"] is None
    assert await told(shop, database, kit) == ["ProductCreated"] + ["ProductUpdated"] * 2


async def test_a_variant_in_a_bundle_stays_whoever_wants_it_gone(shop: Shop) -> None:
    kit = (await shop.create("Kit"))["id"]
    made = (await upsert(shop, row("lamp"), row("oil")))["rows"]
    lamp = made[0]["id"]
    await shop.data(BUNDLE, id=kit, v=1, items=items(("lamp-s", 1)))
    assert await shop.code(DELETE, id=lamp, v=1) == "VARIANT_IN_BUNDLE"
    part = (await shop.data('{ variant(sku: "lamp-s") { id } }'))["variant"]["id"]
    remove = "mutation($id: ID!) { removeVariant(id: $id, version: 1) { version } }"
    assert await shop.code(remove, id=part) == "VARIANT_IN_BUNDLE"
    other = [{"sku": "lamp-m", "priceMinor": 1, "currency": "EUR"}]
    batch = await upsert(shop, row("lamp", variants=other), row("oil", variants=[]))
    assert [one["status"] for one in batch["rows"]] == ["ERROR", "UPDATED"]
    assert batch["rows"][0]["error"]["code"] == "VARIANT_IN_BUNDLE"
    await stage(shop, lamp, 1, variants=other)
    assert await shop.code(PUBLISH, id=lamp, v=2) == "VARIANT_IN_BUNDLE"
    cheaper = [{"sku": "lamp-s", "priceMinor": 50, "currency": "EUR"}]
    assert (await upsert(shop, row("lamp", variants=cheaper)))["updated"] == 1
    await shop.data(DELETE, id=kit, v=2)
    await shop.data(DELETE, id=lamp, v=3)


async def test_bundles_are_never_nested_not_even_by_two_at_once(shop: Shop) -> None:
    kit, lamp, box = [(await shop.create(name))["id"] for name in ("Kit", "Lamp", "Box")]
    assert await shop.code(BUNDLE, id=kit, v=1, items=items(("Kit-1", 1))) == "NESTED_BUNDLE"
    await shop.data(BUNDLE, id=kit, v=1, items=items(("Lamp-1", 1)))
    assert await shop.code(BUNDLE, id=box, v=1, items=items(("Kit-1", 1))) == "NESTED_BUNDLE"
    assert await shop.code(BUNDLE, id=lamp, v=1, items=items(("Box-1", 1))) == "NESTED_BUNDLE"
    one, two = [(await shop.create(name))["id"] for name in ("One", "Two")]
    results = await asyncio.gather(
        shop.ask(BUNDLE, variables={"id": one, "v": 1, "items": items(("Two-1", 1))}),
        shop.ask(BUNDLE, variables={"id": two, "v": 1, "items": items(("One-1", 1))}),
    )
    codes = [result.errors[0]["extensions"]["code"] for result in results if result.errors]
    assert codes == ["NESTED_BUNDLE"]


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([{"quantity": 1}], "INVALID_BUNDLE"),
    ([{"sku": "Lamp-1", "variantId": new_id(), "quantity": 1}], "INVALID_BUNDLE"),
    ([{"variantId": "7", "quantity": 1}], "INVALID_ID"),
    ([{"variantId": new_id(), "quantity": 1}], "INVALID_BUNDLE"),
    (items(("Lamp-1", 0)), "INVALID_BUNDLE"),
    (items(("Lamp-1", 1_001)), "INVALID_BUNDLE"),
    (items(("none", 1)), "INVALID_BUNDLE"),
    (items(("a\x00b", 1)), "INVALID_BUNDLE"),
    (items(("Theirs-1", 1)), "INVALID_BUNDLE"),
    (items(("Lamp-1", 1), ("Lamp-1", 2)), "INVALID_BUNDLE"),
    (items(*((str(n), 1) for n in range(101))), "INVALID_BUNDLE"),
]


async def test_bundles_that_make_no_sense_are_refused_and_strangers_make_none(shop: Shop) -> None:
    kit = (await shop.create("Kit"))["id"]
    await shop.create("Lamp")
    stranger = Shop(shop.service)
    await stranger.create("Theirs")
    for wanted, code in REFUSED:
        assert await shop.code(BUNDLE, id=kit, v=1, items=wanted) == code, wanted
    assert await stranger.code(BUNDLE, id=kit, v=1, items=items(("Theirs-1", 1))) == "PRODUCT_NOT_FOUND"
    assert await shop.code(BUNDLE, STOREFRONT, id=kit, v=1, items=[]) == "FORBIDDEN"
    found = (await shop.data(BUNDLED, id=kit))["product"]
    assert (found["bundle"], found["version"]) == (None, 1)


async def test_a_level_takes_one_statement_for_one_and_for_many(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    target = (await shop.create("Target"))["id"]
    for number in range(4):
        made = (await shop.create(f"Kit {number}"))["id"]
        await relate(shop, made, 1, target)
        await shop.data(BUNDLE, id=made, v=2, items=items(("Target-1", 2)))
    await shop.data('mutation { createChannel(input: {key: "eu", name: "EU"}) { id } }')
    plain = "query($n: Int!) { products(limit: $n) { related { name } bundle { items { variant { sku } } } } }"
    sold = plain.replace("related", 'related(channel: "eu")').replace("bundle", 'bundle(channel: "eu")')
    for scopes, document in product((STOREFRONT, MANAGEMENT), (plain, sold)):
        counts = []
        for size in (1, 4):
            with counting(monkeypatch) as sent:
                listed = (await shop.data(document, scopes, n=size))["products"]
            assert [one["related"] for one in listed] == [[{"name": "Target"}]] * size
            counts.append(len(sent))
        assert counts == [3, 3]
