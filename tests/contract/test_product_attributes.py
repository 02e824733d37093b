"""Attributes and options of products and variants on a real server, asked through the subgraph."""

import asyncio
from typing import Any

import pytest

from contract.catalog_shop import CREATE, STOREFRONT, Shop
from contract.test_product_types import DELETE_TYPE, UPDATE_TYPE, create_type
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.catalog.service import CatalogService

UPDATE = "mutation Update($input: UpdateProductInput!) { updateProduct(input: $input) { id version } }"
READ = """query Read($id: ID!) { product(id: $id) {
  version productType { key } options { key name values }
  attributes { key name type display value text number integer boolean date enum { key label }
    money { amount amountMinor currency } reference { id } texts numbers integers booleans dates enums { key label } }
  variants { sku version weightGrams externalReference attributes { key display } options { key name value } }
} }"""
DEFINITIONS: list[dict[str, Any]] = [
    {"key": "care", "name": "Care", "type": "TEXT", "pattern": "[A-Za-z ]+"},
    {"key": "power", "name": "Power", "type": "NUMBER", "min": 0, "max": 100},
    {"key": "sockets", "name": "Sockets", "type": "INTEGER"},
    {"key": "dimmable", "name": "Dimmable", "type": "BOOLEAN"},
    {"key": "since", "name": "Since", "type": "DATE"},
    {
        "key": "material",
        "name": "Material",
        "type": "ENUM",
        "values": [{"key": "brass", "label": "Brass"}, {"key": "oak"}],
    },
    {"key": "deposit", "name": "Deposit", "type": "MONEY"},
    {"key": "shade", "name": "Shade", "type": "REFERENCE"},
    {"key": "rooms", "name": "Rooms", "type": "TEXT", "list": True, "maxValues": 3},
    {"key": "ean", "name": "EAN", "type": "TEXT", "level": "VARIANT", "unique": True},
]
SIZE = {"key": "size", "name": "Size", "values": ["S", "M"]}
COLOR = {"key": "color", "name": "Color", "values": ["red", "blue"]}


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    shop = Shop(catalog[0])
    await create_type(shop, "lamp", DEFINITIONS)
    return shop


def attribute(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def variant(sku: str, **more: Any) -> dict[str, Any]:
    return {"sku": sku, "priceMinor": 100, "currency": "EUR", **more}


async def create(shop: Shop, name: str = "Lamp", **more: Any) -> str:
    wanted = {"name": name, "variants": [], "productType": "lamp", **more}
    made: str = (await shop.data(CREATE, input=wanted))["createProduct"]["id"]
    return made


async def read(shop: Shop, product_id: str, scopes: frozenset[str] = STOREFRONT) -> Any:
    return (await shop.data(READ, scopes, id=product_id))["product"]


async def test_every_type_of_value_is_kept_and_read(shop: Shop) -> None:
    shade = await create(shop, "Shade")
    given = {
        "care": "Dry cloth",
        "power": "40.50",
        "sockets": 2,
        "dimmable": False,
        "since": "2026-01-31",
        "material": "brass",
        "deposit": {"amountMinor": 250, "currency": "EUR"},
        "shade": shade,
        "rooms": ["hall", "attic"],
    }
    made = await create(
        shop,
        attributes=[attribute(key, value) for key, value in given.items()],
        variants=[variant("L-1", weightGrams=1200, externalReference="erp-1", attributes=[attribute("ean", "401")])],
    )
    found = await read(shop, made)
    assert found["productType"] == {"key": "lamp"}
    by_key = {one["key"]: one for one in found["attributes"]}
    assert list(by_key) == list(given), "in the type's order"
    assert {key: one["value"] for key, one in by_key.items()} == {**given, "power": "40.5"}
    assert (by_key["care"]["text"], by_key["power"]["number"], by_key["sockets"]["integer"]) == ("Dry cloth", 40.5, 2)
    assert (by_key["dimmable"]["boolean"], by_key["since"]["date"]) == (False, "2026-01-31")
    assert by_key["material"]["enum"] == {"key": "brass", "label": "Brass"}
    assert by_key["deposit"]["money"] == {"amount": 2.5, "amountMinor": 250, "currency": "EUR"}
    assert by_key["shade"]["reference"] == {"id": shade}
    assert by_key["rooms"]["texts"] == ["hall", "attic"]
    assert [by_key[key]["display"] for key in ("material", "deposit", "rooms")] == [
        "Brass",
        "2.50 EUR",
        "hall, attic",
    ]
    assert found["variants"] == [
        {
            "sku": "L-1",
            "version": 1,
            "weightGrams": 1200,
            "externalReference": "erp-1",
            "attributes": [{"key": "ean", "display": "401"}],
            "options": [],
        }
    ]


async def test_attributes_are_read_by_their_keys(shop: Shop) -> None:
    made = await create(shop, attributes=[attribute("care", "Dry cloth"), attribute("power", 40)])
    found = await shop.data(
        """query($id: ID!) { product(id: $id) {
             attributes(keys: ["power", "none"]) { key } attribute(key: "care") { text }
             none: attribute(key: "none") { key } } }""",
        id=made,
    )
    assert found["product"] == {"attributes": [{"key": "power"}], "attribute": {"text": "Dry cloth"}, "none": None}


async def test_an_update_changes_what_it_names_and_the_version_grows(shop: Shop) -> None:
    made = await create(shop, attributes=[attribute("care", "Dry cloth"), attribute("power", 40)])
    change = {"id": made, "version": 1, "attributes": [attribute("power", None), attribute("sockets", 3)]}
    assert (await shop.data(UPDATE, input=change))["updateProduct"]["version"] == 2
    found = await read(shop, made)
    assert [(one["key"], one["value"]) for one in found["attributes"]] == [("care", "Dry cloth"), ("sockets", 3)]
    assert await shop.code(UPDATE, input=change) == "PRODUCT_CHANGED"


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ([attribute("care", 5)], "WRONG_ATTRIBUTE_VALUE", "attributes.0.value"),
        ([attribute("care", "x9")], "PATTERN_NOT_MATCHED", "attributes.0.value"),
        ([attribute("care", "a\x00")], "WRONG_ATTRIBUTE_VALUE", "attributes.0.value"),
        ([attribute("care", "a"), attribute("power", 101)], "ATTRIBUTE_OUT_OF_RANGE", "attributes.1.value"),
        ([attribute("power", 10**40)], "WRONG_ATTRIBUTE_VALUE", "attributes.0.value"),
        ([attribute("material", "gold")], "UNKNOWN_ENUM_VALUE", "attributes.0.value"),
        ([attribute("shade", new_id())], "UNKNOWN_REFERENCE", "attributes.0.value"),
        ([attribute("rooms", ["a", "b", "c", "d"])], "ATTRIBUTE_OUT_OF_RANGE", "attributes.0.value"),
        ([attribute("rooms", ["a", "a"])], "ATTRIBUTE_GIVEN_TWICE", "attributes.0.value.1"),
        ([attribute("care", "a"), attribute("care", "b")], "ATTRIBUTE_GIVEN_TWICE", "attributes.1.key"),
        ([attribute("height", 5)], "UNKNOWN_ATTRIBUTE", "attributes.0.key"),
        ([attribute("hei\x00ght", 5)], "UNKNOWN_ATTRIBUTE", "attributes.0.key"),
        ([attribute("ean", "401")], "WRONG_ATTRIBUTE_LEVEL", "attributes.0.key"),
    ],
)
async def test_a_wrong_value_is_named_with_its_place_and_changes_nothing(
    shop: Shop, given: list[Any], code: str, field: str
) -> None:
    made = await create(shop)
    for document, wanted in (
        (CREATE, {"name": "Other", "variants": [], "productType": "lamp", "attributes": given}),
        (UPDATE, {"id": made, "version": 1, "name": "Other", "attributes": given}),
    ):
        error = (await shop.ask(document, variables={"input": wanted})).errors[0]
        assert (error["extensions"]["code"], error["extensions"]["field"]) == (code, field)
    listed = await shop.data("{ products { name version attributes { key } } }")
    assert listed["products"] == [{"name": "Lamp", "version": 1, "attributes": []}]


async def test_a_product_without_a_type_has_no_attributes_and_a_type_must_be_there(shop: Shop) -> None:
    plain = {"name": "Plain", "variants": [], "attributes": [attribute("care", "a")]}
    assert await shop.code(CREATE, input=plain) == "NO_PRODUCT_TYPE"
    for wrong in ("table", "ta\x00ble"):
        given = {"name": "Plain", "variants": [], "productType": wrong}
        assert await shop.code(CREATE, input=given) == "UNKNOWN_PRODUCT_TYPE"
    assert (await shop.data("{ products { id } }"))["products"] == []


async def test_the_type_and_the_products_of_another_environment_cannot_be_used(shop: Shop) -> None:
    other = Shop(shop.service)
    await create_type(other, "chair", [{"key": "like", "name": "Like", "type": "REFERENCE"}])
    theirs = await create(shop)
    mine = {"name": "Mine", "variants": [], "productType": "lamp"}
    assert await other.code(CREATE, input=mine) == "UNKNOWN_PRODUCT_TYPE"
    mine = {"name": "Mine", "variants": [], "productType": "chair", "attributes": [attribute("like", theirs)]}
    assert await other.code(CREATE, input=mine) == "UNKNOWN_REFERENCE"


async def test_a_reference_shows_a_storefront_published_products_only(shop: Shop) -> None:
    draft = await create(shop, "Shade", status="DRAFT")
    made = await create(shop, attributes=[attribute("shade", draft)])
    assert (await read(shop, made))["attributes"][0]["reference"] is None
    assert (await read(shop, made, frozenset({"storefront", "management"})))["attributes"][0]["reference"]
    assert (await shop.data("{ products { attributes { value } } }", STOREFRONT))["products"] == [
        {"attributes": [{"value": draft}]}
    ]
    await shop.data("mutation($id: ID!) { deleteProduct(id: $id, version: 1) }", id=draft)
    assert (await read(shop, made))["attributes"][0]["reference"] is None


async def test_unique_values_are_unique_within_their_type(shop: Shop) -> None:
    await create(shop, variants=[variant("A", attributes=[attribute("ean", "401")])])
    again = {"name": "B", "productType": "lamp", "variants": [variant("B", attributes=[attribute("ean", "401")])]}
    assert await shop.code(CREATE, input=again) == "ATTRIBUTE_VALUE_TAKEN"
    await create_type(shop, "shade", DEFINITIONS)
    await create(shop, "C", productType="shade", variants=[variant("C", attributes=[attribute("ean", "401")])])


async def test_options_are_named_by_each_variant_once(shop: Shop) -> None:
    variants = [
        variant("RS", options=[{"key": "color", "value": "red"}, {"key": "size", "value": "S"}]),
        variant("RM", options=[{"key": "size", "value": "M"}, {"key": "color", "value": "red"}]),
    ]
    made = await create(shop, options=[SIZE, COLOR], variants=variants)
    found = await read(shop, made)
    assert found["options"] == [SIZE, COLOR]
    assert found["variants"][1]["options"] == [
        {"key": "size", "name": "Size", "value": "M"},
        {"key": "color", "name": "Color", "value": "red"},
    ]
    # Another option needs a value for those that are there.
    finish = {"key": "finish", "name": "Finish", "values": ["matt", "gloss"]}
    change = {"id": made, "version": 1, "options": [SIZE, COLOR, finish]}
    assert await shop.code(UPDATE, input=change) == "OPTION_MISSING"
    await shop.data(UPDATE, input={**change, "options": [SIZE, COLOR, {**finish, "default": "matt"}]})
    found = await read(shop, made)
    assert [one["options"][2]["value"] for one in found["variants"]] == ["matt", "matt"]
    # Without the size both are the same.
    assert await shop.code(UPDATE, input={**change, "version": 2, "options": [COLOR]}) == "SAME_OPTIONS"
    wrong = {**SIZE, "values": ["S", "L"]}
    assert (
        await shop.code(UPDATE, input={**change, "version": 2, "options": [wrong, COLOR]}) == "UNKNOWN_OPTION_VALUE"
    )


@pytest.mark.parametrize(
    ("options", "chosen", "code"),
    [
        ([SIZE], [[]], "OPTION_MISSING"),
        ([SIZE], [[{"key": "size", "value": "XL"}]], "UNKNOWN_OPTION_VALUE"),
        ([SIZE], [[{"key": "size", "value": "S"}, {"key": "hue", "value": "S"}]], "UNKNOWN_OPTION"),
        ([SIZE], [[{"key": "size", "value": "S"}, {"key": "size", "value": "M"}]], "INVALID_OPTION"),
        ([], [[{"key": "size", "value": "S"}]], "UNKNOWN_OPTION"),
        ([SIZE], [[{"key": "size", "value": "S"}], [{"key": "size", "value": "S"}]], "SAME_OPTIONS"),
        ([SIZE, SIZE], [], "INVALID_OPTION"),
        ([{**SIZE, "values": []}], [], "INVALID_OPTION"),
        ([{**SIZE, "values": ["a\x00"]}], [], "INVALID_OPTION"),
        ([{**SIZE, "values": [str(n) for n in range(101)]}], [], "INVALID_OPTION"),
        ([{**SIZE, "key": str(n)} for n in range(6)], [], "INVALID_OPTION"),
        ([{**SIZE, "default": "XL"}], [], "INVALID_OPTION"),
    ],
)
async def test_wrong_options_are_refused_and_change_nothing(
    shop: Shop, options: list[Any], chosen: list[Any], code: str
) -> None:
    variants = [variant(f"V{n}", options=one) for n, one in enumerate(chosen)]
    wrong = {"name": "Lamp", "options": options, "variants": variants}
    assert await shop.code(CREATE, input=wrong) == code
    assert (await shop.data("{ products { id } }"))["products"] == []


async def test_a_type_that_asks_for_more_takes_its_products_along(shop: Shop) -> None:
    kind = (await shop.data('{ productType(key: "lamp") { id } }'))["productType"]["id"]
    made = await create(shop, attributes=[attribute("power", 90)], variants=[variant("V")])
    other = await create(shop, "Other", attributes=[attribute("power", 10)])
    assert await shop.code(DELETE_TYPE, id=kind, version=1) == "PRODUCT_TYPE_IN_USE"
    narrower = [{"key": "power", "name": "Power", "type": "NUMBER", "max": 50}]
    change = {"id": kind, "version": 1, "attributes": narrower}
    code, message = await shop.error(UPDATE_TYPE, input=change)
    assert code == "VALUES_IN_THE_WAY"
    assert "1 products or variants" in message
    await shop.data(UPDATE_TYPE, input={**change, "removeValues": True})
    assert [(await read(shop, one))["version"] for one in (made, other)] == [2, 1], "only what changed"
    assert (await read(shop, made))["attributes"] == []
    # Newly required: first without a default, then with one, of products and of variants.
    required = {"key": "grade", "name": "Grade", "type": "TEXT", "level": "VARIANT", "required": True}
    change = {"id": kind, "version": 2, "attributes": [*narrower, required]}
    assert await shop.code(UPDATE_TYPE, input=change) == "VALUES_IN_THE_WAY"
    await shop.data(UPDATE_TYPE, input={**change, "attributes": [*narrower, {**required, "default": "A"}]})
    found = await read(shop, made)
    assert (found["version"], found["variants"][0]["version"]) == (3, 2)
    assert found["variants"][0]["attributes"] == [{"key": "grade", "display": "A"}]
    # What is there twice cannot become unique.
    change = {
        "id": kind,
        "version": 3,
        "attributes": [{"key": "power", "name": "P", "type": "NUMBER", "unique": True}],
    }
    await shop.data(UPDATE, input={"id": made, "version": 3, "attributes": [attribute("power", 10)]})
    code = await shop.code(UPDATE_TYPE, input={**change, "removeValues": True})
    assert code == "ATTRIBUTE_VALUE_TAKEN"
    assert (await shop.data('{ productType(key: "lamp") { version } }'))["productType"]["version"] == 3


async def test_a_product_changes_its_type_when_its_values_fit(shop: Shop) -> None:
    await create_type(shop, "shade", [{"key": "power", "name": "Power", "type": "NUMBER", "max": 50}])
    made = await create(shop, attributes=[attribute("power", 40), attribute("care", "a")])
    change = {"id": made, "version": 1, "productType": "shade"}
    assert await shop.code(UPDATE, input=change) == "UNKNOWN_ATTRIBUTE"
    await shop.data(UPDATE, input={**change, "attributes": [attribute("care", None)]})
    found = await read(shop, made)
    assert (found["productType"], [one["key"] for one in found["attributes"]]) == ({"key": "shade"}, ["power"])
    await shop.data(
        UPDATE, input={**change, "version": 2, "productType": "", "attributes": [attribute("power", None)]}
    )
    assert (await read(shop, made))["productType"] is None


async def test_the_values_of_a_product_have_a_bound_in_all_and_so_has_what_is_asked_for(shop: Shop) -> None:
    await create_type(shop, "book", [{"key": f"t{n}", "name": "T", "type": "TEXT"} for n in range(10)])
    made = await create(shop, productType="book", attributes=[attribute(f"t{n}", "x" * 9_000) for n in range(7)])
    more = {"id": made, "version": 1, "attributes": [attribute("t7", "x" * 9_000)]}
    assert await shop.code(UPDATE, input=more) == "ATTRIBUTE_OUT_OF_RANGE"
    assert (await read(shop, made))["version"] == 1
    keys = "query($keys: [String!]) { products { attributes(keys: $keys) { key } } }"
    assert await shop.code(keys, STOREFRONT, keys=["t1"] * 101) == "INVALID_PAGE"


async def test_a_type_and_its_products_change_at_once_and_none_is_left_wrong(shop: Shop) -> None:
    """Whoever comes second is refused, or follows; no product keeps a value that its type does not allow."""
    kind = (await shop.data('{ productType(key: "lamp") { id } }'))["productType"]["id"]
    made = [await create(shop, f"Lamp {n}") for n in range(6)]
    power = {"key": "power", "name": "Power", "type": "NUMBER", "max": 50}
    change = {"id": kind, "version": 1, "attributes": [power], "removeValues": True}
    writes = [{"id": one, "version": 1, "attributes": [attribute("power", 80)]} for one in made]
    asked = [shop.ask(UPDATE, variables={"input": one}) for one in writes]
    asked.insert(3, shop.ask(UPDATE_TYPE, variables={"input": change}))
    results = await asyncio.gather(*asked)
    codes = {one.errors[0]["extensions"]["code"] for one in results if one.errors}
    assert codes <= {"ATTRIBUTE_OUT_OF_RANGE", "CHANGED_CONCURRENTLY", "PRODUCT_CHANGED"}, codes
    if results[3].errors:  # given up for a product that came first
        await shop.data(UPDATE_TYPE, input=change)
    assert [(await read(shop, one))["attributes"] for one in made] == [[]] * 6


async def test_changes_of_attributes_are_told(shop: Shop, catalog: tuple[CatalogService, Database]) -> None:
    made = await create(shop)
    await shop.data(UPDATE, input={"id": made, "version": 1, "attributes": [attribute("care", "a")]})
    rows = await catalog[1].fetch(
        shop.environment_id,
        "SELECT event_type FROM outbox WHERE environment_id = $1 AND event_key = $2 ORDER BY id",
        made,
    )
    assert [row["event_type"] for row in rows] == ["ProductCreated", "ProductUpdated"]


LIST = "query List($filter: ProductFilter) { products(filter: $filter) { name } }"
TESTS: list[tuple[dict[str, Any], str]] = [
    ({"productType": "lamp"}, "abc"),
    ({"productType": ["shade", "none"]}, "d"),
    ({"not": {"productType": "lamp"}}, "de"),
    ({"attributes": [{"key": "care", "equals": "dry cloth"}]}, "ab"),
    ({"attributes": [{"key": "care", "in": ["none", "wet cloth"]}]}, "c"),
    ({"attributes": [{"key": "care", "in": []}]}, ""),
    ({"attributes": [{"key": "power", "equals": 7}]}, "ad"),
    ({"attributes": [{"key": "power", "min": 7}]}, "acd"),
    ({"attributes": [{"key": "power", "min": 7, "max": 7.5}]}, "ad"),
    ({"attributes": [{"key": "power", "max": 6.99}]}, "b"),
    ({"attributes": [{"key": "sockets", "max": -1}]}, "b"),
    ({"attributes": [{"key": "dimmable", "equals": True}]}, "c"),
    ({"attributes": [{"key": "since", "min": "2026-01-31", "max": "2026-12-31"}]}, "a"),
    ({"attributes": [{"key": "since", "min": "2025-01-01"}]}, "ab"),
    ({"attributes": [{"key": "material", "equals": "oak"}]}, "b"),
    ({"attributes": [{"key": "deposit", "min": {"amountMinor": 200, "currency": "EUR"}}]}, "a"),
    ({"attributes": [{"key": "deposit", "max": {"amountMinor": 300, "currency": "USD"}}]}, "b"),
    ({"attributes": [{"key": "rooms", "equals": "attic"}]}, "ac"),
    ({"attributes": [{"key": "ean", "equals": "402"}]}, "b"),
    ({"attributes": [{"key": "ean", "min": "401"}]}, "ab"),
    ({"attributes": [{"key": "care", "equals": "dry cloth"}, {"key": "power", "min": 7}]}, "a"),
    ({"not": {"attributes": [{"key": "care", "equals": "dry cloth"}]}}, "cde"),
    ({"or": [{"attributes": [{"key": "power", "min": 99}]}, {"namePrefix": "e"}]}, "ce"),
]  # fmt: skip


async def test_lists_are_filtered_by_type_and_attributes(shop: Shop) -> None:
    await create_type(shop, "shade", [{"key": "power", "name": "Power", "type": "INTEGER"}])
    eur, usd = ({"amountMinor": 250, "currency": currency} for currency in ("EUR", "USD"))
    goods: dict[str, dict[str, Any]] = {
        "a": {"care": "dry cloth", "power": 7, "since": "2026-01-31", "deposit": eur, "rooms": ["hall", "attic"]},
        "b": {
            "care": "dry cloth",
            "power": "6.9",
            "sockets": -1,
            "since": "2025-12-31",
            "material": "oak",
            "deposit": usd,
        },
        "c": {"care": "wet cloth", "power": 100, "dimmable": True, "rooms": ["attic"]},
    }
    for number, (name, values) in enumerate(goods.items()):
        attributes = [attribute(key, value) for key, value in values.items()]
        own = [attribute("ean", f"40{number + 1}")] if name != "c" else []
        await create(shop, name, attributes=attributes, variants=[variant(name, attributes=own)])
    await create(shop, "d", productType="shade", attributes=[attribute("power", 7)])
    await create(shop, "e", productType="")
    await create(Shop(shop.service), "x", productType="")
    for given, names in TESTS:
        found = await shop.data(LIST, STOREFRONT, filter=given)
        assert "".join(one["name"] for one in found["products"]) == names, given
        total = "query($filter: ProductFilter) { productConnection(filter: $filter) { totalCount } }"
        assert (await shop.data(total, filter=given))["productConnection"]["totalCount"] == len(names), given


@pytest.mark.parametrize(
    ("tests", "code"),
    [
        ([{"key": "power"}], "INVALID_FILTER"),
        ([{"key": "power", "equals": 1, "min": 1}], "INVALID_FILTER"),
        ([{"key": "power", "equals": [1]}], "INVALID_FILTER"),
        ([{"key": "power", "equals": 10**30}], "INVALID_FILTER"),
        ([{"key": "power", "min": 2, "max": 1}], "INVALID_FILTER"),
        ([{"key": "power", "min": 2, "max": "3"}], "INVALID_FILTER"),
        ([{"key": "power", "min": True}], "INVALID_FILTER"),
        ([{"key": "power", "equals": {"amountMinor": 1, "currency": "no"}}], "INVALID_FILTER"),
        ([{"key": "power", "in": list(range(101))}], "INVALID_FILTER"),
        ([{"key": "power", "equals": 1}] * 21, "INVALID_FILTER"),
        ([{"key": "p" * 65, "equals": 1}], "INVALID_FILTER"),
        ([{"key": "care", "equals": "x" * 10_001}], "INVALID_FILTER"),
        ([{"key": "ca\x00re", "equals": "x"}], "INVALID_TEXT"),
        ([{"key": "care", "equals": "x\x00"}], "INVALID_TEXT"),
        ([{"key": "care", "equals": "x\ud800"}], "INVALID_TEXT"),
    ],
)
async def test_filters_by_attribute_that_make_no_sense_are_refused(shop: Shop, tests: list[Any], code: str) -> None:
    error = (await shop.ask(LIST, variables={"filter": {"attributes": tests}})).errors[0]
    assert error["extensions"]["code"] == code
    assert error["extensions"]["field"].startswith("filter.attributes")
