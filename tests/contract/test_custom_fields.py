"""Custom fields of catalog's own subgraph: declared, typed, checked; in their own environment only."""

import asyncio
from typing import Any

import pytest
from graphql import print_type

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from contract.test_catalog_statements import counting
from kokoa.graphql import ExecutionResult
from kokoa.postgres import Database
from kokoa.services.catalog.custom_fields.errors import SchemaOutdated
from kokoa.services.catalog.service import CatalogService

DEFINE = """mutation Define($input: DefineCustomFieldInput!) {
  defineCustomField(input: $input) { on key type isList required description storefront enumValues }
}"""
CHANGE = (
    "mutation Change($input: ChangeCustomFieldInput!) { changeCustomField(input: $input) { key type enumValues } }"
)
REMOVE = """mutation Remove($on: CustomFieldOwner!, $key: String!, $removeValues: Boolean! = false) {
  removeCustomField(on: $on, key: $key, removeValues: $removeValues)
}"""
SET = """mutation Set($id: ID!, $version: Int!, $input: ProductCustomInput!) {
  setProductCustom(id: $id, version: $version, input: $input) { id version custom { PARTS } }
}"""


class FieldShop(Shop):
    """An environment that is asked by the schema which it has right now, as a gateway would."""

    async def ask(
        self, document: str, scopes: frozenset[str] = MANAGEMENT, variables: Any = None, **more: Any
    ) -> ExecutionResult:
        digest = await self.service.schemas.digest(self.environment_id)
        subgraph = await self.service.schemas.subgraph(self.environment_id, digest)
        return await subgraph.execute(document, {**(variables or {}), **more}, self.call(scopes))

    async def define(self, key: str, kind: str = "INT", on: str = "PRODUCT", **more: Any) -> Any:
        given = {"on": on, "key": key, "type": kind, "storefront": True, **more}
        return (await self.data(DEFINE, input=given))["defineCustomField"]

    async def refused(self, document: str, **variables: Any) -> tuple[str, str, str]:
        """Code, message and field of the first error."""
        result = await self.ask(document, MANAGEMENT, variables)
        assert result.errors, result.data
        extensions = result.errors[0]["extensions"]
        return extensions["code"], result.errors[0]["message"], extensions.get("field", "")


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> FieldShop:
    return FieldShop(catalog[0])


@pytest.fixture
async def lamp(shop: FieldShop) -> Any:
    return await shop.create("Lamp")


def setting(parts: str) -> str:
    return SET.replace("PARTS", parts)


async def test_a_declared_field_is_in_the_schema_of_its_environment_only(shop: FieldShop) -> None:
    other = FieldShop(shop.service)
    declared = await shop.define("warrantyMonths", description='Says "how long", \\ and """ too.', required=True)
    assert declared == {
        "on": "PRODUCT",
        "key": "warrantyMonths",
        "type": "INT",
        "isList": False,
        "required": True,
        "description": 'Says "how long", \\ and """ too.',
        "storefront": True,
        "enumValues": (),
    }
    introspect = '{ __type(name: "ProductCustom") { fields { name description type { name } } } }'
    (field,) = (await shop.data(introspect))["__type"]["fields"]
    assert field == {"name": "warrantyMonths", "description": declared["description"], "type": {"name": "Int"}}
    assert (await other.data(introspect))["__type"] is None
    assert (await other.data("{ customFields { key } }"))["customFields"] == []
    assert (await shop.data("{ customFields(on: VARIANT) { key } }"))["customFields"] == []
    assert await other.code("{ products { custom { warrantyMonths } } }") == "GRAPHQL_VALIDATION_FAILED"


async def test_environments_with_equal_fields_share_a_schema(shop: FieldShop) -> None:
    other = FieldShop(shop.service)
    for one in (shop, other):
        await one.define("material", "ENUM", enumValues=["OAK", "STEEL"])
    digests = [await one.service.schemas.digest(one.environment_id) for one in (shop, other)]
    assert digests[0] == digests[1] != ""
    found = [await one.service.schemas.subgraph(one.environment_id, digests[0]) for one in (shop, other)]
    assert found[0] is found[1]
    enum = print_type(found[0].schema.type_map["ProductCustomMaterialValue"])
    assert " ".join(enum.split()) == "enum ProductCustomMaterialValue { OAK STEEL }"


async def test_an_old_schema_serves_who_began_with_it_and_strangers_never(shop: FieldShop) -> None:
    await shop.define("height")
    digest = await shop.service.schemas.digest(shop.environment_id)
    await shop.define("breadth")
    old = await shop.service.schemas.subgraph(shop.environment_id, digest)
    assert "breadth" not in old.sdl
    with pytest.raises(SchemaOutdated):
        await shop.service.schemas.sdl(shop.environment_id, "0" * 64)


async def test_fields_that_are_declared_at_once_are_all_there(shop: FieldShop) -> None:
    await asyncio.gather(*(shop.define(f"field{number}") for number in range(4)))
    keys = {one["key"] for one in (await shop.data("{ customFields { key } }"))["customFields"]}
    assert keys == {f"field{number}" for number in range(4)}


async def test_values_that_were_sent_by_a_schema_of_before_are_refused(shop: FieldShop, lamp: Any) -> None:
    await shop.define("months")
    digest = await shop.service.schemas.digest(shop.environment_id)
    before = await shop.service.schemas.subgraph(shop.environment_id, digest)
    await shop.data(CHANGE, input={"on": "PRODUCT", "key": "months", "type": "STRING"})
    given = {"id": lamp["id"], "version": 1, "input": {"months": 24}}
    refused = await before.execute(setting("months"), given, shop.call())
    assert refused.errors[0]["extensions"]["code"] == "CUSTOM_FIELDS_CHANGED"
    (read,) = (await shop.data("{ products { version custom { months } } }"))["products"]
    assert read == {"version": 1, "custom": {"months": None}}


KINDS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "text": ("STRING", "solid oak — “best”", {}),
    "months": ("INT", -24, {}),
    "weight": ("FLOAT", 12.5, {}),
    "indoors": ("BOOLEAN", False, {}),
    "since": ("DATE", "2026-01-31", {}),
    "seen": ("DATE_TIME", "2026-01-31T12:00:00Z", {}),
    "material": ("ENUM", "OAK", {"enumValues": ["OAK", "STEEL"]}),
    "extra": ("JSON", {"a": [1, None, {"b": "c"}], "snake_case": 1.5}, {}),
    "texts": ("STRING", ["a", "b"], {"isList": True}),
    "days": ("DATE", ["2026-01-31", "2026-02-01"], {"isList": True}),
    "materials": ("ENUM", ["STEEL", "OAK"], {"isList": True, "enumValues": ["OAK", "STEEL"]}),
    "with_under_Score": ("INT", 7, {}),
}


async def test_values_of_every_type_come_back_as_they_were_set(shop: FieldShop, lamp: Any) -> None:
    for key, (kind, _, more) in KINDS.items():
        await shop.define(key, kind, **more)
    given = {key: value for key, (_, value, _) in KINDS.items()}
    parts = " ".join(KINDS)
    (empty,) = (await shop.data(f"{{ products {{ custom {{ {parts} }} }} }}"))["products"]
    assert empty["custom"] == dict.fromkeys(KINDS)
    done = (await shop.data(setting(parts), id=lamp["id"], version=1, input=given))["setProductCustom"]
    assert (done["custom"], done["version"]) == (given, 2)
    (read,) = (await shop.data(f"{{ products {{ custom {{ {parts} }} }} }}", STOREFRONT))["products"]
    assert read["custom"] == given
    again = (await shop.data(setting(parts), id=lamp["id"], version=1, input=given))["setProductCustom"]
    assert again["version"] == 2, "the same again changes nothing, whatever the version"
    less = {"text": None, "months": None, "weight": 1.0}
    done = (await shop.data(setting(parts), id=lamp["id"], version=2, input=less))["setProductCustom"]
    assert (done["custom"], done["version"]) == ({**given, **less}, 3)


async def test_a_change_needs_the_current_version_and_is_heard_of(
    shop: FieldShop, lamp: Any, catalog: tuple[CatalogService, Database]
) -> None:
    await shop.define("months")
    assert (await shop.refused(setting("months"), id=lamp["id"], version=7, input={"months": 1}))[:2] == (
        "PRODUCT_CHANGED",
        "The product is at version 1. Read it again and repeat the change.",
    )
    await shop.data(setting("months"), id=lamp["id"], version=1, input={"months": 1})
    rows = await catalog[1].fetch(
        shop.environment_id, "SELECT event_type, event_key FROM outbox WHERE environment_id = $1 ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [
        ("ProductCreated", lamp["id"]),
        ("CustomFieldDefined", "PRODUCT.months"),
        ("ProductUpdated", lamp["id"]),
    ]
    (entry,) = (await shop.data("{ productChanges { changes { version product { custom { months } } } } }"))[
        "productChanges"
    ]["changes"]
    assert entry == {"version": 2, "product": {"custom": {"months": 1}}}


async def test_variants_and_categories_have_fields_too(shop: FieldShop, lamp: Any) -> None:
    made = await shop.data('mutation { createCategory(input: {name: "Lamps"}) { id version } }')
    await shop.define("ean", "STRING", on="VARIANT")
    await shop.define("banner", "STRING", on="CATEGORY")
    (product,) = (await shop.data("{ products { version variants { id } } }"))["products"]
    variant = product["variants"][1]["id"]
    await shop.data(
        """mutation Set($id: ID!) { setVariantCustom(id: $id, version: 1, input: {ean: "4006381333931"}) { id } }""",
        id=variant,
    )
    set_category = """mutation Set($id: ID!, $version: Int!) {
      setCategoryCustom(id: $id, version: $version, input: {banner: "b.png"}) { version custom { banner } } }"""
    done = await shop.data(set_category, **made["createCategory"])
    assert done["setCategoryCustom"] == {"version": 2, "custom": {"banner": "b.png"}}
    read = (await shop.data("{ products { version variants { custom { ean } } } }"))["products"]
    assert read == [{"version": 2, "variants": [{"custom": {"ean": None}}, {"custom": {"ean": "4006381333931"}}]}]
    assert await shop.code("{ products { custom { ean } } }") == "GRAPHQL_VALIDATION_FAILED"
    gone = "0198c0de-0000-7000-8000-000000000000"
    assert (await shop.refused(set_category, id=gone, version=1))[0] == "CATEGORY_NOT_FOUND"
    set_variant = 'mutation Set($id: ID!) { setVariantCustom(id: $id, version: 2, input: {ean: "1"}) { id } }'
    assert (await shop.refused(set_variant, id=gone))[0] == "VARIANT_NOT_FOUND"
    assert (await shop.refused(set_variant.replace("2", "9"), id=variant))[0] == "PRODUCT_CHANGED"


async def test_storefronts_see_what_is_for_them_of_published_products(shop: FieldShop, lamp: Any) -> None:
    await shop.define("cost", storefront=False)
    hidden = '{ __type(name: "Product") { fields { name } } }'
    names = {one["name"] for one in (await shop.data(hidden, STOREFRONT))["__type"]["fields"]}
    assert "custom" not in names, "nothing in it is for storefronts"
    await shop.define("months")
    await shop.data(setting("months cost"), id=lamp["id"], version=1, input={"months": 24, "cost": 700})
    visible = '{ __type(name: "ProductCustom") { fields { name } } }'
    assert (await shop.data(visible, STOREFRONT))["__type"]["fields"] == [{"name": "months"}]
    result = await shop.ask("{ products { custom { months cost } } }", STOREFRONT)
    assert result.data == {"products": [{"custom": {"months": 24, "cost": None}}]}
    assert result.errors[0]["extensions"]["code"] == "FORBIDDEN"
    for document in (setting("months"), DEFINE, REMOVE, CHANGE):
        variables: dict[str, Any] = {
            "id": lamp["id"],
            "version": 2,
            "input": {"months": 1},
            "on": "PRODUCT",
            "key": "x",
        }
        if "CustomFieldInput" in document:
            variables["input"] = {"on": "PRODUCT", "key": "x", "type": "INT"}
        assert (await shop.error(document, STOREFRONT, **variables))[0] == "FORBIDDEN"
    await shop.data(f'mutation {{ unpublishProduct(id: "{lamp["id"]}", version: 2) {{ id }} }}')
    reference = [{"__typename": "Product", "id": lamp["id"]}]
    entities = "query E($r: [_Any!]!) { _entities(representations: $r) { ... on Product { custom { months } } } }"
    assert (await shop.data(entities, STOREFRONT, r=reference))["_entities"] == [None]
    assert (await shop.data(entities, r=reference))["_entities"] == [{"custom": {"months": 24}}]


async def test_another_environment_cannot_touch_the_values(shop: FieldShop, lamp: Any) -> None:
    other = FieldShop(shop.service)
    for one in (shop, other):
        await one.define("months")
    await shop.data(setting("months"), id=lamp["id"], version=1, input={"months": 24})
    refused = await other.refused(setting("months"), id=lamp["id"], version=2, input={"months": 1})
    assert refused[0] == "PRODUCT_NOT_FOUND"
    reference = [{"__typename": "Product", "id": lamp["id"]}]
    entities = "query E($r: [_Any!]!) { _entities(representations: $r) { ... on Product { custom { months } } } }"
    assert (await other.data(entities, r=reference))["_entities"] == [None]
    await other.data(REMOVE, on="PRODUCT", key="months", removeValues=True)
    (read,) = (await shop.data("{ products { custom { months } } }"))["products"]
    assert read["custom"] == {"months": 24}


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"key": "__typename"}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": "id"}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": "created_at"}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": ""}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": "Big"}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": "größe"}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": "a: Int } type Query { b"}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": "a\n"}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": "a" * 64}, "INVALID_CUSTOM_FIELD", "input.key"),
        ({"key": "taken"}, "CUSTOM_FIELD_EXISTS", ""),
        ({"key": "ta_Ken"}, "CUSTOM_FIELD_EXISTS", ""),
        ({"description": "x" * 501}, "INVALID_CUSTOM_FIELD", "input.description"),
        ({"description": "\0"}, "INVALID_CUSTOM_FIELD", "input.description"),
        ({"enumValues": ["A"]}, "INVALID_CUSTOM_FIELD", "input.enumValues"),
        ({"type": "ENUM"}, "INVALID_CUSTOM_FIELD", "input.enumValues"),
        ({"type": "ENUM", "enumValues": []}, "INVALID_CUSTOM_FIELD", "input.enumValues"),
        ({"type": "ENUM", "enumValues": ["A", "A"]}, "INVALID_CUSTOM_FIELD", "input.enumValues"),
        ({"type": "ENUM", "enumValues": ["A", "true"]}, "INVALID_CUSTOM_FIELD", "input.enumValues.1"),
        ({"type": "ENUM", "enumValues": ["__A"]}, "INVALID_CUSTOM_FIELD", "input.enumValues.0"),
        ({"type": "ENUM", "enumValues": ["A } type X"]}, "INVALID_CUSTOM_FIELD", "input.enumValues.0"),
        ({"type": "ENUM", "enumValues": [f"A{n}" for n in range(201)]}, "INVALID_CUSTOM_FIELD", "input.enumValues"),
    ],
)
async def test_what_cannot_be_a_field_is_refused_and_changes_nothing(
    shop: FieldShop, given: dict[str, Any], code: str, field: str
) -> None:
    await shop.define("taken")
    wanted = {"on": "PRODUCT", "key": "fine", "type": "INT", **given}
    assert (await shop.refused(DEFINE, input=wanted))[::2] == (code, field)
    assert (await shop.data("{ customFields { key } }"))["customFields"] == [{"key": "taken"}]


async def test_a_description_cannot_break_out_of_the_schema(shop: FieldShop) -> None:
    hostile = '""" } type Query { stolen: String } """ \n\r\t # \\u0022 \u2028 " \x7f 🛋'
    await shop.define("fine", description=hostile)
    (field,) = (await shop.data('{ __type(name: "ProductCustom") { fields { description } } }'))["__type"]["fields"]
    assert field["description"] == hostile
    assert await shop.code("{ stolen }") == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("text", "x" * 5_001, "input.text"),
        ("text", "a\0b", "input.text"),
        ("texts", ["fine", "\ud800"], "input.texts.1"),
        ("texts", ["x"] * 101, "input.texts"),
        ("extra", {"a": {"b\0": 1}}, "input.extra"),
        ("extra", 2**60, "input.extra"),
        ("extra", [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]], "input.extra"),
        ("texts", ["y" * 5_000] * 14, "input"),
    ],
)
async def test_a_wrong_value_is_refused_with_its_path(
    shop: FieldShop, lamp: Any, key: str, value: Any, field: str
) -> None:
    for one, kind, more in (("text", "STRING", {}), ("texts", "STRING", {"isList": True}), ("extra", "JSON", {})):
        await shop.define(one, kind, **more)
    refused = await shop.refused(setting("text"), id=lamp["id"], version=1, input={key: value})
    assert refused[::2] == ("INVALID_CUSTOM_VALUE", field)
    assert (await shop.data("{ products { version custom { text texts extra } } }"))["products"] == [
        {"version": 1, "custom": {"text": None, "texts": None, "extra": None}}
    ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("INT", 2**31),
        ("INT", "24"),
        ("FLOAT", "NaN"),
        ("BOOLEAN", 1),
        ("DATE", "2026-02-30"),
        ("DATE", "20260131"),
        ("DATE", "2026-W05-6"),
        ("DATE_TIME", "2026-01-31T12:00:00"),
        ("ENUM", "oak"),
        ("STRING", ["a"]),
    ],
)
async def test_a_value_of_another_type_is_refused_by_the_schema(
    shop: FieldShop, lamp: Any, kind: str, value: Any
) -> None:
    await shop.define("one", kind, **({"enumValues": ["OAK"]} if kind == "ENUM" else {}))
    code, message, _ = await shop.refused(setting("one"), id=lamp["id"], version=1, input={"one": value})
    assert code == "BAD_USER_INPUT", message
    assert "at .one" in message


async def test_a_required_field_keeps_a_value(shop: FieldShop, lamp: Any) -> None:
    await shop.define("must", required=True)
    await shop.define("may")
    missing = ("CUSTOM_VALUE_MISSING", "input.must")
    for given in ({"may": 1}, {"must": None, "may": 1}):
        assert (await shop.refused(setting("may"), id=lamp["id"], version=1, input=given))[::2] == missing
    await shop.data(setting("may"), id=lamp["id"], version=1, input={"must": 1})
    assert (await shop.refused(setting("may"), id=lamp["id"], version=2, input={"must": None}))[::2] == missing
    await shop.data(setting("may"), id=lamp["id"], version=2, input={"may": 2})
    assert (await shop.refused(setting("may"), id=lamp["id"], version=3, input={}))[0] == "INVALID_CUSTOM_VALUE"


async def test_values_are_lost_only_if_somebody_says_so(shop: FieldShop, lamp: Any) -> None:
    await shop.define("months")
    await shop.data(setting("months"), id=lamp["id"], version=1, input={"months": 24})
    gone = {"on": "PRODUCT", "key": "months"}
    assert (await shop.refused(REMOVE, **gone))[0] == "CUSTOM_FIELD_HAS_VALUES"
    assert (await shop.refused(CHANGE, input={**gone, "type": "STRING"}))[0] == "CUSTOM_FIELD_HAS_VALUES"
    (read,) = (await shop.data("{ products { custom { months } } }"))["products"]
    assert read["custom"] == {"months": 24}, "nothing was changed"
    await shop.data(CHANGE, input={**gone, "description": "No type changes", "required": True})
    changed = await shop.data(CHANGE, input={**gone, "type": "STRING", "removeValues": True})
    assert changed["changeCustomField"]["type"] == "STRING"
    (read,) = (await shop.data("{ products { version custom { months } } }"))["products"]
    assert read == {"version": 2, "custom": {"months": None}}
    assert (await shop.data(REMOVE, **gone))["removeCustomField"] == "months", "nothing to lose any more"
    assert (await shop.refused(REMOVE, **gone))[0] == "CUSTOM_FIELD_NOT_FOUND"
    assert await shop.code("{ products { custom { months } } }") == "GRAPHQL_VALIDATION_FAILED"
    await shop.define("months")
    (read,) = (await shop.data("{ products { custom { months } } }"))["products"]
    assert read["custom"] == {"months": None}, "a field of the same name begins empty"


async def test_enum_values_come_and_go(shop: FieldShop, lamp: Any) -> None:
    for key, is_list in (("one", False), ("many", True)):
        await shop.define(key, "ENUM", isList=is_list, enumValues=["OAK", "STEEL", "GLASS"])
    given = {"one": "OAK", "many": ["OAK", "STEEL"]}
    await shop.data(setting("one many"), id=lamp["id"], version=1, input=given)
    for key in given:
        wanted = {"on": "PRODUCT", "key": key, "enumValues": ["STEEL", "BRASS"]}
        code, message, _ = await shop.refused(CHANGE, input=wanted)
        assert code == "CUSTOM_FIELD_HAS_VALUES"
        assert "OAK" in message
        await shop.data(CHANGE, input={**wanted, "enumValues": ["OAK", "STEEL", "BRASS"]})
        await shop.data(CHANGE, input={**wanted, "removeValues": True})
    (read,) = (await shop.data("{ products { custom { one many } } }"))["products"]
    assert read["custom"] == {"one": None, "many": ["STEEL"]}
    await shop.data(setting("one"), id=lamp["id"], version=2, input={"one": "BRASS"})


async def test_values_go_with_what_they_are_of(
    shop: FieldShop, lamp: Any, catalog: tuple[CatalogService, Database]
) -> None:
    await shop.define("months")
    await shop.data(setting("months"), id=lamp["id"], version=1, input={"months": 24})
    await shop.data(f'mutation {{ deleteProduct(id: "{lamp["id"]}", version: 2) }}')
    count = "SELECT count(*) FROM product_custom_values WHERE environment_id = $1"
    assert await catalog[1].fetchval(shop.environment_id, count) == 0


async def test_there_is_a_bound_of_fields(shop: FieldShop) -> None:
    for number in range(100):
        await shop.define(f"field{number}")
    assert (await shop.refused(DEFINE, input={"on": "PRODUCT", "key": "more", "type": "INT"}))[0] == (
        "TOO_MANY_CUSTOM_FIELDS"
    )
    await shop.define("field0", on="VARIANT")


@pytest.mark.parametrize("scopes", [STOREFRONT, MANAGEMENT], ids=["storefront", "management"])
async def test_values_take_one_statement_a_level_and_none_if_nobody_asks(
    shop: FieldShop, scopes: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        await shop.create(f"Lamp {number}")
    await shop.define("months")
    await shop.define("ean", "STRING", on="VARIANT")
    subgraph = await shop.service.schemas.subgraph(
        shop.environment_id, await shop.service.schemas.digest(shop.environment_id)
    )
    counts = []
    for parts in ("", "custom { months }"):
        for size in (1, 50):
            document = (
                f"{{ products(limit: {size}) {{ id {parts} variants {{ sku {parts and 'custom { ean }'} }} }} }}"
            )
            with counting(monkeypatch) as sent:
                result = await subgraph.execute(document, {}, shop.call(scopes))
            assert not result.errors
            counts.append(len(sent))
    assert counts == [2, 2, 4, 4]
