"""Batches of products with translations, SEO and custom fields: row by row as the single mutations would."""

import asyncio
import re
from typing import Any

import pytest

from contract.catalog_shop import STOREFRONT
from contract.plans import as_superuser, explained
from contract.test_catalog_bulk import EVENTS, UPSERT, upsert
from contract.test_catalog_history import fields, history
from contract.test_catalog_statements import counting
from contract.test_catalog_translations import set_locales
from contract.test_custom_fields import FieldShop
from kokoa.postgres import Database
from kokoa.services.catalog.bulk import store as bulk_store
from kokoa.services.catalog.service import CatalogService
from kokoa.services.catalog.translations.store import queries

READ = """query($n: Int! = 50) { products(limit: $n) { id externalReference version name
  translations { locale name description slug seoTitle seoDescription }
  ownSeo { title description canonicalPath noIndex }
  custom { months weight fragile since seen size tags extra } } }"""
CUSTOM: list[tuple[str, str, dict[str, Any]]] = [
    ("months", "INT", {}),
    ("weight", "FLOAT", {}),
    ("fragile", "BOOLEAN", {}),
    ("since", "DATE", {}),
    ("seen", "DATE_TIME", {}),
    ("size", "ENUM", {"enumValues": ["S", "M"]}),
    ("tags", "STRING", {"isList": True}),
    ("extra", "JSON", {}),
]
VALUES = {
    "months": 24,
    "weight": 1.5,
    "fragile": False,
    "since": "2026-01-31",
    "seen": "2026-01-31T12:00:00Z",
    "size": "S",
    "tags": ["a", "b"],
    "extra": {"a": [1, None]},
}


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> FieldShop:
    """With the locales en (default), de, de-CH and rm, and a field of each type."""
    return await with_fields(FieldShop(catalog[0]))


async def with_fields(shop: FieldShop) -> FieldShop:
    await set_locales(shop)
    for key, kind, more in CUSTOM:
        await shop.define(key, kind, **more)
    return shop


def values(**by_key: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in by_key.items()]


def row(reference: str, **more: Any) -> dict[str, Any]:
    return {"externalReference": reference, "name": reference.upper(), **more}


def full(reference: str) -> dict[str, Any]:
    german = {"locale": "de", "name": "Stuhl", "description": "Ein Stuhl.", "slug": f"stuhl-{reference}"}
    swiss = {"locale": "DE-ch", "name": "Stuehli", "seoTitle": "Schöne Stühle", "seoDescription": "Viele"}
    seo = {"title": "Chairs", "description": "Many", "canonicalPath": "/products/chairs", "noIndex": True}
    return row(reference, translations=[german, swiss], seo=seo, custom=values(**VALUES))


async def read(shop: FieldShop) -> dict[str, Any]:
    return {one["externalReference"]: one for one in (await shop.data(READ))["products"]}


async def failures(shop: FieldShop, *rows: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["error"]["code"], one["error"]["path"]) for one in (await upsert(shop, *rows))["rows"]]


async def test_a_row_brings_all_parts_in_one_change_and_again_changes_nothing(
    shop: FieldShop, database: Database
) -> None:
    assert (await upsert(shop, full("a"), row("b")))["created"] == 2
    found = (await read(shop))["a"]
    empty = {"name": None, "description": None, "slug": None, "seoTitle": None, "seoDescription": None}
    assert found["translations"] == [
        {**empty, "locale": "de", "name": "Stuhl", "description": "Ein Stuhl.", "slug": "stuhl-a"},
        {**empty, "locale": "de-CH", "name": "Stuehli", "seoTitle": "Schöne Stühle", "seoDescription": "Viele"},
    ]
    assert (found["ownSeo"], found["custom"]) == (full("a")["seo"], VALUES)
    assert (await read(shop))["b"]["ownSeo"] is None
    assert (await upsert(shop, full("a"), row("b")))["unchanged"] == 2
    # Of an old product too; one version, one event, one entry of its history.
    changed = await upsert(shop, {**full("b"), "name": "New"}, full("a"))
    assert [(one["status"], one["version"]) for one in changed["rows"]] == [("UPDATED", 2), ("UNCHANGED", 1)]
    told = [one["event_type"] for one in await database.fetch(shop.environment_id, EVENTS)]
    assert [kind for kind in told if kind.startswith("Product")] == [
        "ProductCreated",
        "ProductCreated",
        "ProductUpdated",
    ]
    both = await read(shop)
    assert (both["a"]["version"], both["b"]["version"]) == (1, 2)
    assert (both["b"]["custom"], both["b"]["ownSeo"]) == (VALUES, full("b")["seo"])
    assert [one["changes"] for one in await history(shop, both["a"]["id"])] == [[]]
    created, updated = await history(shop, both["b"]["id"])
    assert (created["changes"], updated["version"]) == ([], 2)
    expected = {"name", "translations.de.slug", "translations.de-CH.seoTitle", "seo.canonicalPath", "custom.months"}
    assert expected <= set(fields(updated))
    assert (await upsert(shop, {**full("b"), "name": "New"}))["unchanged"] == 1


async def test_what_a_row_does_not_name_stays_and_null_takes_away(shop: FieldShop) -> None:
    await upsert(shop, full("a"))
    change = {
        "externalReference": "a",
        "translations": [{"locale": "de", "description": None}, {"locale": "rm", "name": "Sutga"}],
        "seo": {"title": None, "noIndex": None},
        "custom": values(months=None, size="M"),
    }
    assert (await upsert(shop, change))["updated"] == 1
    found = (await read(shop))["a"]
    assert [(one["locale"], one["name"], one["description"]) for one in found["translations"]] == [
        ("de", "Stuhl", None),
        ("de-CH", "Stuehli", None),
        ("rm", "Sutga", None),
    ]
    seo = {"title": None, "description": "Many", "canonicalPath": "/products/chairs", "noIndex": False}
    assert (found["ownSeo"], found["version"]) == (seo, 2)
    assert found["custom"] == {**VALUES, "months": None, "size": "M"}
    assert (await upsert(shop, change))["unchanged"] == 1
    # A translation without any text goes.
    texts = {"name": None, "description": None, "slug": None, "seoTitle": None, "seoDescription": None}
    gone = {"externalReference": "a", "translations": [{"locale": one, **texts} for one in ("de", "de-CH", "rm")]}
    gone |= {"seo": {"description": None, "canonicalPath": None}, "custom": values(**dict.fromkeys(VALUES))}
    assert (await upsert(shop, gone))["rows"][0]["version"] == 3
    found = (await read(shop))["a"]
    assert (found["translations"], found["ownSeo"], set(found["custom"].values())) == ([], None, {None})
    assert (await upsert(shop, gone))["unchanged"] == 1
    # Nothing said is nothing changed.
    silent = {"externalReference": "a", "translations": [], "seo": {}, "custom": []}
    assert (await upsert(shop, silent, {**silent, "externalReference": "b", "name": "B"}))["unchanged"] == 1


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(shop: FieldShop) -> None:
    await upsert(shop, row("a"))
    wrong = row("c", custom=values(months="many"))
    shown = await upsert(shop, full("a"), full("b"), wrong, dryRun=True)
    assert [one["status"] for one in shown["rows"]] == ["UPDATED", "CREATED", "ERROR"]
    found = await read(shop)
    assert (list(found), found["a"]["version"], found["a"]["translations"], found["a"]["ownSeo"]) == (
        ["a"], 1, [], None,
    )  # fmt: skip


LONG = "x" * 1_000_000
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown locale": ({"translations": [{"locale": "fi", "name": "x"}]}, "UNKNOWN_LOCALE", "translations.0.locale"),
    "no locale": ({"translations": [{"locale": "\ud800", "name": "x"}]}, "INVALID_LOCALE", "translations.0.locale"),
    "prototype": ({"translations": [{"locale": "__proto__"}]}, "INVALID_LOCALE", "translations.0.locale"),
    "default locale": ({"translations": [{"locale": "en", "name": "x"}]}, "INVALID_LOCALE", "translations.0.locale"),
    "a locale twice": (
        {"translations": [{"locale": "de-CH", "name": "x"}, {"locale": "DE-ch", "name": "y"}]},
        "INVALID_TRANSLATION",
        "translations.1.locale",
    ),
    "too many locales": (
        {"translations": [{"locale": f"a{chr(97 + n % 26)}{chr(97 + n // 26)}"} for n in range(50)]},
        "INVALID_TRANSLATION",
        "translations",
    ),
    "huge name": ({"translations": [{"locale": "de", "name": LONG}]}, "INVALID_TRANSLATION", "translations.0.name"),
    "empty name": ({"translations": [{"locale": "de", "name": " "}]}, "INVALID_TRANSLATION", "translations.0.name"),
    "half a character": (
        {"translations": [{"locale": "de", "seoTitle": "\udc00"}]}, "INVALID_TRANSLATION", "translations.0.seoTitle",
    ),
    "bad slug": ({"translations": [{"locale": "de", "slug": "No"}]}, "INVALID_TRANSLATION", "translations.0.slug"),
    "taken slug": (
        {"translations": [{"locale": "rm", "name": "x"}, {"locale": "de", "slug": "stuhl-old"}]},
        "ALREADY_TAKEN",
        "translations.1.slug",
    ),
    "huge title": ({"seo": {"title": LONG}}, "INVALID_SEO", "seo.title"),
    "empty title": ({"seo": {"title": ""}}, "INVALID_SEO", "seo.title"),
    "strange path": ({"seo": {"canonicalPath": "//evil"}}, "INVALID_SEO", "seo.canonicalPath"),
    "unknown field": ({"custom": values(height=1)}, "UNKNOWN_CUSTOM_FIELD", "custom.0.key"),
    "unknown field taken away": ({"custom": values(months=1, height=None)}, "UNKNOWN_CUSTOM_FIELD", "custom.1.key"),
    "reserved": ({"custom": values(__proto__={"a": 1})}, "UNKNOWN_CUSTOM_FIELD", "custom.0.key"),
    "id": ({"custom": values(id="1")}, "UNKNOWN_CUSTOM_FIELD", "custom.0.key"),
    "half a key": ({"custom": values(**{"\ud800": 1})}, "UNKNOWN_CUSTOM_FIELD", "custom.0.key"),
    "of variants": ({"custom": values(ofVariants=1)}, "UNKNOWN_CUSTOM_FIELD", "custom.0.key"),
    "a field twice": ({"custom": [*values(months=1), *values(months=2)]}, "INVALID_CUSTOM_VALUE", "custom.1.key"),
    "text as number": ({"custom": values(months="24")}, "INVALID_CUSTOM_VALUE", "custom.months"),
    "half as number": ({"custom": values(months=1.5)}, "INVALID_CUSTOM_VALUE", "custom.months"),
    "large number": ({"custom": values(months=2**31)}, "INVALID_CUSTOM_VALUE", "custom.months"),
    "true as number": ({"custom": values(weight=True)}, "INVALID_CUSTOM_VALUE", "custom.weight"),
    "huge number": ({"custom": values(weight=10**400)}, "INVALID_CUSTOM_VALUE", "custom.weight"),
    "number as boolean": ({"custom": values(fragile=1)}, "INVALID_CUSTOM_VALUE", "custom.fragile"),
    "no day": ({"custom": values(since="2026-02-30")}, "INVALID_CUSTOM_VALUE", "custom.since"),
    "no zone": ({"custom": values(seen="2026-01-31T12:00:00")}, "INVALID_CUSTOM_VALUE", "custom.seen"),
    "no option": ({"custom": values(size="XL")}, "INVALID_CUSTOM_VALUE", "custom.size"),
    "object as option": ({"custom": values(size={"S": 1})}, "INVALID_CUSTOM_VALUE", "custom.size"),
    "no text": ({"custom": values(tags=["a", 1])}, "INVALID_CUSTOM_VALUE", "custom.tags.1"),
    "null in a list": ({"custom": values(tags=[None])}, "INVALID_CUSTOM_VALUE", "custom.tags.0"),
    "huge text": ({"custom": values(tags=[LONG])}, "INVALID_CUSTOM_VALUE", "custom.tags.0"),
    "half of a text": ({"custom": values(tags=["\ud83d"])}, "INVALID_CUSTOM_VALUE", "custom.tags.0"),
    "long list": ({"custom": values(tags=["a"] * 101)}, "INVALID_CUSTOM_VALUE", "custom.tags"),
    "half of a JSON key": ({"custom": values(extra={"\udfff": 1})}, "INVALID_CUSTOM_VALUE", "custom.extra"),
    "large JSON": ({"custom": values(extra=["x" * 4_000] * 20)}, "INVALID_CUSTOM_VALUE", "custom"),
}  # fmt: skip


async def test_a_wrong_row_fails_alone_with_its_place(shop: FieldShop) -> None:
    await shop.define("ofVariants", on="VARIANT")
    await upsert(shop, full("old"))
    wrong = [row(f"wrong {number}", **change) for number, (change, _, _) in enumerate(WRONG.values())]
    found = await upsert(shop, full("first"), *wrong, full("last"))
    assert (found["created"], found["failed"]) == (2, len(WRONG))
    for one, (case, (_, code, path)) in zip(found["rows"][1:-1], WRONG.items(), strict=True):
        assert (one["error"]["code"], one["error"]["path"]) == (code, path), case
        assert len(one["error"]["message"]) < 300, case
    assert sorted(await read(shop)) == ["first", "last", "old"]
    # What is there stays as it is.
    assert await failures(shop, {"externalReference": "old", **WRONG["large JSON"][0], "name": "Other"}) == [
        ("INVALID_CUSTOM_VALUE", "custom")
    ]
    assert (await read(shop))["old"]["name"] == "OLD"


async def test_a_deep_value_ends_no_process(shop: FieldShop) -> None:
    deep: Any = []
    for _ in range(60):
        deep = [deep]
    assert await failures(shop, row("a", custom=values(extra=deep))) == [("INVALID_CUSTOM_VALUE", "custom.extra")]


async def test_a_translated_slug_moves_when_an_earlier_row_lets_it_go(shop: FieldShop) -> None:
    def named(reference: str, slug: str | None, locale: str = "de") -> dict[str, Any]:
        return row(reference, translations=[{"locale": locale, "slug": slug}])

    await upsert(shop, named("a", "one"), named("b", "two"))
    done = await upsert(
        shop, named("a", "three"), named("b", "one"), named("c", "one"), named("d", "two"), named("e", "one", "rm")
    )
    assert [one["status"] for one in done["rows"]] == ["UPDATED", "UPDATED", "ERROR", "CREATED", "CREATED"], done
    assert done["rows"][2]["error"]["path"] == "translations.0.slug"
    done = await upsert(shop, named("a", None), named("f", "three"))
    assert [one["status"] for one in done["rows"]] == ["UPDATED", "CREATED"], done


async def test_a_required_field_is_asked_for_when_values_are_set_and_kept_when_there(shop: FieldShop) -> None:
    await upsert(shop, row("a"), row("b", custom=values(size="S")))
    await shop.define("must", required=True)
    assert await failures(shop, row("a", custom=values(size="S"))) == [("CUSTOM_VALUE_MISSING", "custom.must")]
    # An export of what has no value says so, and is no reason to fail.
    assert (await upsert(shop, row("a", custom=values(must=None, months=None))))["unchanged"] == 1
    assert (await upsert(shop, row("a", custom=values(must=1)), row("c")))["failed"] == 0
    assert await failures(shop, row("a", custom=values(must=None))) == [("CUSTOM_VALUE_MISSING", "custom.must")]


async def test_anothers_fields_and_locales_are_unknown_and_their_products_stay(shop: FieldShop) -> None:
    await upsert(shop, full("a"))
    other = FieldShop(shop.service)
    assert await failures(other, row("a", custom=values(months=1))) == [("UNKNOWN_CUSTOM_FIELD", "custom.0.key")]
    texts = [{"locale": "de", "name": "Theirs", "slug": "stuhl-a"}]
    assert await failures(other, row("a", translations=texts)) == [("UNKNOWN_LOCALE", "translations.0.locale")]
    await with_fields(other)
    assert (await upsert(other, full("a")))["created"] == 1
    assert (await upsert(other, row("a", translations=texts, seo={"title": "Theirs"}, custom=values(months=1))))[
        "updated"
    ] == 1
    found = (await read(shop))["a"]
    assert (found["version"], found["translations"][0]["name"], found["ownSeo"]["title"], found["custom"]) == (
        1, "Stuhl", "Chairs", VALUES,
    )  # fmt: skip
    assert await shop.code(UPSERT, STOREFRONT, input=[full("a")]) == "FORBIDDEN"
    assert await shop.code("{ products { ownSeo { title } } }", STOREFRONT) == "FORBIDDEN"


PARTS = ("product_translations", "locales", "product_seo", "product_custom_values", "current_revision")


async def test_parts_take_the_same_number_of_statements_at_any_size_and_none_when_there_are_none(
    shop: FieldShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for size in (2, 700):
        with counting(monkeypatch) as sent:
            for months in (1, 2):
                change = values(months=months), [{"locale": "de", "name": f"Stuhl {months}"}], {"title": f"{months}"}
                parts = dict(zip(("custom", "translations", "seo"), change, strict=True))
                rows = [row(f"{size}-{n}", **parts) for n in range(size)]
                assert (await upsert(shop, *rows))["failed"] == 0
        counts.append(len(sent))
        with counting(monkeypatch) as sent:
            await upsert(shop, *(row(f"{size}-{n}", description="New") for n in range(size)))
        assert [one for one in sent for table in PARTS if table in one] == []
        with counting(monkeypatch) as sent:
            await upsert(shop, *(row(f"{size}-{n}", seo={"title": "x"}) for n in range(size)))
        assert len([one for one in sent for table in PARTS if table in one]) == 2
    assert counts[0] == counts[1] <= 50


async def test_own_seo_is_one_statement_for_fifty_products(shop: FieldShop, monkeypatch: pytest.MonkeyPatch) -> None:
    await upsert(shop, *(row(f"{n}", seo={"noIndex": True}) for n in range(50)))
    with counting(monkeypatch) as sent:
        found = await shop.data("{ products(limit: 50) { ownSeo { title noIndex } } }")
    assert [one["ownSeo"] for one in found["products"]] == [{"title": None, "noIndex": True}] * 50
    assert len([one for one in sent if "product_seo" in one]) == 1


WAITING = """SELECT count(*) FROM pg_stat_activity
 WHERE $1::uuid IS NOT NULL AND wait_event_type = 'Lock' AND query LIKE '%locales_for_share%'"""


async def test_batches_that_meet_over_slugs_all_end_and_each_slug_is_given_once(shop: FieldShop) -> None:
    def rows(owner: str) -> list[dict[str, Any]]:
        return [row(f"{owner}-{n}", translations=[{"locale": "de", "slug": f"s-{n}"}]) for n in range(60)]

    done = await asyncio.gather(upsert(shop, *rows("a")), upsert(shop, *rows("b")[::-1]), upsert(shop, *rows("c")))
    assert sum(one["created"] for one in done) == 60
    errors = [one["error"] for each in done for one in each["rows"] if one["error"]]
    assert {(one["code"], one["path"]) for one in errors} == {("ALREADY_TAKEN", "translations.0.slug")}
    slugs = [one["slug"] for each in (await read(shop)).values() for one in each["translations"]]
    assert len(slugs) == len(set(slugs)) == 50  # the reader's page


async def test_a_locale_that_goes_while_a_batch_waits_for_it_is_unknown(shop: FieldShop, database: Database) -> None:
    """A batch waits for whoever sets locales, and does not write into one that is gone."""
    async with database.transaction(shop.environment_id) as tx:
        await tx.execute("DELETE FROM locales WHERE environment_id = $1 AND locale = 'rm'")
        texts = [{"locale": "rm", "name": "Sutga"}]
        batch = asyncio.create_task(failures(shop, row("a", translations=texts)))
        deadline = asyncio.get_running_loop().time() + 30
        while not await database.fetchval(shop.environment_id, WAITING):
            assert asyncio.get_running_loop().time() < deadline
            assert not batch.done()
    assert await batch == [("UNKNOWN_LOCALE", "translations.0.locale")]


@pytest.mark.parametrize("known", ["nothing", "other stores alone"])
async def test_what_a_batch_names_is_looked_up_by_key_also_before_there_are_statistics(
    shop: FieldShop, database: Database, postgres: str, known: str
) -> None:
    """A plan made for a store that PostgreSQL has not counted would take any index of it, and read all of that."""
    tables = ("products", "variants", "product_translations")
    async with as_superuser(database, postgres) as admin:
        for table in tables:
            await admin.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            await admin.execute("DELETE FROM pg_statistic WHERE starelid = $1::text::regclass", table)
        if known == "other stores alone":
            await many(await with_fields(FieldShop(shop.service)))
            for table in tables:
                await admin.execute(f"ANALYZE {table}")
        ids = [one["id"] for one in (await many(shop))[:100]]
        locales, numbers = ["de"] * 100, range(100)
        slugs, skus, translated = ([f"{letter}-{n}" for n in numbers] for letter in "skx")
        of_bulk = bulk_store.queries
        for statement, arguments, index in (
            (queries.translations_to_change, (ids, locales), "product_translations_pkey"),
            (queries.translated_slug_owners, (locales, translated), "product_translations_slug"),
            (of_bulk.variants_of_products, (ids,), "variants_of_product"),
            (of_bulk.slug_owners, (slugs,), "products_slug"),
            (of_bulk.sku_owners, (skus,), "variants_sku"),
            (of_bulk.lock_products, (numbers,), "products_external_reference"),
            (of_bulk.any_known, (numbers,), "products_external_reference"),
        ):
            plan = await explained(admin, database, shop.environment_id, statement, *arguments)
            assert index in plan, plan
            removed = [int(count) for count in re.findall(r"Rows Removed by [A-Z].*?: (\d+)", plan)]
            assert sum(removed) < 100, plan


async def many(shop: FieldShop) -> Any:
    """1,500 products with a German name and a variant each; the rows of the answers."""
    made = []
    for start in (0, 500, 1_000):
        rows = [
            row(
                f"{n}",
                translations=[{"locale": "de", "name": "x", "slug": f"x-{n}"}],
                slug=f"s-{n}",
                variants=[{"sku": f"k-{n}", "priceMinor": 100, "currency": "EUR"}],
            )
            for n in range(start, start + 500)
        ]
        made += (await upsert(shop, *rows))["rows"]
    return made
