"""Who changed what of a category, when: every way of changing one is written down, in the change's transaction."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contract.catalog_shop import MANAGEMENT, STOREFRONT
from contract.test_catalog_bulk import row, upsert
from contract.test_catalog_categories import CREATE, DELETE, MOVE, ORDER, RENAME, move, plant
from contract.test_catalog_history import fields
from contract.test_catalog_statements import counting
from contract.test_catalog_translations import CATEGORY_SEO, TRANSLATE_CATEGORY, set_locales
from contract.test_custom_fields import REMOVE as REMOVE_FIELD
from contract.test_custom_fields import FieldShop
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database, Transaction
from kokoa.services.catalog.audit.store import FORGET_BATCH
from kokoa.services.catalog.model import Category
from kokoa.services.catalog.service import CatalogService

ENTRY = "entries { at version kind actor { kind subject scopes } correlationId changes { field old new } }"
HISTORY = f"""query($id: ID!, $first: Int! = 20, $after: String) {{
  categoryHistory(id: $id, first: $first, after: $after) {{ cursor {ENTRY} }} }}"""
OF_CATEGORIES = f"""query($n: Int!, $first: Int! = 20, $after: String) {{ categories(limit: $n) {{
  name history(first: $first, after: $after) {{ cursor {ENTRY} }} }} }}"""
REMOVE_TEXTS = """mutation($id: ID!, $v: Int!) {
  c: removeCategoryTranslation(id: $id, version: $v, locale: "de") { version } }"""
SET_CUSTOM = """mutation($id: ID!, $v: Int!, $input: CategoryCustomInput!) {
  setCategoryCustom(id: $id, version: $v, input: $input) { version } }"""


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> FieldShop:
    return FieldShop(catalog[0])


async def history(shop: FieldShop, category_id: str) -> list[Any]:
    """The oldest first."""
    found = (await shop.data(HISTORY, id=category_id, first=100))["categoryHistory"]
    assert found["cursor"] is None
    return list(reversed(found["entries"]))


async def told(shop: FieldShop, category_id: str) -> list[tuple[str, int]]:
    return [(one["kind"], one["version"]) for one in await history(shop, category_id)]


async def test_a_change_names_its_caller_its_request_and_the_fields_with_old_and_new(shop: FieldShop) -> None:
    made = (await plant(shop, "lamps"))["lamps"]
    caller = Caller("account", "123456789012", frozenset({"management", "storefront"}))
    call = Call(shop.environment_id, caller, new_correlation_id(), now_ms() + 60_000)
    change = {"id": made, "version": 1, "name": "Lights", "slug": "lights"}
    assert not (await shop.service.subgraph.execute(RENAME, {"input": change}, call)).errors
    created, renamed = await history(shop, made)
    assert (created["kind"], created["version"], created["changes"]) == ("CREATED", 1, [])
    assert created["actor"] == {"kind": "server", "subject": "", "scopes": ["management", "storefront"]}
    assert renamed["actor"] == {"kind": "account", "subject": "123456789012", "scopes": ["management", "storefront"]}
    assert (renamed["kind"], renamed["correlationId"]) == ("RENAMED", call.correlation_id)
    assert fields(renamed) == {"name": ("Lamps", "Lights"), "slug": ("lamps", "lights"), "path": ("lamps", "lights")}
    current = (await shop.data("query($id: ID!) { category(id: $id) { version } }", id=made))["category"]
    assert renamed["version"] == current["version"]


async def test_a_category_s_life_is_told_and_after_its_end_too(shop: FieldShop) -> None:
    ids = await plant(shop, "home", "home/lamps", "home/lamps/desk", "garden")
    lamps = ids["home/lamps"]
    await shop.data(ORDER, ids=[ids["garden"], ids["home"]])
    await move(shop, lamps, ids["garden"])
    await shop.data(RENAME, input={"id": lamps, "version": 2, "name": "Lamps and lights"})
    await shop.data(DELETE, id=ids["home/lamps/desk"], version=2)
    await shop.data(DELETE, id=lamps, version=3)
    assert await told(shop, lamps) == [("CREATED", 1), ("MOVED", 2), ("RENAMED", 3), ("DELETED", 4)]
    _, moved, renamed, deleted = map(fields, await history(shop, lamps))
    assert moved == {"parentId": (ids["home"], ids["garden"]), "path": ("home/lamps", "garden/lamps")}
    assert renamed == {"name": ("Lamps", "Lamps and lights")}
    assert deleted["name"] == ("Lamps and lights", None)
    assert await told(shop, ids["home/lamps/desk"]) == [("CREATED", 1), ("FOLLOWED", 2), ("DELETED", 3)]
    followed = (await history(shop, ids["home/lamps/desk"]))[1]
    assert fields(followed) == {"path": ("home/lamps/desk", "garden/lamps/desk")}
    assert await told(shop, ids["garden"]) == [("CREATED", 1), ("ORDERED", 1)]
    assert fields((await history(shop, ids["garden"]))[1]) == {"position": ("1", "0")}


async def test_texts_and_custom_fields_are_in_the_history_each_change_once(shop: FieldShop) -> None:
    made = (await plant(shop, "lamps"))["lamps"]
    await set_locales(shop)
    await shop.define("floor", on="CATEGORY")
    await shop.define("level", on="CATEGORY")
    await shop.data(TRANSLATE_CATEGORY, id=made, v=1, locale="de", input={"name": "Lampen", "seoTitle": "Licht"})
    await shop.data(TRANSLATE_CATEGORY, id=made, v=2, locale="de", input={"name": "Leuchten", "seoTitle": "Licht"})
    await shop.data(CATEGORY_SEO, id=made, v=3, input={"title": "Lamps!", "noIndex": True})
    await shop.data(SET_CUSTOM, id=made, v=4, input={"floor": 3, "level": 4})
    await shop.data(REMOVE_TEXTS, id=made, v=5)
    await shop.data(REMOVE_FIELD, on="CATEGORY", key="floor", removeValues=True)
    entries = await history(shop, made)
    assert [(one["kind"], one["version"]) for one in entries[1:]] == [
        *(("UPDATED", version) for version in (2, 3, 4, 5, 6)),
        ("UPDATED", 6),  # a field that goes takes its values along: nobody changed the category
    ]
    assert [fields(one) for one in entries[1:]] == [
        {"translations.de.name": (None, "Lampen"), "translations.de.seoTitle": (None, "Licht")},
        {"translations.de.name": ("Lampen", "Leuchten")},
        {"seo.title": (None, "Lamps!"), "seo.noIndex": (None, "true")},
        {"custom.floor": (None, "3"), "custom.level": (None, "4")},
        {"translations.de.name": ("Leuchten", None), "translations.de.seoTitle": ("Licht", None)},
        {"custom.floor": ("3", None)},
    ]
    await shop.data(DELETE, id=made, version=6)
    assert (await told(shop, made))[-1] == ("DELETED", 7)


async def test_categories_of_an_import_and_of_a_seed_are_told(shop: FieldShop) -> None:
    await upsert(shop, row("a", category=["Light", "Lamps"]), row("b", category=["Light", "Lamps"]))
    await shop.service.actions.put_categories(shop.environment_id, [Category("beds", "Beds")])
    await shop.service.actions.put_categories(shop.environment_id, [Category("beds", "Beds and more")])
    found = {one["name"]: one["history"]["entries"] for one in (await shop.data(OF_CATEGORIES, n=10))["categories"]}
    assert [one["kind"] for one in found["Lamps"]] == ["CREATED"]
    assert found["Lamps"][0]["correlationId"] == found["Light"][0]["correlationId"]
    assert [(one["kind"], one["actor"]) for one in found["Beds and more"]] == [("RENAMED", None), ("CREATED", None)]


async def test_what_did_not_happen_is_not_told(shop: FieldShop, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await plant(shop, "lamps", "beds")
    made = ids["lamps"]
    assert await shop.code(RENAME, input={"id": made, "version": 7, "name": "Late"}) == "CATEGORY_CHANGED"
    assert await shop.code(RENAME, input={"id": made, "version": 1, "slug": "beds"}) == "ALREADY_TAKEN"
    assert await shop.code(MOVE, input={"id": made, "version": 1, "parentId": made}) == "CATEGORY_INSIDE_ITSELF"

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "emit", fail)
        assert await shop.code(RENAME, input={"id": made, "version": 1, "name": "Lost"}) == "INTERNAL"
    await shop.data(ORDER, ids=[made, ids["beds"]])  # as it is
    await upsert(shop, row("dry", category=["New"]), dryRun=True)
    assert await told(shop, made) == [("CREATED", 1)]


async def test_pages_follow_each_other_and_bad_ones_are_refused(shop: FieldShop) -> None:
    made = (await plant(shop, "lamps"))["lamps"]
    for version in range(1, 6):
        await shop.data(RENAME, input={"id": made, "version": version, "name": f"Lamps {version}"})
    seen: list[int] = []
    after = None
    for _ in range(3):
        page = (await shop.data(HISTORY, id=made, first=2, after=after))["categoryHistory"]
        (same,) = (await shop.data(OF_CATEGORIES, n=1, first=2, after=after))["categories"]
        assert same["history"] == page
        seen += [one["version"] for one in page["entries"]]
        after = page["cursor"]
    assert (seen, after) == ([6, 5, 4, 3, 2, 1], None)
    for document, more in ((HISTORY, {"id": made}), (OF_CATEGORIES, {"n": 1})):
        for wrong in ("x", "1", "1.x", "9" * 30 + ".1", "\x00"):
            assert await shop.code(document, **more, after=wrong) == "INVALID_CURSOR"
        assert await shop.code(document, **more, first=0) == "INVALID_PAGE"
        assert await shop.code(document, **more, first=101) == "INVALID_PAGE"
    assert await shop.code(HISTORY, id="7") == "INVALID_ID"


async def test_strangers_and_storefronts_read_no_history(shop: FieldShop, database: Database) -> None:
    made = (await plant(shop, "lamps"))["lamps"]
    stranger = FieldShop(shop.service)
    await plant(stranger, "lamps")
    assert await history(stranger, made) == []
    assert await history(stranger, new_id()) == []
    found = (await stranger.data(OF_CATEGORIES, n=10))["categories"]
    assert [len(one["history"]["entries"]) for one in found] == [1]
    seen = await database.fetch(stranger.environment_id, "SELECT environment_id FROM category_history WHERE $1 <> ''")
    assert {str(one[0]) for one in seen} == {stranger.environment_id}
    assert await shop.code(HISTORY, STOREFRONT, id=made) == "FORBIDDEN"
    assert await shop.code(OF_CATEGORIES, STOREFRONT, n=1) == "FORBIDDEN"


async def test_a_level_takes_one_statement_for_one_and_for_many(
    shop: FieldShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant(shop, *(f"shelf-{number}" for number in range(5)))
    counts = []
    for size in (1, 5):
        with counting(monkeypatch) as sent:
            found = (await shop.service.subgraph.execute(OF_CATEGORIES, {"n": size}, shop.call(MANAGEMENT))).data
        assert found is not None
        assert len(found["categories"]) == size
        counts.append(len(sent))
    assert counts == [2, 2]


async def test_what_is_older_than_the_retention_goes_in_batches(shop: FieldShop, database: Database) -> None:
    made = (await shop.data(CREATE, input={"name": "Lamps"}))["c"]["id"]
    old = """INSERT INTO category_history (environment_id, category_id, at, version, kind)
             SELECT $1, $2::uuid, timestamptz '2020-01-01Z' + n * interval '1 second', 1, 'UPDATED'
               FROM generate_series(1, $3::integer) n"""
    await database.execute(shop.environment_id, old, made, FORGET_BATCH + 10)
    store = shop.service.history
    moment = datetime(2021, 1, 1, tzinfo=UTC)
    assert [await store.forget_old(moment) for _ in range(3)] == [FORGET_BATCH, 10, 0]
    assert await told(shop, made) == [("CREATED", 1)]
