"""Types, attributes, options, texts, pictures and custom values are in a product's history, each change once."""

from typing import Any

import pytest

from contract.pictures import halves
from contract.test_catalog_bulk import upsert
from contract.test_catalog_history import fields, history
from contract.test_catalog_media import ALT, DELETE, ORDER, Studio
from contract.test_catalog_translations import REMOVE, SEO, TRANSLATE, set_locales
from contract.test_custom_fields import REMOVE as REMOVE_FIELD
from contract.test_custom_fields import FieldShop, setting
from contract.test_custom_fields_bulk import SET_MANY
from contract.test_product_attributes import UPDATE, attribute, variant
from contract.test_product_types import UPDATE_TYPE, create_type
from kokoa.postgres import Database
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import CatalogService

ADD_VARIANT = "mutation($input: AddVariantInput!) { addVariant(input: $input) { product { version } } }"
DEFINITIONS: list[dict[str, Any]] = [
    {"key": "max_power", "name": "Power", "type": "NUMBER"},
    {"key": "material", "name": "Material", "type": "TEXT"},
    {"key": "rooms", "name": "Rooms", "type": "TEXT", "list": True},
    {"key": "ean", "name": "EAN", "type": "TEXT", "level": "VARIANT"},
]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> FieldShop:
    return FieldShop(catalog[0])


async def changes(shop: FieldShop, product_id: str) -> list[Any]:
    """Fields of all entries after the first; a change is one entry with its own version."""
    entries = await history(shop, product_id)
    assert [one["version"] for one in entries] == list(range(1, len(entries) + 1))
    assert entries[0]["changes"] == []
    return [fields(one) for one in entries[1:]]


async def test_types_attributes_and_options_are_told_by_key(shop: FieldShop) -> None:
    kind = await create_type(shop, "lamp", DEFINITIONS)
    await create_type(shop, "light", [*DEFINITIONS])
    made = (await shop.create("Lamp", externalReference="erp-lamp"))["id"]

    async def update(version: int, **change: Any) -> None:
        await shop.data(UPDATE, input={"id": made, "version": version, **change})

    await update(1, productType="lamp", attributes=[attribute("max_power", "40.5"), attribute("rooms", ["hall"])])
    await update(2, attributes=[attribute("max_power", 60), attribute("rooms", None), attribute("material", "oak")])
    size = {"key": "si.ze", "name": "Size", "values": ["S", "M", "L"]}
    chosen = [[{"key": "si.ze", "value": value}] for value in "SML"]
    variants = [variant(f"Lamp-{n}", options=chosen[n - 1]) for n in (1, 2)]
    variants[0] |= {"attributes": [attribute("ean", "7")], "weightGrams": 300, "externalReference": "erp-1"}
    await upsert(shop, {"externalReference": "erp-lamp", "version": 3, "options": [size], "variants": variants})
    added = variant("Lamp-3", productId=made, version=4, options=chosen[2], attributes=[attribute("ean", "9")])
    await shop.data(ADD_VARIANT, input=added)
    await update(5, productType="light")
    typed, valued, optional, grown, retyped = await changes(shop, made)
    assert typed == {
        "productType": (None, "lamp"),
        "attributes.max_power": (None, "40.5"),
        "attributes.rooms": (None, '["hall"]'),
    }
    assert valued == {
        "attributes.max_power": ("40.5", "60"),
        "attributes.rooms": ('["hall"]', None),
        "attributes.material": (None, "oak"),
    }
    assert optional["options"][0] is None
    assert optional["variants.Lamp-1.options.si.ze"] == (None, "S")
    assert optional["variants.Lamp-2.options.si.ze"] == (None, "M")
    assert optional["variants.Lamp-1.attributes.ean"] == (None, "7")
    assert optional["variants.Lamp-1.weightGrams"] == (None, "300")
    assert optional["variants.Lamp-1.externalReference"] == (None, "erp-1")
    assert grown["variants.Lamp-3.attributes.ean"] == (None, "9")
    assert grown["variants.Lamp-3.options.si.ze"] == (None, "L")
    assert retyped == {"productType": ("lamp", "light")}
    await shop.data(UPDATE_TYPE, input={"id": kind["id"], "version": 1, "name": "Lamps", "attributes": DEFINITIONS})
    assert len(await history(shop, made)) == 6


async def test_what_a_type_takes_away_is_told_of_a_product_that_nobody_changed_before(shop: FieldShop) -> None:
    kind = await create_type(shop, "lamp", DEFINITIONS)
    made = (await shop.create("Lamp", productType="lamp", attributes=[attribute("material", "oak")]))["id"]
    change = {"id": kind["id"], "version": 1, "attributes": DEFINITIONS[2:], "removeValues": True}
    await shop.data(UPDATE_TYPE, input=change)
    assert await changes(shop, made) == [{"attributes.material": ("oak", None)}]


async def test_translations_and_seo_are_told_by_locale(shop: FieldShop) -> None:
    await set_locales(shop)
    made = (await shop.create("Chair"))["id"]
    await shop.data(TRANSLATE, id=made, v=1, locale="de", input={"name": "Stuhl", "seoTitle": "Ein Stuhl"})
    await shop.data(TRANSLATE, id=made, v=2, locale="de", input={"name": "Sessel"})
    await shop.data(REMOVE, id=made, v=3, locale="de")
    await shop.data(SEO, id=made, v=4, input={"title": "Chairs", "noIndex": False})
    await shop.data(SEO, id=made, v=5, input={"title": "Good chairs", "noIndex": True})
    translated, renamed, removed, described, hidden = await changes(shop, made)
    assert translated == {"translations.de.name": (None, "Stuhl"), "translations.de.seoTitle": (None, "Ein Stuhl")}
    assert renamed["translations.de.name"] == ("Stuhl", "Sessel")
    assert removed["translations.de.name"] == ("Sessel", None)
    assert described["seo.title"] == (None, "Chairs")
    assert hidden == {"seo.title": ("Chairs", "Good chairs"), "seo.noIndex": ("false", "true")}


async def test_pictures_are_told_by_id(shop: FieldShop, media_objects: MediaObjects) -> None:
    studio = Studio(shop, media_objects)
    product = await shop.create("Chair")
    made = product["id"]
    first = (await studio.add(product, halves("PNG"), alt="Front", version=1))["id"]
    second = (await studio.add(product, halves("JPEG"), alt="Back", version=2))["id"]
    await shop.data(ALT, id=first, v=3, alt="The front")
    await shop.data(ORDER, id=made, v=4, ids=[second, first])
    await shop.data(DELETE, id=second, v=5)
    added, _, described, ordered, deleted = await changes(shop, made)
    assert added[f"media.{first}.alt"] == (None, "Front")
    assert added[f"media.{first}.width"] == (None, "40")
    assert added.keys() == {f"media.{first}.{name}" for name in ("alt", "contentHash", "height", "position", "width")}
    assert described == {f"media.{first}.alt": ("Front", "The front")}
    assert ordered == {f"media.{first}.position": ("0", "1"), f"media.{second}.position": ("1", "0")}
    assert deleted[f"media.{second}.alt"] == ("Back", None)


async def test_custom_values_are_told_by_the_keys_of_their_fields(shop: FieldShop) -> None:
    await shop.define("months")
    await shop.define("care_text", "STRING")
    await shop.define("drawer", "STRING", on="VARIANT")
    made = (await shop.create("Lamp", externalReference="ref-a"))["id"]
    await shop.data(setting("months"), id=made, version=1, input={"months": 12, "care_text": "dry"})
    row = {"externalReference": "ref-a", "custom": {"months": 24}}
    assert (await shop.data(SET_MANY, input=[row]))["bulkSetProductCustom"]["updated"] == 1
    found = await shop.data("query($id: ID!) { product(id: $id) { variants { id } } }", id=made)
    of_variant = (
        'mutation($id: ID!, $v: Int!) { p: setVariantCustom(id: $id, version: $v, input: {drawer: "7b"}) { id } }'
    )
    await shop.data(of_variant, id=found["product"]["variants"][0]["id"], v=3)
    custom, many, stored = await changes(shop, made)
    assert custom == {"custom.months": (None, "12"), "custom.care_text": (None, "dry")}
    assert many == {"custom.months": ("12", "24")}
    assert stored == {"variants.Lamp-1.custom.drawer": (None, "7b")}


async def test_a_field_that_goes_with_its_values_is_told_by_its_key(shop: FieldShop) -> None:
    """The product keeps its version: nobody changed the product."""
    await shop.define("months")
    made = (await shop.create("Lamp"))["id"]
    await shop.data(setting("months"), id=made, version=1, input={"months": 12})
    await shop.data(REMOVE_FIELD, on="PRODUCT", key="months", removeValues=True)
    last = (await history(shop, made))[-1]
    assert (last["version"], fields(last)) == (2, {"custom.months": ("12", None)})


async def test_parts_of_new_products_are_no_changes_and_an_import_again_is_none(shop: FieldShop) -> None:
    await create_type(shop, "lamp", DEFINITIONS)

    def row(reference: str, power: int) -> dict[str, Any]:
        sold = variant(f"{reference}-1", attributes=[attribute("ean", reference)])
        values = [attribute("max_power", power)]
        given = {"externalReference": reference, "name": reference, "productType": "lamp", "attributes": values}
        return {**given, "variants": [sold]}

    made = [one["id"] for one in (await upsert(shop, row("a", 40), row("b", 40)))["rows"]]
    await upsert(shop, row("a", 40), row("b", 40))
    await upsert(shop, row("a", 60), row("b", 40))
    assert await changes(shop, made[0]) == [{"attributes.max_power": ("40", "60")}]
    assert await changes(shop, made[1]) == []


async def test_what_nobody_changed_is_no_entry_and_strangers_read_none(shop: FieldShop) -> None:
    await set_locales(shop)
    made = (await shop.create("Chair"))["id"]
    for _ in range(2):
        await shop.data(TRANSLATE, id=made, v=1, locale="de", input={"name": "Stuhl"})
    assert await changes(shop, made) == [{"translations.de.name": (None, "Stuhl")}]
    assert await history(FieldShop(shop.service), made) == []
    stranger = FieldShop(shop.service)
    assert await stranger.code(TRANSLATE, id=made, v=2, locale="de", input={"name": "x"}) != ""
    assert len(await history(shop, made)) == 2
