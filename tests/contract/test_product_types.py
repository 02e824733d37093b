"""Product types on a real server, asked through the subgraph: what they may be and how they change."""

from typing import Any

import pytest

from contract.catalog_shop import STOREFRONT, Shop
from kokoa.postgres import Database
from kokoa.services.catalog.service import CatalogService

CREATE_TYPE = """mutation Create($input: CreateProductTypeInput!) { createProductType(input: $input) {
  id key name version attributes { key name type level list required unique min max pattern default
  values { key label } } } }"""
UPDATE_TYPE = """mutation Update($input: UpdateProductTypeInput!) { updateProductType(input: $input) {
  id key name version attributes { key } } }"""
DELETE_TYPE = "mutation Delete($id: ID!, $version: Int!) { deleteProductType(id: $id, version: $version) }"
LAMP: list[dict[str, Any]] = [
    {"key": "material", "name": "Material", "type": "ENUM", "values": [{"key": "brass", "label": "Brass"}]},
    {"key": "power", "name": "Power", "type": "NUMBER", "min": 0, "max": "99.5"},
]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


async def create_type(shop: Shop, key: str = "lamp", attributes: list[dict[str, Any]] = LAMP) -> Any:
    wanted = {"key": key, "name": key.title(), "attributes": attributes}
    return (await shop.data(CREATE_TYPE, input=wanted))["createProductType"]


async def test_a_type_is_made_read_changed_and_deleted(shop: Shop) -> None:
    made = await create_type(shop)
    assert (made["key"], made["version"]) == ("lamp", 1)
    material, power = made["attributes"]
    assert (material["type"], material["values"]) == ("ENUM", [{"key": "brass", "label": "Brass"}])
    assert (power["min"], power["max"], power["required"], power["level"]) == ("0", "99.5", False, "PRODUCT")
    found = await shop.data(
        '{ productTypes { key } productType(key: "lamp") { id } nothing: productType(key: "none") { id } }',
        STOREFRONT,
    )
    assert found == {"productTypes": [{"key": "lamp"}], "productType": {"id": made["id"]}, "nothing": None}
    change = {"id": made["id"], "version": 1, "name": "Lamps", "attributes": LAMP[1:]}
    changed = (await shop.data(UPDATE_TYPE, input=change))["updateProductType"]
    assert (changed["name"], changed["version"], changed["attributes"]) == ("Lamps", 2, [{"key": "power"}])
    assert await shop.code(UPDATE_TYPE, input=change) == "PRODUCT_TYPE_CHANGED"
    assert await shop.code(DELETE_TYPE, id=made["id"], version=1) == "PRODUCT_TYPE_CHANGED"
    await shop.data(DELETE_TYPE, id=made["id"], version=2)
    assert await shop.code(DELETE_TYPE, id=made["id"], version=2) == "PRODUCT_TYPE_NOT_FOUND"


async def test_the_same_key_again_is_refused(shop: Shop) -> None:
    await create_type(shop)
    assert await shop.code(CREATE_TYPE, input={"key": "lamp", "name": "x", "attributes": []}) == "ALREADY_TAKEN"


async def test_another_environment_sees_and_changes_nothing(shop: Shop) -> None:
    made = await create_type(shop)
    other = Shop(shop.service)
    query = "query($id: ID!) { productTypes { id } productType(id: $id) { id } }"
    assert await other.data(query, id=made["id"]) == {"productTypes": [], "productType": None}
    change = {"id": made["id"], "version": 1, "name": "Stolen"}
    assert await other.code(UPDATE_TYPE, input=change) == "PRODUCT_TYPE_NOT_FOUND"
    assert await other.code(DELETE_TYPE, id=made["id"], version=1) == "PRODUCT_TYPE_NOT_FOUND"


async def test_a_storefront_changes_no_type(shop: Shop) -> None:
    made = await create_type(shop)
    for document, given in (
        (CREATE_TYPE, {"input": {"key": "x", "name": "x", "attributes": []}}),
        (UPDATE_TYPE, {"input": {"id": made["id"], "version": 1, "name": "x"}}),
        (DELETE_TYPE, {"id": made["id"], "version": 1}),
    ):
        assert (await shop.ask(document, STOREFRONT, given)).errors
    assert (await shop.data("{ productTypes { key version } }"))["productTypes"] == [{"key": "lamp", "version": 1}]


@pytest.mark.parametrize(
    "value",
    [
        '"a\\u0000b"',
        "1" * 400,
        "{amountMinor: {amountMinor: 1}, currency: 1}",
        "[" * 300 + "1" + "]" * 300,
        "{a: " * 300 + "1" + "}" * 300,
        "[null]",
    ],
)
async def test_hostile_values_are_refused_and_change_nothing(shop: Shop, value: str) -> None:
    document = f"""mutation {{ createProductType(input: {{key: "x", name: "X", attributes: [
        {{key: "a", name: "A", type: NUMBER, required: true, default: {value}}}]}}) {{ id }} }}"""
    result = await shop.ask(document)
    assert result.errors
    assert all(one["extensions"]["code"] != "INTERNAL" for one in result.errors), result.errors
    assert (await shop.data("{ productTypes { id } }"))["productTypes"] == []


@pytest.mark.parametrize("arguments", ["limit: 101", "limit: -1", "offset: -1", "offset: 10001"])
async def test_pages_of_types_are_bounded(shop: Shop, arguments: str) -> None:
    assert await shop.code(f"{{ productTypes({arguments}) {{ id }} }}") == "INVALID_PAGE"


async def test_changes_of_types_are_told(shop: Shop, catalog: tuple[CatalogService, Database]) -> None:
    made = await create_type(shop)
    await shop.data(UPDATE_TYPE, input={"id": made["id"], "version": 1, "name": "Lamps"})
    await shop.data(DELETE_TYPE, id=made["id"], version=2)
    rows = await catalog[1].fetch(
        shop.environment_id, "SELECT event_type, event_key FROM outbox WHERE environment_id = $1 ORDER BY id"
    )
    kinds = ["ProductTypeCreated", "ProductTypeUpdated", "ProductTypeDeleted"]
    assert [(row["event_type"], row["event_key"]) for row in rows] == [(kind, made["id"]) for kind in kinds]


async def test_the_definitions_of_a_type_have_a_bound_in_all(shop: Shop) -> None:
    values = [{"key": f"v{n}", "label": "x" * 180} for n in range(1_000)]
    many = [{"key": f"a{n}", "name": "A", "type": "ENUM", "values": values} for n in range(2)]
    wrong = {"key": "x", "name": "X", "attributes": many}
    code, message = await shop.error(CREATE_TYPE, input=wrong)
    assert code == "INVALID_PRODUCT_TYPE"
    assert "bytes" in message
    assert (await shop.data("{ productTypes { id } }"))["productTypes"] == []
