"""Batches of products with types, attributes and options: row by row as createProduct and updateProduct would."""

from typing import Any

import pytest

from contract.catalog_shop import Shop
from contract.test_catalog_bulk import upsert
from contract.test_product_attributes import DEFINITIONS, SIZE, attribute, read, variant
from contract.test_product_types import create_type
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.catalog.service import CatalogService

SMALL, MEDIUM = ([{"key": "size", "value": value}] for value in ("S", "M"))


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    shop = Shop(catalog[0])
    await create_type(shop, "lamp", DEFINITIONS)
    return shop


def row(reference: str, *eans: str, **more: Any) -> dict[str, Any]:
    variants = [
        variant(f"{reference}-{n}", attributes=[attribute("ean", ean)], options=(SMALL, MEDIUM)[n : n + 1][0])
        for n, ean in enumerate(eans)
    ]
    given = {"externalReference": reference, "name": reference, "productType": "lamp", "variants": variants}
    return {**given, "options": [SIZE], **more}


async def test_a_batch_creates_and_changes_details_and_again_changes_nothing(shop: Shop) -> None:
    rows = [row("a", "1", "2", attributes=[attribute("power", 40)]), row("b", "3")]
    made = await upsert(shop, *rows)
    assert (made["created"], made["failed"]) == (2, 0), made
    first = made["rows"][0]["id"]
    found = await read(shop, first)
    assert [(one["key"], one["value"]) for one in found["attributes"]] == [("power", "40")]
    assert [one["options"][0]["value"] for one in found["variants"]] == ["S", "M"]
    assert [one["attributes"][0]["display"] for one in found["variants"]] == ["1", "2"]
    assert (await upsert(shop, *rows))["unchanged"] == 2
    # What is left out stays: of the product and of its variants.
    less = {"externalReference": "a", "variants": [variant("a-0", weightGrams=5), variant("a-1")]}
    assert (await upsert(shop, less))["updated"] == 1
    found = await read(shop, first)
    assert [one["key"] for one in found["attributes"]] == ["power"]
    assert [(one["version"], one["weightGrams"]) for one in found["variants"]] == [(2, 5), (1, None)]
    assert [one["attributes"][0]["display"] for one in found["variants"]] == ["1", "2"]
    # One value of one variant: it has a new version, the other has not.
    change = {**less, "variants": [variant("a-0"), variant("a-1", attributes=[attribute("ean", "9")])]}
    assert (await upsert(shop, change))["updated"] == 1
    found = await read(shop, first)
    assert [(one["version"], one["weightGrams"]) for one in found["variants"]] == [(2, 5), (2, None)]
    assert found["version"] == 3


async def test_a_dry_run_changes_nothing(shop: Shop) -> None:
    shown = await upsert(shop, row("a", "1", attributes=[attribute("power", 40)]), dryRun=True)
    assert shown["created"] == 1
    assert (await shop.data("{ products { id } }"))["products"] == []


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"productType": "table"}, "UNKNOWN_PRODUCT_TYPE", "productType"),
        ({"productType": "ta\x00ble"}, "UNKNOWN_PRODUCT_TYPE", "productType"),
        ({"attributes": [attribute("power", 101)]}, "ATTRIBUTE_OUT_OF_RANGE", "attributes.0.value"),
        ({"attributes": [attribute("height", 1)]}, "UNKNOWN_ATTRIBUTE", "attributes.0.key"),
        ({"attributes": [attribute("shade", new_id())]}, "UNKNOWN_REFERENCE", "attributes.0.value"),
        ({"productType": "", "attributes": [attribute("power", 1)]}, "NO_PRODUCT_TYPE", "attributes.0"),
        ({"variants": [variant("w", options=[])]}, "OPTION_MISSING", "variants.0.options"),
        (
            {"variants": [variant("w", options=SMALL), variant("x", options=SMALL)]},
            "SAME_OPTIONS",
            "variants.1.options",
        ),
        (
            {"variants": [variant("w", options=SMALL, attributes=[attribute("ean", 5)])]},
            "WRONG_ATTRIBUTE_VALUE",
            "variants.0.attributes.0.value",
        ),
        (
            {"variants": [variant("w", options=SMALL, attributes=[attribute("ean", "taken")])]},
            "ATTRIBUTE_VALUE_TAKEN",
            "variants.0.attributes",
        ),
        (
            {"variants": [variant("w", options=SMALL, externalReference="taken")]},
            "ALREADY_TAKEN",
            "variants.0.externalReference",
        ),
        ({"variants": [variant("w", options=SMALL, weightGrams=-1)]}, "INVALID_PRODUCT", "variants.0.weightGrams"),
    ],
)
async def test_a_wrong_row_fails_alone_with_its_place(
    shop: Shop, change: dict[str, Any], code: str, path: str
) -> None:
    taken = row("taken", "taken")
    taken["variants"][0]["externalReference"] = "taken"
    done = await upsert(shop, taken, {**row("wrong"), **change}, row("right", "2"))
    assert [one["status"] for one in done["rows"]] == ["CREATED", "ERROR", "CREATED"], done
    assert (done["rows"][1]["error"]["code"], done["rows"][1]["error"]["path"]) == (code, path)


async def test_unique_values_move_within_a_batch_and_are_given_once(shop: Shop) -> None:
    await upsert(shop, row("a", "1"), row("b", "2"))
    # b takes what a gives up before it; c wants what b has by then.
    done = await upsert(shop, row("a", "9"), row("b", "1"), row("c", "1"), row("d", "2"))
    assert [one["status"] for one in done["rows"]] == ["UPDATED", "UPDATED", "ERROR", "CREATED"], done
    # Two variants of one product change places.
    await upsert(shop, row("p", "11", "12"))
    done = await upsert(shop, row("p", "12", "11"))
    assert done["updated"] == 1, done
    # A variant that goes leaves its value to one that comes.
    other = {**row("p"), "variants": [variant("new", options=SMALL, attributes=[attribute("ean", "12")])]}
    assert (await upsert(shop, other))["updated"] == 1
    assert (await upsert(shop, row("q", "11")))["created"] == 1


async def test_the_types_of_another_environment_are_unknown(shop: Shop) -> None:
    done = await upsert(Shop(shop.service), row("a", "1"))
    assert done["rows"][0]["error"]["code"] == "UNKNOWN_PRODUCT_TYPE"
