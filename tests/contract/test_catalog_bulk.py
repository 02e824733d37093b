"""Batches of products on a real server: upserts, the feed of changes, pages for an export."""

import asyncio
from typing import Any

import asyncpg
import pytest

from contract.catalog_shop import CREATE, STOREFRONT, Shop
from contract.plans import as_superuser, explained
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.catalog.bulk import store as bulk_store
from kokoa.services.catalog.bulk.actions import BulkActions
from kokoa.services.catalog.service import CatalogService

UPSERT = """mutation Upsert($input: [BulkProductInput!]!, $dryRun: Boolean! = false) {
  bulkUpsertProducts(input: $input, dryRun: $dryRun) {
    created updated unchanged failed
    rows { index externalReference status id version error { code path message } }
  }
}"""
FEED = """query Changes($since: String, $limit: Int! = 100) { productChanges(since: $since, limit: $limit) {
  cursor hasMore changes { id kind version externalReference product { name } }
} }"""
EXPORT = """query Page($after: String, $limit: Int!) { bulkProducts(after: $after, limit: $limit) {
  cursor products { externalReference name slug description status category { path breadcrumbs { name } }
  variants { sku priceMinor } }
} }"""
EVENTS = "SELECT event_type, event_key FROM outbox WHERE environment_id = $1 ORDER BY id"


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


def row(reference: str, **more: Any) -> dict[str, Any]:
    variants = [{"sku": f"{reference}-s", "name": "S", "priceMinor": 100, "currency": "EUR"}]
    return {"externalReference": reference, "name": f"Chips {reference}", "variants": variants, **more}


async def upsert(shop: Shop, *rows: dict[str, Any], **more: Any) -> Any:
    return (await shop.data(UPSERT, input=list(rows), **more))["bulkUpsertProducts"]


async def exported(shop: Shop, limit: int = 100) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    for _ in range(50):
        page = (await shop.data(EXPORT, after=after, limit=limit))["bulkProducts"]
        found += page["products"]
        after = page["cursor"]
        if after is None:
            return found
    raise AssertionError("the export has no end")


def names_of(category: Any) -> list[str]:
    """From the root down to it."""
    return [one["name"] for one in category["breadcrumbs"]]


async def events(shop: Shop, database: Database) -> list[tuple[str, str]]:
    return [tuple(found) for found in await database.fetch(shop.environment_id, EVENTS)]


async def test_a_batch_creates_changes_and_leaves_alone_and_tells_of_changes_only(
    shop: Shop, database: Database
) -> None:
    made = await upsert(shop, row("a"), row("b"))
    assert [one["status"] for one in made["rows"]] == ["CREATED", "CREATED"]
    ids = [one["id"] for one in made["rows"]]
    assert await events(shop, database) == [("ProductCreated", one) for one in ids]
    again = await upsert(shop, row("b", description="Crisp"), row("a"), row("c"))
    assert [(one["status"], one["version"]) for one in again["rows"]] == [
        ("UPDATED", 2),
        ("UNCHANGED", 1),
        ("CREATED", 1),
    ]
    assert (again["created"], again["updated"], again["unchanged"], again["failed"]) == (1, 1, 1, 0)
    assert (await events(shop, database))[2:] == [
        ("ProductCreated", again["rows"][2]["id"]),
        ("ProductUpdated", ids[1]),
    ]


async def test_what_a_row_leaves_out_stays_and_variants_are_known_by_their_sku(shop: Shop) -> None:
    path = ["Grocery", "Snacks", "Chips"]
    variants = [{"sku": sku, "priceMinor": 100, "currency": "EUR"} for sku in ("s", "m")]
    await upsert(shop, row("a", description="Crisp", category=path, variants=variants))
    document = """{ product(slug: "chips-a-a") {
        description category { breadcrumbs { name } } variants { id sku priceMinor } price } }"""
    before = (await shop.data(document))["product"]
    assert names_of(before["category"]) == path
    changed = [{"sku": sku, "priceMinor": price, "currency": "EUR"} for sku, price in (("m", 50), ("l", 200))]
    await upsert(shop, {"externalReference": "a", "variants": changed})
    after = (await shop.data(document))["product"]
    assert (after["description"], names_of(after["category"]), after["price"]) == ("Crisp", path, 0.5)
    assert [(one["sku"], one["priceMinor"]) for one in after["variants"]] == [("m", 50), ("l", 200)]
    assert after["variants"][0]["id"] == before["variants"][1]["id"]
    swapped = await upsert(shop, {"externalReference": "a", "variants": changed[::-1], "category": []})
    assert swapped["updated"] == 1
    after = (await shop.data(document))["product"]
    assert ([one["sku"] for one in after["variants"]], after["category"]) == (["l", "m"], None)


def variant(sku: str = "n", price_minor: int = 1, currency: str = "EUR") -> dict[str, Any]:
    return {"sku": sku, "priceMinor": price_minor, "currency": currency}


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"name": None}, "INVALID_PRODUCT", "name"),
    "long name": ({"name": "x" * 201}, "INVALID_PRODUCT", "name"),
    "NUL": ({"description": "a\0b"}, "INVALID_PRODUCT", "description"),
    "bad slug": ({"slug": "Not a slug"}, "INVALID_PRODUCT", "slug"),
    "taken slug": ({"slug": "taken"}, "ALREADY_TAKEN", "slug"),
    "empty reference": ({"externalReference": " "}, "INVALID_PRODUCT", "externalReference"),
    "deep category": ({"category": ["x"] * 9}, "INVALID_CATEGORY_PATH", "category"),
    "empty category": ({"category": ["x", ""]}, "INVALID_CATEGORY_PATH", "category"),
    "stale version": ({"version": 7}, "PRODUCT_CHANGED", ""),
    "negative price": ({"variants": [variant(price_minor=-1)]}, "INVALID_PRODUCT", "variants.0.priceMinor"),
    "unknown currency": ({"variants": [variant(currency="XXQ")]}, "UNKNOWN_CURRENCY", "variants.0.currency"),
    "taken SKU": ({"variants": [variant("old-s")]}, "ALREADY_TAKEN", "variants.0.sku"),
    "same SKU twice": ({"variants": [variant()] * 2}, "INVALID_PRODUCT", "variants"),
    "too many variants": ({"variants": [variant(str(n)) for n in range(101)]}, "INVALID_PRODUCT", "variants"),
}


async def test_a_wrong_row_fails_alone_and_changes_nothing(shop: Shop, database: Database) -> None:
    await upsert(shop, row("old", slug="taken"))
    told = len(await events(shop, database))
    wrong = [{**row(f"wrong {number}"), **change} for number, (change, _, _) in enumerate(WRONG.values())]
    found = await upsert(shop, row("first"), *wrong, row("last"), row("first", name="Again"))
    assert (found["created"], found["failed"]) == (2, len(WRONG) + 1)
    for one, (case, (_, code, path)) in zip(found["rows"][1:-2], WRONG.items(), strict=True):
        assert (one["error"]["code"], one["error"]["path"], one["id"]) == (code, path, None), case
    assert found["rows"][-1]["error"]["code"] == "DUPLICATE_REFERENCE"
    assert [one["externalReference"] for one in await exported(shop)] == ["first", "last", "old"]
    assert len(await events(shop, database)) == told + 2
    categories = await shop.data("{ categories { slug } }")
    assert categories == {"categories": []}


async def test_a_sku_moves_when_an_earlier_row_lets_it_go(shop: Shop) -> None:
    await upsert(shop, row("a"), row("b"))
    moved = row("b", variants=row("a")["variants"])
    assert (await upsert(shop, moved, row("a", variants=[])))["failed"] == 1
    done = await upsert(shop, row("a", variants=row("a2")["variants"]), moved)
    assert done["failed"] == 0
    assert [[v["sku"] for v in one["variants"]] for one in await exported(shop)] == [["a2-s"], ["a-s"]]


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(shop: Shop, database: Database) -> None:
    await upsert(shop, row("a"))
    told = await events(shop, database)
    found = await upsert(shop, row("a", name="Other"), row("b", category=["New"]), row("c", slug="!"), dryRun=True)
    assert [one["status"] for one in found["rows"]] == ["UPDATED", "CREATED", "ERROR"]
    assert [one["name"] for one in await exported(shop)] == ["Chips a"]
    assert await events(shop, database) == told
    assert await shop.data("{ categories { slug } }") == {"categories": []}


async def test_a_batch_is_bounded_and_for_management_only(shop: Shop) -> None:
    assert await shop.code(UPSERT, input=[row(f"{n}") for n in range(1001)]) == "INVALID_BATCH"
    for document, variables in ((UPSERT, {"input": [row("a")]}), (FEED, {}), (EXPORT, {"limit": 1})):
        refused = await shop.ask(document, STOREFRONT, **variables)
        assert refused.errors[0]["extensions"]["code"] == "FORBIDDEN", refused.errors
    assert await exported(shop) == []


async def test_another_environment_has_its_own_references_and_sees_no_change(shop: Shop, database: Database) -> None:
    await upsert(shop, row("a", category=["Snacks"]))
    other = Shop(shop.service)
    assert (await upsert(other, row("a", name="Theirs")))["created"] == 1
    assert [one["name"] for one in await exported(shop)] == ["Chips a"]
    await settled(other, database)
    changes = (await other.data(FEED))["productChanges"]["changes"]
    assert [one["product"]["name"] for one in changes] == ["Theirs"]
    assert await other.data("{ categories { slug } }") == {"categories": []}


async def test_a_batch_takes_the_same_number_of_statements_at_any_size(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    sent: list[str] = []
    execute, fetch = bulk_store.Transaction.execute, bulk_store.Transaction.fetch

    async def counting_execute(tx: Any, statement: str, *arguments: Any) -> Any:
        sent.append(statement)
        return await execute(tx, statement, *arguments)

    async def counting_fetch(tx: Any, statement: str, *arguments: Any) -> Any:
        sent.append(statement)
        return await fetch(tx, statement, *arguments)

    monkeypatch.setattr(bulk_store.Transaction, "execute", counting_execute)
    monkeypatch.setattr(bulk_store.Transaction, "fetch", counting_fetch)
    for size in (2, 1000):
        sent.clear()
        await upsert(shop, *(row(f"{size}-{n}", category=["A", "B"]) for n in range(size)))
        await upsert(shop, *(row(f"{size}-{n}", name="New", variants=[]) for n in range(size)))
        counts.append(len(sent))
    assert counts[1] <= counts[0] <= 25


async def test_batches_that_meet_all_end_and_the_products_are_there_once(shop: Shop) -> None:
    """The same new products, in opposite orders, with categories that all of them make."""
    rows = [row(f"{n:03}", category=["Grocery", f"Aisle {n % 7}"]) for n in range(200)]
    orders = (rows, rows[::-1], rows[100:] + rows[:100])
    found = await asyncio.gather(*(upsert(shop, *order) for order in orders))
    assert sum(one["created"] for one in found) == 200
    assert sum(one["unchanged"] for one in found) == 400
    assert len(await exported(shop)) == 200
    assert len((await shop.data("{ categories(limit: 100) { slug } }"))["categories"]) == 8


async def test_a_product_that_comes_between_two_looks_is_no_stranger(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another batch commits the same products after we looked for them, and before we look whose their slugs are."""
    rows = [row(f"{n:03}") for n in range(3)]
    real, others = bulk_store.owners, [rows]

    async def owners(*arguments: Any) -> Any:
        if others:
            assert (await upsert(shop, *others.pop()))["created"] == 3
        return await real(*arguments)

    monkeypatch.setattr(bulk_store, "owners", owners)
    done = await upsert(shop, *rows)
    assert (done["unchanged"], done["failed"]) == (3, 0)


async def test_categories_of_one_name_are_told_apart_by_their_path(shop: Shop) -> None:
    paths = [["A B", "C"], ["A", "B C"], ["A", "B", "C"], ["食品"], ["飲料"], ["A"]]
    await upsert(shop, *(row(f"{n}", category=path) for n, path in enumerate(paths)))
    assert [names_of(one["category"]) for one in await exported(shop)] == paths
    assert len({one["category"]["path"] for one in await exported(shop)}) == len(paths)


async def test_an_export_has_every_product_once_also_those_without_a_reference(shop: Shop) -> None:
    await upsert(shop, *(row(f"r{n}") for n in range(7)))
    for n in range(5):
        await shop.data(CREATE, input={"name": f"Bare {n}", "variants": []})
    for limit in (1, 3, 7, 100):
        found = await exported(shop, limit)
        assert [one["externalReference"] for one in found] == [*(f"r{n}" for n in range(7)), *[None] * 5]
        assert len({one["slug"] for one in found}) == 12


async def test_a_product_without_a_reference_is_known_by_its_id_in_its_own_environment_only(shop: Shop) -> None:
    made = await shop.create("Bare lamp")
    same = {"externalReference": made["id"], "name": "Bare lamp", "slug": "bare-lamp"}
    assert (await upsert(shop, same))["unchanged"] == 1
    done = await upsert(shop, {**same, "name": "Better lamp"})
    assert [(one["status"], one["id"]) for one in done["rows"]] == [("UPDATED", made["id"])]
    assert [(one["externalReference"], one["name"]) for one in await exported(shop)] == [(None, "Better lamp")]
    other = Shop(shop.service)
    assert (await upsert(other, same))["created"] == 1
    assert [(one["externalReference"], one["name"]) for one in await exported(other)] == [(made["id"], "Bare lamp")]


@pytest.mark.parametrize("after", ["", "x", "ref:", "id:x", "ref:\0"])
async def test_a_cursor_that_nobody_gave_is_refused(shop: Shop, after: str) -> None:
    assert await shop.code(EXPORT, after=after, limit=1) == "INVALID_CURSOR"
    assert await shop.code(FEED, since=after) == "INVALID_CURSOR"
    assert await shop.code(EXPORT, limit=251) == "INVALID_PAGE"
    assert await shop.code(FEED, limit=0) == "INVALID_PAGE"


HORIZON = "SELECT pg_snapshot_{}(pg_current_snapshot())::text::bigint WHERE $1::uuid IS NOT NULL"


async def settled(shop: Shop, database: Database) -> None:
    """Until no transaction of this moment is open, also none of the server's own: the feed waits for them."""
    now = await database.fetchval(shop.environment_id, HORIZON.format("xmax"))
    async with asyncio.timeout(60):
        while await database.fetchval(shop.environment_id, HORIZON.format("xmin")) < now:
            await asyncio.sleep(0.02)


async def followed(shop: Shop, since: str | None, limit: int = 2) -> tuple[list[tuple[str, str]], str]:
    """(kind, reference) of all changes after a cursor, and the cursor then."""
    changes: list[tuple[str, str]] = []
    while True:
        page = (await shop.data(FEED, since=since, limit=limit))["productChanges"]
        changes += [(one["kind"], one["externalReference"]) for one in page["changes"]]
        assert all((one["product"] is None) == (one["kind"] == "DELETE") for one in page["changes"])
        since = page["cursor"]
        if not page["hasMore"]:
            return changes, since


async def test_the_feed_has_the_last_change_of_each_product_and_what_was_deleted(
    shop: Shop, database: Database
) -> None:
    made = await upsert(shop, *(row(f"{n}") for n in range(5)))
    await settled(shop, database)
    changes, cursor = await followed(shop, None)
    assert sorted(changes) == [("UPSERT", f"{n}") for n in range(5)]
    assert await followed(shop, cursor) == ([], cursor)
    await upsert(shop, row("3", name="Other"), row("4"))
    deleted = {"id": made["rows"][1]["id"], "version": 1}
    await shop.data("mutation($id: ID!, $version: Int!) { deleteProduct(id: $id, version: $version) }", **deleted)
    await settled(shop, database)
    changes, _ = await followed(shop, cursor)
    assert changes == [("UPSERT", "3"), ("DELETE", "1")]
    await settled(shop, database)
    changes, _ = await followed(shop, None)
    assert changes[-2:] == [("UPSERT", "3"), ("DELETE", "1")]
    assert len(changes) == 5


async def test_a_transaction_that_commits_late_is_not_skipped(shop: Shop, database: Database) -> None:
    """Begun before others and committed after them: the feed waits for it, then has it in its place."""
    await upsert(shop, row("first"))
    await settled(shop, database)
    _, cursor = await followed(shop, None)
    async with database.transaction(shop.environment_id) as late:
        statement = """INSERT INTO products (environment_id, id, slug, name, external_reference)
                       VALUES ($1, $2, 'late', 'Late', 'late')"""
        await late.execute(statement, new_id())
        await upsert(shop, row("early"))
        changes, waiting = await followed(shop, cursor)
        assert changes == []
    await settled(shop, database)
    changes, _ = await followed(shop, waiting)
    assert changes == [("UPSERT", "late"), ("UPSERT", "early")]


async def test_pages_of_the_feed_and_of_an_export_use_their_indexes(
    shop: Shop, database: Database, postgres: str
) -> None:
    """Row-level security must not turn the indexes off: a page is as cheap at the end as at the beginning."""
    for start in range(0, 5000, 1000):
        await upsert(shop, *(row(f"{n}", variants=[]) for n in range(start, start + 1000)))
    queries = bulk_store.queries
    async with as_superuser(database, postgres) as admin:
        await admin.execute("VACUUM (ANALYZE) products")
        for statement, arguments, index in (
            (queries.changes_page, (0, new_id(), 100), "products_by_change"),
            (queries.products_by_reference, ("5", 100), "products_external_reference"),
            (queries.products_without_reference, (new_id(), 100), "products_without_reference"),
        ):
            plan = await explained(admin, database, shop.environment_id, statement, *arguments)
            assert index in plan, plan
            assert "Seq Scan on products" not in plan, plan


async def test_a_batch_gives_up_when_others_are_always_faster(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slug that is taken between each look and each write."""
    attempts = 0

    async def beaten(tx: Any, _: Any) -> None:
        nonlocal attempts
        attempts += 1
        raise asyncpg.UniqueViolationError("taken meanwhile")

    monkeypatch.setattr(bulk_store, "write", beaten)
    assert await shop.code(UPSERT, input=[row("a")]) == "BATCH_CONTENDED"
    assert 1 < attempts <= 10
    assert await BulkActions(database).upsert(shop.environment_id, [], dry_run=False, correlation_id="c") == []
