"""Texts in other locales, and what is said to search engines: reading with fallback, changing, bounds and walls."""

import asyncio
from typing import Any

import pytest

from contract.catalog_shop import STOREFRONT, Shop
from contract.test_catalog_statements import counting
from contract.test_catalog_status import Store
from kokoa.kernel.ids import new_correlation_id
from kokoa.postgres import Database
from kokoa.services.catalog.model import NewProduct
from kokoa.services.catalog.service import CatalogService
from kokoa.services.search.service import SearchService

SET = """mutation($default: String!, $locales: [LocaleInput!]!) {
  setLocales(input: {default: $default, locales: $locales}) { code isDefault fallback chain } }"""
TRANSLATE = """mutation($id: ID!, $v: Int!, $locale: String!, $input: ProductTranslationInput!) {
  p: translateProduct(id: $id, version: $v, locale: $locale, input: $input) { version } }"""
REMOVE = """mutation($id: ID!, $v: Int!, $locale: String!) {
  p: removeProductTranslation(id: $id, version: $v, locale: $locale) { version } }"""
SEO = """mutation($id: ID!, $v: Int!, $input: SeoInput!) {
  p: setProductSeo(id: $id, version: $v, input: $input) { version seo { title } } }"""
TRANSLATE_CATEGORY = """mutation($id: ID!, $v: Int!, $locale: String!, $input: CategoryTranslationInput!) {
  c: translateCategory(id: $id, version: $v, locale: $locale, input: $input) { version } }"""
CATEGORY_SEO = """mutation($id: ID!, $v: Int!, $input: SeoInput!) {
  c: setCategorySeo(id: $id, version: $v, input: $input) { version } }"""
LOCALIZED = """query($id: ID, $locale: String!) { product(id: $id) {
  localized(locale: $locale) { locale name nameLocale description slug }
  translation(locale: $locale) { locale name description } } }"""
BY_SLUG = "query($slug: String!, $locale: String!) { p: localizedProduct(slug: $slug, locale: $locale) { id } }"
OUTBOX = "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"
GERMAN = {"name": "Stuhl", "description": "Ein Stuhl.", "slug": "stuhl"}


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    shop = Shop(catalog[0])
    await set_locales(shop)
    return shop


async def set_locales(shop: Shop) -> None:
    await shop.data(
        SET, default="en", locales=[{"code": "de"}, {"code": "de-ch"}, {"code": "rm", "fallback": "de-CH"}]
    )


async def translated(shop: Shop, product: Any, locale: str, version: int = 1, **texts: str) -> int:
    changed = await shop.data(TRANSLATE, id=product["id"], v=version, locale=locale, input=texts)
    version_then: int = changed["p"]["version"]
    return version_then


async def test_locales_are_set_as_a_whole_and_again_is_no_change(shop: Shop, database: Database) -> None:
    found = (await shop.data("{ locales { code isDefault fallback chain } }", STOREFRONT))["locales"]
    assert [one["code"] for one in found] == ["en", "de", "de-CH", "rm"]
    assert found[0] == {"code": "en", "isDefault": True, "fallback": None, "chain": ()}
    assert found[3] == {"code": "rm", "isDefault": False, "fallback": "de-CH", "chain": ("rm", "de-CH", "de")}
    await set_locales(shop)
    assert [row["event_type"] for row in await database.fetch(shop.environment_id, OUTBOX)] == ["LocalesChanged"]
    await shop.data(SET, default="de", locales=[{"code": "en"}])
    assert (await shop.data("{ locales { code isDefault } }"))["locales"] == [
        {"code": "de", "isDefault": True},
        {"code": "en", "isDefault": False},
    ]


async def test_a_locale_with_translations_stays(shop: Shop) -> None:
    product = await shop.create("Chair")
    version = await translated(shop, product, "de", name="Stuhl")
    for default, locales in (("en", [{"code": "rm"}]), ("de", [{"code": "en"}])):
        assert await shop.code(SET, default=default, locales=locales) == "LOCALE_IN_USE"
    assert await shop.code(SET, default="en", locales=[{"code": "de", "fallback": "nl"}]) == "INVALID_LOCALES"
    assert len((await shop.data("{ locales { code } }"))["locales"]) == 4
    await shop.data(REMOVE, id=product["id"], v=version, locale="de")
    await shop.data(SET, default="en", locales=[{"code": "rm"}])


BEGUN = "SELECT 1 FROM locales WHERE environment_id = $1 AND locale = 'de' FOR KEY SHARE"
PUT = "INSERT INTO product_translations (environment_id, product_id, locale, name) VALUES ($1, $2, 'de', 'Stuhl')"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity)"


async def test_a_locale_stays_when_somebody_translates_into_it_right_now(shop: Shop, database: Database) -> None:
    product = await shop.create("Chair")
    async with database.transaction(shop.environment_id) as tx:
        await tx.fetchval(BEGUN)
        await tx.execute(PUT, product["id"])
        removing = asyncio.create_task(shop.code(SET, default="en", locales=[{"code": "rm"}]))
        async with asyncio.timeout(30):
            while not (await database.fetch_anywhere(WAITING))[0]["count"]:
                await asyncio.sleep(0.01)
    assert await removing == "LOCALE_IN_USE"
    assert len((await shop.data("{ locales { code } }"))["locales"]) == 4


async def test_texts_fall_back_each_on_its_own_and_the_exact_translation_does_not(shop: Shop) -> None:
    product = await shop.create("Chair", description="A chair.")
    version = await translated(shop, product, "de", **GERMAN)
    await translated(shop, product, "de-CH", version, description="Ein Stuhl, gell.")
    found = (await shop.data(LOCALIZED, STOREFRONT, id=product["id"], locale="DE-ch"))["product"]
    assert found["localized"] == {
        "locale": "de-CH",
        "name": "Stuhl",
        "nameLocale": "de",
        "description": "Ein Stuhl, gell.",
        "slug": "stuhl",
    }
    assert found["translation"] == {"locale": "de-CH", "name": None, "description": "Ein Stuhl, gell."}
    for locale, chosen, name in (
        ("rm", "rm", "Stuhl"),
        ("de-AT", "de", "Stuhl"),
        ("fr", None, "Chair"),
        ("en", "en", "Chair"),
    ):
        found = (await shop.data(LOCALIZED, STOREFRONT, id=product["id"], locale=locale))["product"]
        assert (found["localized"]["locale"], found["localized"]["name"]) == (chosen, name)
        assert found["translation"] is None
    assert await shop.code(LOCALIZED, id=product["id"], locale="de_CH") == "INVALID_LOCALE"
    every = await shop.data("query($id: ID) { product(id: $id) { name translations { locale } } }", id=product["id"])
    assert every["product"] == {"name": "Chair", "translations": [{"locale": "de"}, {"locale": "de-CH"}]}


async def test_without_locales_all_texts_are_the_products_own(catalog: tuple[CatalogService, Database]) -> None:
    shop = Shop(catalog[0])
    product = await shop.create("Chair")
    found = (await shop.data(LOCALIZED, STOREFRONT, id=product["id"], locale="de"))["product"]
    assert found["localized"] == {
        "locale": None,
        "name": "Chair",
        "nameLocale": None,
        "description": "",
        "slug": "chair",
    }
    assert await shop.code(TRANSLATE, id=product["id"], v=1, locale="de", input=GERMAN) == "LOCALE_NOT_FOUND"


async def test_a_translation_is_a_change_of_the_product_and_again_is_none(shop: Shop, database: Database) -> None:
    product = await shop.create("Chair")
    assert await translated(shop, product, "de", **GERMAN) == 2
    assert await translated(shop, product, "de", **GERMAN) == 2  # again, as after a lost answer
    wanted = {"id": product["id"], "locale": "de"}
    assert await shop.code(TRANSLATE, **wanted, v=1, input={"name": "Sessel"}) == "PRODUCT_CHANGED"
    assert await translated(shop, product, "de", 2, name="Sessel") == 3
    found = (await shop.data(LOCALIZED, id=product["id"], locale="de"))["product"]
    assert (found["localized"]["name"], found["localized"]["description"]) == ("Sessel", "")  # replaced as a whole
    assert (await shop.data(REMOVE, **wanted, v=3))["p"]["version"] == 4
    assert (await shop.data(REMOVE, **wanted, v=3))["p"]["version"] == 4
    told = [row["event_type"] for row in await database.fetch(shop.environment_id, OUTBOX)]
    assert told == ["LocalesChanged", "ProductCreated", *["ProductUpdated"] * 3]


async def test_a_translated_slug_is_unique_in_its_locale_and_finds_the_product(shop: Shop) -> None:
    chair, stool = await shop.create("Chair"), await shop.create("Stool")
    await translated(shop, chair, "de", **GERMAN)
    taken = {"id": stool["id"], "v": 1, "locale": "de", "input": {"slug": "stuhl"}}
    assert await shop.code(TRANSLATE, **taken) == "ALREADY_TAKEN"
    assert await translated(shop, stool, "rm", slug="stuhl") == 2
    for slug, locale, wanted in (
        ("stuhl", "de", chair["id"]),
        ("stuhl", "de-CH", chair["id"]),
        ("stuhl", "rm", stool["id"]),
        ("chair", "de", chair["id"]),
        ("stuhl", "fr", None),
        ("nothing", "de", None),
    ):
        found = (await shop.data(BY_SLUG, STOREFRONT, slug=slug, locale=locale))["p"]
        assert (found and found["id"]) == wanted, (slug, locale)
    assert await shop.code(BY_SLUG, slug="a\x00", locale="de") == "INVALID_TEXT"
    draft = await shop.create("Draft", status="DRAFT")
    await translated(shop, draft, "de-CH", slug="chair")
    assert (await shop.data(BY_SLUG, STOREFRONT, slug="chair", locale="de-CH"))["p"]["id"] == chair["id"]
    assert (await shop.data(BY_SLUG, slug="chair", locale="de-CH"))["p"]["id"] == draft["id"]


async def test_the_default_locale_and_bad_texts_are_refused_and_change_nothing(shop: Shop) -> None:
    product = await shop.create("Chair")
    wanted = {"id": product["id"], "v": 1}
    assert await shop.code(TRANSLATE, **wanted, locale="en", input=GERMAN) == "INVALID_LOCALE"
    assert await shop.code(TRANSLATE, **wanted, locale="nl", input=GERMAN) == "LOCALE_NOT_FOUND"
    for texts in ({}, {"name": ""}, {"name": "a\x00"}, {"slug": "A B"}, {"seoTitle": "x" * 201}):
        assert await shop.code(TRANSLATE, **wanted, locale="de", input=texts) == "INVALID_TRANSLATION"
    for seo in ({"title": " "}, {"description": "x" * 501}, {"canonicalPath": "https://evil.example/"}):
        assert await shop.code(SEO, **wanted, input=seo) == "INVALID_SEO"
    found = await shop.data(
        "query($id: ID) { product(id: $id) { version translations { locale } } }", id=product["id"]
    )
    assert found["product"] == {"version": 1, "translations": []}


async def test_neither_storefronts_nor_others_change_or_see_texts(shop: Shop) -> None:
    product = await shop.create("Chair", status="DRAFT")
    await translated(shop, product, "de", **GERMAN)
    other = Shop(shop.service)
    await set_locales(other)
    for document, more in (
        (TRANSLATE, {"locale": "de", "input": GERMAN}),
        (REMOVE, {"locale": "de"}),
        (SEO, {"input": {"title": "x"}}),
    ):
        wanted = {"id": product["id"], "v": 2, **more}
        assert await shop.code(document, STOREFRONT, **wanted) == "FORBIDDEN"
        assert await other.code(document, **wanted) == "PRODUCT_NOT_FOUND"
    assert await shop.code(SET, STOREFRONT, default="fr", locales=[]) == "FORBIDDEN"
    assert (await shop.data(LOCALIZED, STOREFRONT, id=product["id"], locale="de"))["product"] is None
    assert (await shop.data(BY_SLUG, STOREFRONT, slug="stuhl", locale="de"))["p"] is None
    assert (await other.data(BY_SLUG, slug="stuhl", locale="de"))["p"] is None


async def test_a_deleted_product_takes_its_texts_along(shop: Shop) -> None:
    product = await shop.create("Chair")
    version = await translated(shop, product, "de", **GERMAN)
    version = (await shop.data(SEO, id=product["id"], v=version, input={"title": "Buy"}))["p"]["version"]
    await shop.data(
        "mutation($id: ID!, $v: Int!) { deleteProduct(id: $id, version: $v) }", id=product["id"], v=version
    )
    stool = await shop.create("Stool")
    assert await translated(shop, stool, "de", slug="stuhl") == 2


SHOWN = (
    "query($id: ID, $l: String) { product(id: $id) { seo(locale: $l) { title description canonicalPath noIndex } } }"
)


async def test_seo_is_derived_set_and_translated(shop: Shop) -> None:
    product = await shop.create("Chair", description="<p>Solid oak.</p>")
    derived = {"title": "Chair", "description": "Solid oak.", "canonicalPath": None, "noIndex": False}
    assert (await shop.data(SHOWN, STOREFRONT, id=product["id"]))["product"]["seo"] == derived
    wanted = {"title": "Buy a chair", "canonicalPath": "/chairs", "noIndex": True}
    changed = (await shop.data(SEO, id=product["id"], v=1, input=wanted))["p"]
    assert changed == {"version": 2, "seo": {"title": "Buy a chair"}}
    assert (await shop.data(SEO, id=product["id"], v=1, input=wanted))["p"]["version"] == 2
    assert await shop.code(SEO, id=product["id"], v=1, input={}) == "PRODUCT_CHANGED"
    version = await translated(shop, product, "de", 2, name="Stuhl", seoDescription="Stühle kaufen")
    german = {"title": "Stuhl", "description": "Stühle kaufen", "canonicalPath": "/chairs", "noIndex": True}
    assert (await shop.data(SHOWN, STOREFRONT, id=product["id"], l="de-AT"))["product"]["seo"] == german
    english = {**wanted, "description": "Solid oak."}
    assert (await shop.data(SHOWN, STOREFRONT, id=product["id"], l="fr"))["product"]["seo"] == english
    assert (await shop.data(SEO, id=product["id"], v=version, input={}))["p"]["seo"] == {"title": "Chair"}


async def test_categories_have_translations_and_seo_too(shop: Shop, database: Database) -> None:
    create = 'mutation { c: createCategory(input: {name: "Chairs"}) { id } }'
    category = (await shop.data(create))["c"]["id"]
    texts = {"name": "Stühle", "seoTitle": "Stühle kaufen"}
    wanted = {"id": category, "locale": "de", "input": texts}
    assert (await shop.data(TRANSLATE_CATEGORY, **wanted, v=1))["c"]["version"] == 2
    assert (await shop.data(TRANSLATE_CATEGORY, **wanted, v=1))["c"]["version"] == 2
    assert await shop.code(TRANSLATE_CATEGORY, **{**wanted, "input": {"name": "x"}}, v=1) == "CATEGORY_CHANGED"
    assert await shop.code(TRANSLATE_CATEGORY, STOREFRONT, **wanted, v=2) == "FORBIDDEN"
    other = Shop(shop.service)
    assert await other.code(TRANSLATE_CATEGORY, **wanted, v=2) == "CATEGORY_NOT_FOUND"
    seo = {"id": category, "v": 2, "input": {"description": "Chairs of oak", "noIndex": True}}
    assert (await shop.data(CATEGORY_SEO, **seo))["c"]["version"] == 3
    query = """query($id: ID) { category(id: $id) { name localized(locale: "de-CH") { name nameLocale }
        translation(locale: "de") { name seoTitle } seo(locale: "de") { title description noIndex } } }"""
    assert (await shop.data(query, STOREFRONT, id=category))["category"] == {
        "name": "Chairs",
        "localized": {"name": "Stühle", "nameLocale": "de"},
        "translation": texts,
        "seo": {"title": "Stühle kaufen", "description": "Chairs of oak", "noIndex": True},
    }
    told = [row["event_type"] for row in await database.fetch(shop.environment_id, OUTBOX)]
    assert told == ["LocalesChanged", "CategoryCreated", *["CategoryTextsChanged"] * 2]
    remove = """mutation($id: ID!) { c: removeCategoryTranslation(id: $id, version: 3, locale: "de") {
        version translations { locale } } }"""
    assert (await shop.data(remove, id=category))["c"] == {"version": 4, "translations": []}
    await shop.data("mutation($id: ID!) { deleteCategory(id: $id, version: 4) }", id=category)


async def test_a_product_is_found_by_its_name_in_every_locale(shop: Shop, search_index: SearchService) -> None:
    chair, draft = await shop.create("Chair"), await shop.create("Stool", status="DRAFT")
    version = await translated(shop, chair, "de", name="Armlehnstuhl")
    await translated(shop, draft, "de", name="Barhocker")
    store = Store(shop, search_index)
    await store.index(chair["id"], draft["id"])
    for words, wanted in (("armlehnstuhl", [chair["id"]]), ("chair", [chair["id"]]), ("barhocker", [])):
        found = await store.get("Search", f"q={words}", STOREFRONT)
        assert [one["id"] for one in found["items"]] == wanted, words
    await shop.data(REMOVE, id=chair["id"], v=version, locale="de")
    await store.index(chair["id"])
    assert (await store.get("Search", "q=armlehnstuhl", STOREFRONT))["items"] == []


READS = {
    "plain": ("id name slug description variants { sku }", 2),
    "localized": ('localized(locale: "de-CH") { name slug }', 2),
    "exact": ('translation(locale: "de") { name }', 2),
    "all translations": ("translations { locale name }", 2),
    "seo": ('seo(locale: "de") { title description }', 2),
    "seo of the default": ("seo { title description }", 2),
}


@pytest.mark.parametrize("name", READS)
async def test_texts_take_one_statement_for_fifty_products_as_for_one(
    shop: Shop, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [NewProduct(f"Thing {n}", f"thing-{n}", "A thing.", None, None, ()) for n in range(50)]
    await shop.service.actions.create_products(shop.environment_id, new, correlation_id=new_correlation_id())
    fields, most = READS[name]
    counts = []
    for size in (1, 50):
        with counting(monkeypatch) as sent:
            found = await shop.data(f"query($n: Int!) {{ products(limit: $n) {{ {fields} }} }}", STOREFRONT, n=size)
        assert len(found["products"]) == size
        counts.append(len(sent))
    assert counts == [most, most]
