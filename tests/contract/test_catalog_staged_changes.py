"""A product is edited while the store shows what it was, until the changes are published, by hand or on time."""

from typing import Any

import pytest

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from contract.test_catalog_schedules import SCHEDULE, ahead, at, do_all, told
from contract.test_catalog_statements import counting
from kokoa.postgres import Database
from kokoa.services.catalog.model import Category
from kokoa.services.catalog.service import CatalogService

STAGED = "staged { name description category { path } variants { sku name priceMinor currency } conflicts }"
STAGE = f"""mutation($input: StageProductChangesInput!) {{
  stageProductChanges(input: $input) {{ version name {STAGED} }} }}"""
PUBLISH = """mutation($id: ID!, $v: Int!, $overwrite: Boolean! = false) {
  publishStagedChanges(id: $id, version: $v, overwrite: $overwrite) { version name status staged { name } } }"""
DISCARD = """mutation($id: ID!, $v: Int!) {
  discardStagedChanges(id: $id, version: $v) { version name staged { name } } }"""
UPDATE = "mutation($input: UpdateProductInput!) { updateProduct(input: $input) { version } }"
SEEN = """query($id: ID!) { product(id: $id) {
  name description price status version category { path } variants { id sku name priceMinor currency } } }"""
OWN = f"query($id: ID!) {{ product(id: $id) {{ version schedule {{ failure }} {STAGED} }} }}"
NEW = [
    {"sku": "Lamp-2", "name": "Second", "priceMinor": 6500, "currency": "EUR"},
    {"sku": "Lamp-3", "name": "Third", "priceMinor": 7000, "currency": "EUR"},
]


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    shop = Shop(catalog[0])
    shelves = [Category("lamps", "Lamps"), Category("sale", "Sale")]
    await shop.service.actions.put_categories(shop.environment_id, shelves)
    return shop


async def stage(shop: Shop, product_id: str, version: int, **changes: Any) -> Any:
    wanted = {"id": product_id, "version": version, **changes}
    return (await shop.data(STAGE, input=wanted))["stageProductChanges"]


async def seen(shop: Shop, product_id: str) -> Any:
    return (await shop.data(SEEN, STOREFRONT, id=product_id))["product"]


async def own(shop: Shop, product_id: str) -> Any:
    return (await shop.data(OWN, id=product_id))["product"]


async def test_the_store_sees_staged_changes_when_they_are_published(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp", category="lamps"))["id"]
    before = await seen(shop, made)
    await stage(shop, made, 1, name="Lamp, reduced", category="sale")
    answer = await stage(shop, made, 2, description="Only this week", variants=NEW)
    assert answer["staged"] == {
        "name": "Lamp, reduced",
        "description": "Only this week",
        "category": {"path": "sale"},
        "variants": NEW,
        "conflicts": [],
    }
    assert {**await seen(shop, made), "version": 1} == before
    await shop.data("mutation($i: RenameCategoryInput!) { renameCategory(input: $i) { id } }", i=await renamed(shop))
    published = (await shop.data(PUBLISH, id=made, v=3))["publishStagedChanges"]
    assert published == {"version": 4, "name": "Lamp, reduced", "status": "PUBLISHED", "staged": None}
    after = await seen(shop, made)
    assert (after["description"], after["price"], after["category"]) == ("Only this week", 65.0, {"path": "bargains"})
    assert [{**one, "id": ""} for one in after["variants"]] == [{**one, "id": ""} for one in NEW]
    assert after["variants"][0]["id"] == before["variants"][1]["id"], "a variant is known by its SKU"
    assert await told(shop, database, made) == ["ProductCreated"] + ["ProductUpdated"] * 3
    assert (await shop.data(PUBLISH, id=made, v=3))["publishStagedChanges"]["version"] == 4  # after a lost answer


async def renamed(shop: Shop) -> dict[str, Any]:
    """A change of the path of the category that is staged."""
    found = (await shop.data('{ category(path: "sale") { id version } }'))["category"]
    return {"id": found["id"], "version": found["version"], "slug": "bargains"}


async def test_a_product_that_changed_meanwhile_is_a_conflict_in_these_fields_only(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    await stage(shop, made, 1, name="Lamp, reduced", variants=NEW)
    await shop.data(UPDATE, input={"id": made, "version": 2, "description": "Brass"})
    assert (await own(shop, made))["staged"]["conflicts"] == []
    await shop.data(UPDATE, input={"id": made, "version": 3, "name": "Brass lamp"})
    assert (await own(shop, made))["staged"]["conflicts"] == ["name"]
    code, message = await shop.error(PUBLISH, id=made, v=4)
    assert (code, "another name." in message) == ("STAGED_CHANGES_CONFLICT", True)
    assert (await seen(shop, made))["name"] == "Brass lamp"
    assert (await shop.data(PUBLISH, id=made, v=4, overwrite=True))["publishStagedChanges"]["version"] == 5
    after = await seen(shop, made)
    assert (after["name"], after["description"], len(after["variants"])) == ("Lamp, reduced", "Brass", 2)


async def test_staging_a_field_again_settles_its_conflict_and_discarding_all(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    await stage(shop, made, 1, name="One", description="Two")
    await shop.data(UPDATE, input={"id": made, "version": 2, "name": "Three"})
    answer = await stage(shop, made, 3, name="Four")
    assert (answer["staged"]["conflicts"], answer["staged"]["description"]) == ([], "Two")
    assert (await stage(shop, made, 3, name="Four"))["version"] == 4  # again, as after a lost answer
    assert await shop.code(DISCARD, id=made, v=3) == "PRODUCT_CHANGED"
    for _ in range(2):
        discarded = (await shop.data(DISCARD, id=made, v=4))["discardStagedChanges"]
        assert discarded == {"version": 5, "name": "Three", "staged": None}


async def test_a_schedule_publishes_staged_changes_with_the_product(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    await stage(shop, made, 1, name="Lamp, reduced", variants=NEW)
    await shop.data(SCHEDULE, id=made, v=2, publish=ahead(1), unpublish=ahead(2))
    await do_all(at(database, 1.5))
    assert (await own(shop, made))["staged"] is None
    after = await seen(shop, made)
    assert (after["name"], after["price"], after["version"]) == ("Lamp, reduced", 65.0, 4)
    assert (await told(shop, database, made))[-2:] == ["ProductUpdated", "ProductPublished"]
    await do_all(at(database, 3))
    assert await seen(shop, made) is None


async def test_a_schedule_whose_staged_changes_conflict_says_so_and_publishes_nothing(
    shop: Shop, database: Database
) -> None:
    made = (await shop.create("Lamp"))["id"]
    taken = (await shop.create("Chair"))["id"]
    await stage(shop, made, 1, name="Lamp, reduced")
    await stage(shop, taken, 1, variants=[{**NEW[0], "sku": "Lamp-1"}])
    for product_id in (made, taken):
        await shop.data(SCHEDULE, id=product_id, v=2, publish=ahead(1))
    await shop.data(UPDATE, input={"id": made, "version": 3, "name": "Brass lamp"})
    await do_all(at(database, 2))
    left = await own(shop, made)
    assert "another name." in left["schedule"]["failure"]
    assert left["staged"]["name"] == "Lamp, reduced"
    assert "SKU" in (await own(shop, taken))["schedule"]["failure"]
    assert (await seen(shop, made))["name"] == "Brass lamp"
    assert [one["sku"] for one in (await seen(shop, taken))["variants"]] == ["Chair-1", "Chair-2"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "INVALID_PRODUCT"),
    ({"name": " "}, "INVALID_PRODUCT"),
    ({"name": "x" * 201}, "INVALID_PRODUCT"),
    ({"description": "a\x00b"}, "INVALID_PRODUCT"),
    ({"category": "nowhere"}, "CATEGORY_NOT_FOUND"),
    ({"category": "a\x00b"}, "INVALID_TEXT"),
    ({"variants": [NEW[0], NEW[0]]}, "INVALID_PRODUCT"),
    ({"variants": [{**NEW[0], "priceMinor": -1}]}, "INVALID_PRODUCT"),
    ({"variants": [{**NEW[0], "currency": "euro"}]}, "INVALID_MONEY"),
    ({"variants": [{**NEW[0], "sku": str(n)} for n in range(101)]}, "INVALID_PRODUCT"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED)
async def test_what_could_not_be_published_is_not_staged(shop: Shop, changes: dict[str, Any], code: str) -> None:
    made = (await shop.create("Lamp"))["id"]
    assert await shop.code(STAGE, input={"id": made, "version": 1, **changes}) == code
    assert await own(shop, made) == {"version": 1, "schedule": None, "staged": None}


async def test_archived_products_and_strangers_stage_nothing(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    wanted = {"id": made, "version": 1, "name": "Mine"}
    stranger = Shop(shop.service)
    assert await stranger.code(STAGE, input=wanted) == "PRODUCT_NOT_FOUND"
    assert await shop.code(STAGE, STOREFRONT, input=wanted) == "FORBIDDEN"
    assert await shop.code(STAGE, input={**wanted, "version": 7}) == "PRODUCT_CHANGED"
    await stage(shop, made, 1, name="Ours")
    for document in (PUBLISH, DISCARD):
        assert await stranger.code(document, id=made, v=2) == "PRODUCT_NOT_FOUND"
        assert await shop.code(document, STOREFRONT, id=made, v=2) == "FORBIDDEN"
    assert await shop.code(OWN, STOREFRONT, id=made) == "FORBIDDEN"
    await shop.data("mutation($id: ID!) { archiveProduct(id: $id, version: 2) { id } }", id=made)
    assert await shop.code(PUBLISH, id=made, v=3) == "PRODUCT_IS_ARCHIVED"
    assert await shop.code(STAGE, input={**wanted, "version": 3}) == "PRODUCT_IS_ARCHIVED"
    assert (await own(shop, made))["staged"]["name"] == "Ours"


async def test_staged_changes_of_many_products_take_as_many_statements_as_those_of_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        made = (await shop.create(f"Lamp {number}", category="lamps"))["id"]
        await stage(shop, made, 1, name="Reduced", category="sale")
    counts = []
    for size in (1, 3):
        with counting(monkeypatch) as sent:
            query = f"query($n: Int!) {{ products(limit: $n) {{ {STAGED} }} }}"
            listed = (await shop.data(query, MANAGEMENT, n=size))["products"]
        assert [one["staged"]["conflicts"] for one in listed] == [[]] * size
        counts.append(len(sent))
    assert counts == [5, 5]


async def test_staged_variants_keep_options_and_new_ones_need_them(shop: Shop) -> None:
    sizes = [{"key": "size", "name": "Size", "values": ["S", "M"]}]
    variants = [
        {"sku": "shirt-s", "priceMinor": 900, "currency": "EUR", "options": [{"key": "size", "value": "S"}]},
        {"sku": "shirt-m", "priceMinor": 900, "currency": "EUR", "options": [{"key": "size", "value": "M"}]},
    ]
    create = "mutation($i: CreateProductInput!) { createProduct(input: $i) { id } }"
    made = (await shop.data(create, i={"name": "Shirt", "options": sizes, "variants": variants}))["createProduct"][
        "id"
    ]
    cheaper = [{"sku": "shirt-s", "name": "", "priceMinor": 500, "currency": "EUR"}]
    await stage(shop, made, 1, variants=cheaper)
    await shop.data(PUBLISH, id=made, v=2)
    read = "query($id: ID!) { product(id: $id) { variants { sku priceMinor options { key value } } } }"
    kept = [{"sku": "shirt-s", "priceMinor": 500, "options": [{"key": "size", "value": "S"}]}]
    assert (await shop.data(read, STOREFRONT, id=made))["product"]["variants"] == kept
    await stage(shop, made, 3, variants=[*cheaper, {"sku": "shirt-m", "priceMinor": 1, "currency": "EUR"}])
    assert await shop.code(PUBLISH, id=made, v=4) == "OPTION_MISSING"
    assert (await shop.data(read, STOREFRONT, id=made))["product"]["variants"] == kept
