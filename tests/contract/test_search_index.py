"""The search index on a real server: what is found in which order, isolation, versions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import kokoa.services.search as search
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.search.model import (
    Boost,
    CategoryCount,
    Document,
    Facets,
    Filter,
    PriceBand,
    Search,
    Sort,
    Synonym,
)
from kokoa.services.search.store import SearchStore
from servers import ConnectService

FOLDER = Path(search.__file__).parent / "migrations"


@pytest.fixture
async def database(connect_service: ConnectService) -> Database:
    return await connect_service("search", FOLDER)


def lamp(name: str = "Brass lamp", version: int = 1, product_id: str | None = None) -> Document:
    return Document(product_id or new_id(), version, name, "LMP-1", "Lighting", "Warm light for a desk")


async def test_words_prefix_and_category_find_a_product(database: Database) -> None:
    store, environment, document = SearchStore(database), new_id(), lamp()
    await store.put(environment, [document], [])
    for q in ("lamp", "lamps", "bras", "brass la", "lighting", "desk lamp", "LMP-1"):
        page = await store.search(environment, Search(q, 10))
        assert page.product_ids == [document.product_id], q
    for q in ("lamp\0", "brass lamp\ud800", "\0 LAMP"):
        assert (await store.search(environment, Search(q, 10))).product_ids == [document.product_id], q
    for q in ("sofa", "brass sofa", "&|!", "\0", "'; DROP TABLE documents; --"):
        assert (await store.search(environment, Search(q, 10))).total == 0, q


async def test_another_environment_finds_nothing(database: Database) -> None:
    store = SearchStore(database)
    await store.put(new_id(), [lamp()], [])
    assert (await store.search(new_id(), Search("lamp"))).total == 0


async def test_an_older_version_changes_nothing_and_a_page_beyond_the_end_has_the_total(database: Database) -> None:
    store, environment, product_id = SearchStore(database), new_id(), new_id()
    await store.put(environment, [lamp("Copper lamp", 2, product_id)], [])
    await store.put(environment, [lamp("Iron lamp", 1, product_id)], [])
    assert (await store.search(environment, Search("copper"))).total == 1
    assert (await store.search(environment, Search("iron"))).total == 0
    beyond = await store.search(environment, Search("lamp", 10, 5))
    assert (beyond.total, beyond.product_ids) == (1, [])
    await store.put(environment, [], [product_id])
    assert (await store.search(environment, Search("lamp"))).total == 0


@pytest.mark.parametrize("boosted", [False, True])
@pytest.mark.parametrize("named", [20, 400])
async def test_pages_of_more_than_are_ranked_show_everything_once(
    database: Database, boosted: bool, named: int
) -> None:
    store, environment = SearchStore(database), new_id()
    documents = [
        Document(new_id(), 1, f"Lamp {number}" if number < named else f"Shade {number}", "", "", "for a lamp")
        for number in range(650)
    ]
    await store.put(environment, documents, [])
    if boosted:
        await store.put_boost(environment, Boost(documents[-1].product_id, None, 9))
    found: list[str] = []
    for offset in range(0, 700, 70):
        page = await store.search(environment, Search("lamp", 70, offset))
        assert page.total == 650
        found += page.product_ids
    assert len(found) == 650
    assert set(found) == {document.product_id for document in documents}
    in_names = {document.product_id for document in documents[:named]}
    assert in_names.issuperset(set(found[: min(named, 100)]) - {documents[-1].product_id})
    assert (found[0] == documents[-1].product_id) is boosted


@pytest.mark.parametrize("named", [0, 400])
@pytest.mark.parametrize("boosted", [False, True])
async def test_the_product_whose_name_is_typed_comes_first_however_many_fit(
    database: Database, boosted: bool, named: int
) -> None:
    store, environment = SearchStore(database), new_id()
    documents = [
        Document(
            new_id(), 1, f"Oak desk {number}" if number < named else f"Shelf {number}", "", "", "beside an oak desk"
        )
        for number in range(450)
    ]
    own = [shelved("Oak desk", "desks", "EUR", price) for price in (100, 200)]
    await store.put(environment, [*documents, *own], [])
    if boosted:
        await store.put_boost(environment, Boost(documents[7].product_id, None, 9))
    found: list[str] = []
    for offset in range(0, 500, 50):
        found += (await store.search(environment, Search("  Oak Desk ", 50, offset))).product_ids
    assert len(found) == len(set(found)) == 452
    assert found[boosted : 2 + boosted] == sorted(one.product_id for one in own)
    assert (found[0] == documents[7].product_id) is boosted
    cheap = await store.search(environment, Search("oak desk", filter=Filter("desks", "EUR", None, 150)))
    assert cheap.product_ids == [own[0].product_id]


@pytest.mark.parametrize("many", [600, 2_100])
@pytest.mark.parametrize("sort", ["PRICE_ASC", "PRICE_DESC", "NAME", "NEWEST"])
async def test_pages_of_many_that_are_equal_show_each_once(database: Database, sort: Sort, many: int) -> None:
    store, environment = SearchStore(database), new_id()
    documents = [Document(new_id(), 1, "Lamp", "", "", "", "", "EUR", 100 + n // 200) for n in range(many - 20)]
    documents += [shelved("Lamp", "", None, None) for _ in range(20)]
    await store.put(environment, documents, [])
    found: list[str] = []
    for offset in range(0, many, 100):
        found += (await store.search(environment, Search("lamp", 100, offset, sort=sort))).product_ids
    assert len(found) == len(set(found)) == many


async def test_what_was_counted_is_counted_anew_when_the_index_or_a_meaning_changes(database: Database) -> None:
    store, fresh, environment = SearchStore(database), SearchStore(database), new_id()
    documents = [shelved("Lamp", f"lights/{n % 3}", "EUR", n) for n in range(400)]
    shades = [shelved("Shade", "shades", "EUR", 5) for _ in range(7)]

    async def told(expected: int) -> None:
        """The same by a page, without one, and by who remembers nothing."""
        for asked in (Search("lamp", 10, facetting=True), Search("lamp", 0, facetting=True), Search("lamp", 10)):
            pages = [await store.search(environment, asked) for _ in range(2)]
            pages.append(await SearchStore(database).search(environment, asked))
            assert pages[0] == pages[1] == pages[2]
            assert pages[0].total == expected
            if asked.facetting:
                assert sum(one.count for one in pages[0].facets.prices) == expected

    await store.put(environment, documents, [])
    await told(400)
    await fresh.put(environment, shades, [])
    await told(400)
    await fresh.put(environment, [], [documents[0].product_id, documents[1].product_id])
    await told(398)
    await fresh.add_synonyms(environment, [Synonym("lamp", "shade")])
    await told(405)
    await fresh.remove_synonyms(environment, "lamp", None)
    await told(398)


@pytest.mark.parametrize("asked", [Search("lamp", 10), Search("lamp", 10, facetting=True), Search("lamp", 0)])
async def test_what_was_counted_is_not_counted_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, asked: Search
) -> None:
    store, environment = SearchStore(database), new_id()
    await store.put(environment, [shelved("Lamp", "lights", "EUR", n) for n in range(400)], [])
    counted: list[int | None] = []

    async def told(*arguments: Any) -> Any:
        row = await Database.fetchrow_of_function(database, *arguments)
        assert row is not None
        counted.append(row["total"])
        return row

    monkeypatch.setattr(database, "fetchrow_of_function", told)
    pages = [await store.search(environment, asked) for _ in range(3)]
    assert [page.total for page in pages] == [400] * 3
    assert counted == [400, None, None]


@pytest.mark.parametrize("many", [300, 2_100])
async def test_prices_are_sorted_within_currencies_and_what_has_none_comes_last(
    database: Database, many: int
) -> None:
    """Few are sorted, many are read along an index: in the same order."""
    store, environment = SearchStore(database), new_id()
    prices = [
        (None, None),
        *((("EUR", "USD", "CHF")[n % 3], n * 7919 % many) for n in range(1, many - 1)),
        (None, None),
    ]
    made = [shelved("Lamp", "", currency, price) for currency, price in prices]
    for start in range(0, many, 500):
        await store.put(environment, made[start : start + 500], [])
    priced = {one.product_id: (one.currency or "~", one.price_minor or 0) for one in made}
    dear = sorted(priced.values(), key=lambda one: (one[0], -one[1]))
    for sort, wanted in (("PRICE_ASC", sorted(priced.values())), ("PRICE_DESC", dear)):
        for offset in (0, many // 3 - 10, many - 40):
            page = await store.search(environment, Search("lamp", 60, offset, sort=sort))  # type: ignore[arg-type]
            assert [priced[one] for one in page.product_ids] == wanted[offset : offset + 60], (sort, offset)
    euros = Filter(currency="EUR", min_price_minor=many // 2)
    page = await store.search(environment, Search("lamp", 60, 0, euros, "PRICE_DESC"))
    wanted = [one for one in dear if one[0] == "EUR" and one[1] >= many // 2]
    assert [priced[one] for one in page.product_ids] == wanted[:60]


async def names(store: SearchStore, environment: str, search: Search, documents: Sequence[Document]) -> list[str]:
    """What is found, by name."""
    by_id = {document.product_id: document.name for document in documents}
    return [by_id[one] for one in (await store.search(environment, search)).product_ids]


async def test_names_come_before_descriptions_and_whole_words_before_unfinished_and_misspelt_ones(
    database: Database,
) -> None:
    store, environment = SearchStore(database), new_id()
    documents = [
        Document(new_id(), 1, name, "", "", description)
        for name, description in (
            ("Chandelier", "Lampshades of glass"),
            ("Lampshade", ""),
            ("Table", "Comes with a lamp"),
            ("Floor lamp", ""),
            ("Lampp", ""),
            ("Sofa", "Blue"),
        )
    ]
    await store.put(environment, documents, [])
    found = await names(store, environment, Search("lamp"), documents)
    assert found[0] == "Floor lamp"
    assert set(found[1:3]) == {"Lampshade", "Lampp"}
    assert found[3:] == ["Table", "Chandelier"]


async def test_misspelt_words_are_guessed_when_hardly_anything_fits(database: Database) -> None:
    store, environment, other = SearchStore(database), new_id(), new_id()
    documents = [lamp("Chandelier of brass"), lamp("Armchair")]
    await store.put(environment, documents, [])
    await store.put(other, [lamp("Chandeleer")], [])
    for q in ("chandeleir", "chandelir bras", "brass chandalier"):
        assert await names(store, environment, Search(q), documents) == ["Chandelier of brass"], q
    assert await names(store, environment, Search("armchiar"), documents) == ["Armchair"]
    # Another store's words are not guessed from, and what is nothing like a word finds nothing.
    assert (await store.search(environment, Search("xylophone"))).total == 0
    many = [lamp(f"Teapot {number}") for number in range(5)]
    await store.put(environment, [*many, lamp("Teapod")], [])
    assert (await store.search(environment, Search("teapot"))).total == 5


async def test_filters_sorts_and_facets(database: Database) -> None:
    store, environment = SearchStore(database), new_id()
    documents = [
        shelved("Oak desk", "furniture/desks", "EUR", 19_900),
        shelved("Ash desk", "furniture/desks/standing", "EUR", 29_900),
        shelved("Desk lamp", "lighting", "EUR", 4_990),
        shelved("Big desk", "furniture", "USD", 50_000),
        shelved("Free desk", "furniture-2", None, None),
    ]
    await store.put(environment, documents, [])

    async def found(**asked: Any) -> list[str]:
        return await names(store, environment, Search("desk", **asked), documents)

    assert await found(filter=Filter("furniture"), sort="NAME") == ["Ash desk", "Big desk", "Oak desk"]
    assert await found(filter=Filter("furniture/desks"), sort="NAME") == ["Ash desk", "Oak desk"]
    assert await found(filter=Filter("desks")) == []
    assert await found(filter=Filter(None, "EUR", 4_990, 19_900), sort="PRICE_ASC") == ["Desk lamp", "Oak desk"]
    assert await found(filter=Filter(None, "USD")) == ["Big desk"]
    assert await found(sort="PRICE_ASC") == ["Desk lamp", "Oak desk", "Ash desk", "Big desk", "Free desk"]
    assert await found(sort="PRICE_DESC") == ["Ash desk", "Oak desk", "Desk lamp", "Big desk", "Free desk"]
    assert await found(sort="NEWEST", limit=2, offset=1) == ["Ash desk", "Oak desk"]
    facets = (await store.search(environment, Search("desk", 0, facetting=True))).facets
    assert facets == Facets(
        True,
        [
            CategoryCount("furniture", 3),
            CategoryCount("furniture/desks", 2),
            CategoryCount("furniture-2", 1),
            CategoryCount("furniture/desks/standing", 1),
            CategoryCount("lighting", 1),
        ],
        [
            PriceBand("EUR", 2_000, 4_999, 1),
            PriceBand("EUR", 10_000, 19_999, 1),
            PriceBand("EUR", 20_000, 49_999, 1),
            PriceBand("USD", 50_000, 99_999, 1),
        ],
    )


def shelved(name: str, path: str, currency: str | None, price_minor: int | None) -> Document:
    created_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=price_minor or 0)
    return Document(new_id(), 1, name, "", path.rpartition("/")[2], "", path, currency, price_minor, created_at)


async def test_suggestions_are_names_each_once(database: Database) -> None:
    store, environment = SearchStore(database), new_id()
    documents = [
        lamp(name) for name in ("Brass lamp", "Brass lamp", "Brass lamp", "Brass bowl", "Lamp of brass", "Sofa")
    ]
    await store.put(environment, documents, [])
    assert await store.suggestions(environment, "BRA", 10) == ["Brass bowl", "Brass lamp", "Lamp of brass"]
    assert await store.suggestions(environment, "brass l", 10) == ["Brass lamp", "Lamp of brass"]
    assert await store.suggestions(environment, "bra", 1) == ["Brass bowl"]
    assert await store.suggestions(environment, "\0BRA\ud800", 1) == ["Brass bowl"]
    assert await store.suggestions(environment, "%", 10) == []
    assert await store.suggestions(new_id(), "bra", 10) == []
