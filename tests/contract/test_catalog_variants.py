"""Single variants on a real server: added, changed, removed and put in order."""

import asyncio
from typing import Any

import pytest

from contract.catalog_shop import CREATE, MANAGEMENT, STOREFRONT, Shop
from contract.test_product_attributes import DEFINITIONS, SIZE, attribute, variant
from contract.test_product_types import create_type
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.catalog.model import Variant, VariantWithProduct
from kokoa.services.catalog.service import CatalogService
from kokoa.services.catalog.variants.store import VariantStore

PRODUCT = """product { version price currency variants { id sku priceMinor version } }"""
ADD = f"""mutation Add($input: AddVariantInput!) {{ addVariant(input: $input) {{
  variant {{ id sku name version weightGrams externalReference attributes {{ key }} options {{ value }} }}
  {PRODUCT} }} }}"""
UPDATE = f"""mutation Update($input: UpdateVariantInput!) {{ updateVariant(input: $input) {{
  variant {{ id sku version weightGrams externalReference options {{ value }} }} {PRODUCT} }} }}"""
REMOVE = """mutation Remove($id: ID!, $version: Int!) {
  removeVariant(id: $id, version: $version) { version price variants { sku } } }"""
ORDER = """mutation Order($id: ID!, $version: Int!, $ids: [ID!]!) {
  orderVariants(productId: $id, version: $version, ids: $ids) { version price currency variants { sku } } }"""
FIND = """query Find($id: ID, $sku: String, $reference: String) {
  variant(id: $id, sku: $sku, externalReference: $reference) { id sku product { id version } } }"""


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


async def create(shop: Shop, *skus: str, **more: Any) -> tuple[str, list[str]]:
    """The ids of a product and of its variants, priced 100, 101, …"""
    variants = [variant(sku, **{"priceMinor": 100 + n}) for n, sku in enumerate(skus)]
    document = CREATE.replace("variants { sku", "variants { id sku")
    made = (await shop.data(document, input={"name": "Lamp", "variants": variants, **more}))["createProduct"]
    return made["id"], [one["id"] for one in made["variants"]]


async def test_a_variant_is_added_at_its_place_and_the_price_follows(shop: Shop) -> None:
    product_id, _ = await create(shop, "A", "B")
    new = {"productId": product_id, "version": 1, "sku": "C", "priceMinor": 50, "currency": "EUR", "position": 1}
    found = (await shop.data(ADD, input={**new, "weightGrams": 900, "externalReference": "erp-c"}))["addVariant"]
    added, product = found["variant"], found["product"]
    assert (added["sku"], added["version"], added["weightGrams"], added["externalReference"]) == (
        "C",
        1,
        900,
        "erp-c",
    )
    assert (product["version"], product["price"]) == (2, 0.5)
    assert [one["sku"] for one in product["variants"]] == ["A", "C", "B"]
    assert await shop.code(ADD, input={**new, "sku": "D"}) == "PRODUCT_CHANGED"
    for wrong, code in (
        ({"sku": "A"}, "ALREADY_TAKEN"),
        ({"sku": "D", "externalReference": "erp-c"}, "ALREADY_TAKEN"),
        ({"sku": "D\x00"}, "INVALID_PRODUCT"),
        ({"sku": "D", "priceMinor": -1}, "INVALID_PRODUCT"),
        ({"sku": "D", "weightGrams": -1}, "INVALID_PRODUCT"),
        ({"sku": "D", "currency": "euro"}, "INVALID_MONEY"),
        ({"sku": "D", "position": 4}, "INVALID_VARIANTS"),
        ({"sku": "D", "productId": new_id()}, "PRODUCT_NOT_FOUND"),
        ({"sku": "D", "options": [{"key": "size", "value": "S"}]}, "UNKNOWN_OPTION"),
        ({"sku": "D", "attributes": [attribute("ean", "1")]}, "NO_PRODUCT_TYPE"),
    ):
        assert await shop.code(ADD, input={**new, "version": 2, **wrong}) == code


async def test_a_variant_changes_what_is_given_and_the_price_follows(shop: Shop) -> None:
    _, (first, second) = await create(shop, "A", "B")
    change = {"id": first, "version": 1, "priceMinor": 300, "weightGrams": 5, "externalReference": "erp"}
    found = (await shop.data(UPDATE, input=change))["updateVariant"]
    assert (found["product"]["price"], found["product"]["version"]) == (1.01, 2), "the other one is the cheapest now"
    assert (found["variant"]["version"], found["variant"]["weightGrams"]) == (2, 5)
    # The same again changes nothing.
    again = (await shop.data(UPDATE, input={**change, "version": 2}))["updateVariant"]
    assert (again["product"]["version"], again["variant"]["version"]) == (2, 2)
    renamed = {"id": second, "version": 2, "sku": "B2", "priceMinor": 20, "currency": "USD"}
    found = (await shop.data(UPDATE, input=renamed))["updateVariant"]["product"]
    assert (found["price"], found["currency"]) == (3.0, "EUR"), "in the first variant's currency"
    cleared = {"id": first, "version": 3, "weightGrams": None, "externalReference": None}
    variant = (await shop.data(UPDATE, input=cleared))["updateVariant"]["variant"]
    assert (variant["weightGrams"], variant["externalReference"]) == (None, None)
    for wrong, code in (
        ({"id": new_id()}, "VARIANT_NOT_FOUND"),
        ({"version": 3, "name": "x"}, "PRODUCT_CHANGED"),
        ({"sku": "B2"}, "ALREADY_TAKEN"),
        ({"sku": ""}, "INVALID_PRODUCT"),
        ({"currency": "USD"}, "INVALID_PRODUCT"),
        ({"priceMinor": -5}, "INVALID_PRODUCT"),
    ):
        assert await shop.code(UPDATE, input={"id": first, "version": 4, **wrong}) == code


async def test_variants_are_removed_and_put_in_order(shop: Shop) -> None:
    product_id, (a, b, c) = await create(shop, "A", "B", "C")
    assert (await shop.data(REMOVE, id=a, version=1))["removeVariant"] == {
        "version": 2,
        "price": 1.01,
        "variants": [{"sku": "B"}, {"sku": "C"}],
    }
    assert await shop.code(REMOVE, id=a, version=2) == "VARIANT_NOT_FOUND"
    found = (await shop.data(ORDER, id=product_id, version=2, ids=[c, b]))["orderVariants"]
    assert (found["version"], [one["sku"] for one in found["variants"]]) == (3, ["C", "B"])
    found = (await shop.data(ORDER, id=product_id, version=3, ids=[c, b]))["orderVariants"]
    assert found["version"] == 3, "they stood so already"
    for ids in ([c], [c, c], [c, a], [c, b, b]):
        assert await shop.code(ORDER, id=product_id, version=3, ids=ids) == "INVALID_VARIANTS"
    for one, version in ((b, 3), (c, 4)):
        left = (await shop.data(REMOVE, id=one, version=version))["removeVariant"]
    assert left == {"version": 5, "price": None, "variants": []}


async def test_a_removed_variant_frees_its_unique_values_and_options(shop: Shop) -> None:
    await create_type(shop, "lamp", DEFINITIONS)
    product_id, _ = await create(shop, productType="lamp", options=[SIZE])
    options, ean = [{"key": "size", "value": "S"}], [attribute("ean", "401")]
    new = {"productId": product_id, "sku": "A", "priceMinor": 1, "currency": "EUR", "options": options}
    assert await shop.code(ADD, input={**new, "version": 1, "options": []}) == "OPTION_MISSING"
    added = (await shop.data(ADD, input={**new, "version": 1, "attributes": ean}))["addVariant"]["variant"]
    assert (added["options"], added["attributes"]) == ([{"value": "S"}], [{"key": "ean"}])
    other = {**new, "version": 2, "sku": "B"}
    assert await shop.code(ADD, input=other) == "SAME_OPTIONS"
    medium = {**other, "options": [{"key": "size", "value": "M"}]}
    assert await shop.code(ADD, input={**medium, "attributes": ean}) == "ATTRIBUTE_VALUE_TAKEN"
    # Another SKU keeps what the variant has.
    found = await shop.data(UPDATE, input={"id": added["id"], "version": 2, "sku": "A2"})
    assert found["updateVariant"]["variant"]["options"] == [{"value": "S"}]
    await shop.data(REMOVE, id=added["id"], version=3)
    await shop.data(ADD, input={**other, "version": 4, "attributes": ean})


async def test_of_two_changes_at_once_one_is_told_that_the_product_changed(shop: Shop) -> None:
    product_id, _ = await create(shop, "A", options=[])
    new = [{"productId": product_id, "version": 1, **variant(sku)} for sku in ("B", "C")]
    results = await asyncio.gather(*(shop.ask(ADD, variables={"input": one}) for one in new))
    codes = sorted(one.errors[0]["extensions"]["code"] if one.errors else "" for one in results)
    assert codes == ["", "PRODUCT_CHANGED"]


async def test_a_variant_is_found_by_each_of_its_keys(shop: Shop) -> None:
    product_id, (first,) = await create(shop, "A")
    await shop.data(UPDATE, input={"id": first, "version": 1, "externalReference": "erp"})
    expected = {"id": first, "sku": "A", "product": {"id": product_id, "version": 2}}
    for key in ({"id": first}, {"sku": "A"}, {"reference": "erp"}):
        assert (await shop.data(FIND, STOREFRONT, **key))["variant"] == expected
        assert (await Shop(shop.service).data(FIND, **key))["variant"] is None, "in another environment"
    for none in ({"id": new_id()}, {"sku": "none"}, {"reference": "none"}):
        assert (await shop.data(FIND, **none))["variant"] is None
    for wrong, code in (
        ({}, "INVALID_PAGE"),
        ({"sku": "A", "id": first}, "INVALID_PAGE"),
        ({"sku": "\x00"}, "INVALID_TEXT"),
    ):
        assert await shop.code(FIND, **wrong) == code
    await shop.data("mutation($id: ID!) { unpublishProduct(id: $id, version: 2) { id } }", id=product_id)
    for key in ({"id": first}, {"sku": "A"}, {"reference": "erp"}):
        assert (await shop.data(FIND, STOREFRONT, **key))["variant"] is None
        assert (await shop.data(FIND, **key))["variant"]


async def test_another_environment_and_a_storefront_change_no_variant(shop: Shop) -> None:
    product_id, (first, second) = await create(shop, "A", "B")
    other = Shop(shop.service)
    new = {"productId": product_id, "version": 1, **variant("C")}
    for document, given, code in (
        (ADD, {"input": new}, "PRODUCT_NOT_FOUND"),
        (UPDATE, {"input": {"id": first, "version": 1, "name": "x"}}, "VARIANT_NOT_FOUND"),
        (REMOVE, {"id": first, "version": 1}, "VARIANT_NOT_FOUND"),
        (ORDER, {"id": product_id, "version": 1, "ids": [second, first]}, "PRODUCT_NOT_FOUND"),
    ):
        assert await other.code(document, **given) == code
        assert (await shop.ask(document, STOREFRONT, given)).errors
    found = (await shop.data("{ products { version variants { sku } } }"))["products"]
    assert found == [{"version": 1, "variants": [{"sku": "A"}, {"sku": "B"}]}]


async def test_a_product_has_a_hundred_variants_at_most(shop: Shop) -> None:
    product_id, _ = await create(shop, *(f"V{n}" for n in range(100)))
    assert await shop.code(ADD, input={"productId": product_id, "version": 1, **variant("X")}) == "INVALID_VARIANTS"


async def test_changes_of_variants_are_told(shop: Shop, catalog: tuple[CatalogService, Database]) -> None:
    product_id, (a, b) = await create(shop, "A", "B")
    await shop.data(UPDATE, input={"id": a, "version": 1, "name": "Blue"})
    await shop.data(ORDER, id=product_id, version=2, ids=[b, a])
    await shop.data(REMOVE, id=a, version=3)
    rows = await catalog[1].fetch(
        shop.environment_id,
        "SELECT event_type FROM outbox WHERE environment_id = $1 AND event_key = $2 ORDER BY id",
        product_id,
    )
    assert [row["event_type"] for row in rows] == ["ProductCreated", *["ProductUpdated"] * 3]


async def test_many_variants_are_found_at_once_in_the_order_asked_for(shop: Shop) -> None:
    find = """query($ids: [ID!], $skus: [String!], $limit: Int! = 100) {
      variants(ids: $ids, skus: $skus, limit: $limit) { sku } }"""

    async def skus(scopes: frozenset[str] = STOREFRONT, **keys: Any) -> list[str]:
        return [one["sku"] for one in (await shop.data(find, scopes, **keys))["variants"]]

    _, ids = await create(shop, "A", "B")
    await create(shop, "C", name="Shade")
    await create(shop, "D", name="Draft", status="DRAFT")
    assert await skus(skus=["C", "none", "A"]) == ["C", "A"]
    assert await skus(ids=[ids[1], new_id()], skus=["A", "B", "A"]) == ["B", "A"]
    assert await skus() == []
    assert await skus(skus=["D"]) == []
    assert await skus(MANAGEMENT, skus=["D"]) == ["D"]
    assert (await Shop(shop.service).data(find, skus=["A"], ids=ids))["variants"] == []
    assert await shop.code(find, skus=["A", "B"], limit=1) == "INVALID_PAGE"
    assert await shop.code(find, limit=251) == "INVALID_PAGE"
    assert await shop.code(find, skus=["\0"]) == "INVALID_TEXT"
    assert await shop.code(find, ids=["x"]) == "INVALID_ID"


async def test_many_variants_come_with_their_products_when_these_are_asked_for(
    shop: Shop, catalog: tuple[CatalogService, Database]
) -> None:
    whole = """id slug name description price currency externalReference version status createdAt updatedAt
      category { path }"""
    await create(shop, "A", "B", description="Long. " * 3_000)
    await shop.data('mutation { createCategory(input: {name: "Lamps"}) { path } }')
    await create(shop, "C", name="Shade", status="DRAFT", category="lamps")
    find = f"query($skus: [String!]) {{ variants(skus: $skus) {{ sku product {{ {whole} }} }} }}"
    listed = {one["name"]: one for one in (await shop.data(f"{{ products {{ {whole} }} }}"))["products"]}
    found = (await shop.data(find, skus=["B", "C", "A"]))["variants"]
    assert [one["product"] for one in found] == [listed["Lamp"], listed["Shade"], listed["Lamp"]]
    assert [one["sku"] for one in (await shop.data(find, STOREFRONT, skus=["A", "C"]))["variants"]] == ["A"]
    store = VariantStore(catalog[1])
    alone = await store.by_keys(shop.environment_id, [], ["A", "B"])
    together = await store.by_keys(shop.environment_id, [], ["A", "B"], with_products=True)
    assert [type(one) for one in (*alone, *together)] == [Variant] * 2 + [VariantWithProduct] * 2
