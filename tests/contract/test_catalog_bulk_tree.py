"""Batches of products in the merchant's tree of categories, and what they do to a product's status."""

import asyncio
from typing import Any

import pytest
from test_catalog_bulk import FEED, UPSERT, exported, followed, names_of, row, settled, upsert
from test_catalog_status import Store

from contract.catalog_shop import STOREFRONT, Shop
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Transaction
from kokoa.services.catalog.categories import model
from kokoa.services.catalog.categories.model import CategoryNode
from kokoa.services.catalog.categories.store import insert_categories, queries
from kokoa.services.catalog.service import CatalogService
from kokoa.services.search.service import SearchService

CATEGORY = "mutation($input: CreateCategoryInput!) { c: createCategory(input: $input) { id path } }"
TREE = "{ categories { name path position version } }"
EVENTS = (
    "SELECT event_type, convert_from(payload, 'UTF8')::jsonb -> 'data' AS data FROM outbox WHERE environment_id = $1"
)
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND $1::uuid IS NOT NULL"


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


async def category(shop: Shop, name: str, **more: Any) -> str:
    """The id of a new one."""
    return str((await shop.data(CATEGORY, input={"name": name, **more}))["c"]["id"])


async def paths(shop: Shop) -> list[str]:
    return [one["path"] for one in (await shop.data(TREE))["categories"]]


async def told(shop: Shop, database: Database) -> list[str]:
    return [row["event_type"] for row in await database.fetch(shop.environment_id, f"{EVENTS} ORDER BY id")]


async def test_names_mean_the_merchants_own_categories_whatever_their_slugs(shop: Shop) -> None:
    home = await category(shop, "Home", slug="h")
    await category(shop, "Lamps", slug="all-lamps", parentId=home)
    await upsert(shop, row("a", category=["Home", "Lamps"]), row("b", category=["Home"]))
    assert [one["category"]["path"] for one in await exported(shop)] == ["h/all-lamps", "h"]
    assert await paths(shop) == ["h", "h/all-lamps"]


async def test_what_is_missing_is_made_as_the_merchant_would_make_it(shop: Shop, database: Database) -> None:
    home = await category(shop, "Home")
    await category(shop, "Old", slug="lamps", parentId=home)
    rows = [
        row("a", category=["Home", "Lamps"]),
        row("b", category=["Gärden", "食品"]),
        row("c", category=["Home", "A"]),
    ]
    assert (await upsert(shop, *rows))["created"] == 3
    tree = (await shop.data(TREE))["categories"]
    digest = next(one["path"] for one in tree if one["name"] == "食品")
    assert [(one["name"], one["path"], one["position"]) for one in tree] == [
        ("Home", "home", 0),
        ("Gärden", "garden", 1),
        ("食品", digest, 0),
        ("Old", "home/lamps", 0),
        ("Lamps", "home/lamps-2", 1),
        ("A", "home/a", 2),
    ]
    assert digest.startswith("garden/category-")
    assert (await told(shop, database))[2:] == ["CategoryCreated"] * 4 + ["ProductCreated"] * 3
    assert (await upsert(shop, *rows))["unchanged"] == 3


async def test_of_siblings_with_one_name_the_first_is_meant_but_nobody_is_moved_out_of_another(shop: Shop) -> None:
    for slug in ("lamps", "lamps-of-old"):
        await category(shop, "Lamps", slug=slug)
    await shop.create("Torch", category="lamps-of-old", externalReference="torch")
    done = await upsert(shop, {"externalReference": "torch", "category": ["Lamps"]}, row("new", category=["Lamps"]))
    assert [one["status"] for one in done["rows"]] == ["UNCHANGED", "CREATED"]
    assert [one["category"]["path"] for one in await exported(shop)] == ["lamps", "lamps-of-old"]


async def test_a_row_that_fails_makes_no_category(shop: Shop, database: Database) -> None:
    wrong = row("wrong", category=["Home", "Wrong"], name="x" * 201)
    done = await upsert(shop, wrong, row("right", category=["Home", "Right"]))
    assert (done["created"], done["failed"]) == (1, 1)
    assert await paths(shop) == ["home", "home/right"]
    assert await told(shop, database) == ["CategoryCreated", "CategoryCreated", "ProductCreated"]


async def test_a_batch_that_is_cut_off_before_its_commit_leaves_neither_products_nor_categories(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(f"{n}", category=["Home", f"Shelf {n}"]) for n in range(3)]
    cut = "SELECT pg_terminate_backend(pg_backend_pid()) WHERE $1::uuid IS NOT NULL"

    async def cut_off(tx: Transaction, *_: Any, **__: Any) -> None:
        await tx.execute(cut)

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "emit", cut_off)
        assert (await shop.ask(UPSERT, variables={"input": rows})).errors
    assert (await paths(shop), await exported(shop), await told(shop, database)) == ([], [], [])
    assert (await upsert(shop, *rows))["created"] == 3
    assert await paths(shop) == ["home", "home/shelf-0", "home/shelf-1", "home/shelf-2"]


async def test_a_row_that_there_is_no_room_for_fails_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await category(shop, "Home")
    monkeypatch.setattr(model, "CHILDREN_MAX", 2)
    rows = [row("a", category=["Garden"]), row("b", category=["Attic", "Box"]), row("c", category=["Home", "New"])]
    done = await upsert(shop, *rows)
    assert [one["status"] for one in done["rows"]] == ["CREATED", "ERROR", "CREATED"]
    assert done["rows"][1]["error"]["code"] == "TOO_MANY_CATEGORIES"
    monkeypatch.setattr(model, "CATEGORIES_MAX", 3)
    done = await upsert(shop, row("d", category=["Home", "Newer"]), row("e", category=["Home", "New"]))
    assert [one["status"] for one in done["rows"]] == ["ERROR", "CREATED"]
    assert await paths(shop) == ["home", "garden", "home/new"]


async def test_each_environment_has_a_tree_of_its_own(shop: Shop) -> None:
    other = Shop(shop.service)
    await category(other, "Home", slug="theirs")
    await upsert(shop, row("a", category=["Home", "Lamps"]))
    assert (await paths(shop), await paths(other)) == (["home", "home/lamps"], ["theirs"])


async def test_a_batch_waits_for_a_move_and_then_finds_the_category_where_it_is(
    shop: Shop, database: Database
) -> None:
    moved = await category(shop, "Lamps")
    await upsert(shop, row("old", category=["Lamps"]))
    async with database.transaction(shop.environment_id) as tx:
        await tx.execute(queries.lock_tree)
        batch = asyncio.ensure_future(upsert(shop, row("new", category=["Lamps"]), row("old", category=["Lamps"])))
        await waits(shop, database)
        await tx.execute(queries.relocate_category, moved, "lamps", "lights", 0, "lights", None, 0)
    assert [one["status"] for one in (await batch)["rows"]] == ["CREATED", "UNCHANGED"]
    assert [one["category"]["path"] for one in await exported(shop)] == ["lights", "lights"]
    assert await paths(shop) == ["lights"]


async def waits(shop: Shop, database: Database) -> None:
    async with asyncio.timeout(30):
        while not await database.fetchval(shop.environment_id, WAITING):
            await asyncio.sleep(0.02)


async def test_a_new_category_goes_below_one_that_was_moved_meanwhile(shop: Shop, database: Database) -> None:
    moved = await category(shop, "Lamps")
    async with database.transaction(shop.environment_id) as tx:
        await tx.execute(queries.lock_tree)
        batch = asyncio.ensure_future(
            upsert(shop, row("a", category=["Lamps", "Desk"]), row("b", category=["Lamps"]))
        )
        await waits(shop, database)
        await tx.execute(queries.relocate_category, moved, "lamps", "lights", 0, "lights", None, 0)
    assert (await batch)["created"] == 2
    assert [one["category"]["path"] for one in await exported(shop)] == ["lights/desk", "lights"]
    assert await paths(shop) == ["lights", "lights/desk"]


async def test_a_category_that_gave_its_place_to_another_keeps_the_products_named_for_it(
    shop: Shop, database: Database
) -> None:
    moved = await category(shop, "Lamps")
    async with database.transaction(shop.environment_id) as tx:
        await tx.execute(queries.lock_tree)
        batch = asyncio.ensure_future(upsert(shop, row("a", category=["Lamps"]), row("b", category=["New"])))
        await waits(shop, database)
        await tx.execute(queries.relocate_category, moved, "lamps", "lights", 0, "lights", None, 0)
        one = CategoryNode(new_id(), None, "lamps", "Something else", "lamps", 1, 5, 1)
        await insert_categories(tx, [one])
    assert (await batch)["created"] == 2
    assert [one["category"]["path"] for one in await exported(shop)] == ["lights", "new"]


async def test_a_category_that_another_batch_has_made_meanwhile_is_not_made_again(
    shop: Shop, database: Database
) -> None:
    async with database.transaction(shop.environment_id) as tx:
        await tx.execute(queries.lock_tree)
        batch = asyncio.ensure_future(upsert(shop, row("a", category=["Home", "Lamps"])))
        await waits(shop, database)
        await insert_categories(tx, [CategoryNode(new_id(), None, "home", "Home", "home", 1, 0, 1)])
    assert (await batch)["created"] == 1
    assert await paths(shop) == ["home", "home/lamps"]
    assert await told(shop, database) == ["CategoryCreated", "ProductCreated"]


async def test_a_batch_that_changes_products_and_makes_categories_leaves_moves_their_order_of_locks(
    shop: Shop, database: Database
) -> None:
    moved = await category(shop, "Lamps")
    await upsert(shop, row("old", category=["Lamps"]))
    async with database.transaction(shop.environment_id) as tx:
        await tx.execute(queries.lock_tree)
        rows = [row("old", name="Changed", category=["Lamps"]), row("new", category=["Lamps", "Desk"])]
        batch = asyncio.ensure_future(upsert(shop, *rows))
        await waits(shop, database)
        # Would wait for the batch, and the batch for us, if it had locked the product.
        await tx.execute(queries.relocate_category, moved, "lamps", "lights", 0, "lights", None, 0)
    assert [one["status"] for one in (await batch)["rows"]] == ["UPDATED", "CREATED"]
    assert [one["category"]["path"] for one in await exported(shop)] == ["lights/desk", "lights"]


async def test_batches_and_moves_at_once_all_end_and_leave_one_tree(shop: Shop) -> None:
    rows = [row(f"{n:03}", category=["Home", f"Shelf {n % 5}"]) for n in range(100)]
    await upsert(shop, *rows)
    tree = await shop.data("{ categories { id name version } }")
    home = next(one for one in tree["categories"] if one["name"] == "Home")
    rename = "mutation($input: RenameCategoryInput!) { renameCategory(input: $input) { version } }"

    async def renames() -> None:
        for number in range(4):
            wanted = {"id": home["id"], "version": home["version"] + number, "slug": f"home-{number}"}
            await shop.data(rename, input=wanted)

    async def batches(name: str) -> None:
        for number in range(4):
            more = [row(f"{name} {n}", category=["Home", f"{name} {number}"]) for n in range(20)]
            done = await upsert(shop, *({**one, "name": f"{name} {number}"} for one in rows), *more)
            assert done["failed"] == 0

    await asyncio.gather(renames(), batches("one"), batches("two"))
    found = await exported(shop)
    assert len(found) == 140
    assert {one["category"]["path"].partition("/")[0] for one in found} == {"home-3"}
    assert {names_of(one["category"])[0] for one in found} == {"Home"}
    assert len(await paths(shop)) == 1 + 5 + 8


async def test_products_that_move_with_their_category_are_in_the_feed_of_changes(
    shop: Shop, database: Database
) -> None:
    lamps = await category(shop, "Lamps")
    await upsert(shop, row("a", category=["Lamps"]), row("b"))
    await settled(shop, database)
    _, since = await followed(shop, None)
    rename = "mutation($input: RenameCategoryInput!) { renameCategory(input: $input) { path } }"
    await shop.data(rename, input={"id": lamps, "version": 1, "slug": "lights"})
    await settled(shop, database)
    changes = (await shop.data(FEED, since=since))["productChanges"]["changes"]
    assert [(one["kind"], one["externalReference"], one["version"]) for one in changes] == [("UPSERT", "a", 1)]


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        ("DRAFT", "PUBLISHED", "ProductPublished"),
        ("DRAFT", "ARCHIVED", "ProductArchived"),
        ("PUBLISHED", "DRAFT", "ProductUnpublished"),
        ("PUBLISHED", "ARCHIVED", "ProductArchived"),
        ("ARCHIVED", "DRAFT", "ProductRestored"),
        ("ARCHIVED", "PUBLISHED", "ProductPublished"),
    ],
)
async def test_a_status_is_told_as_its_mutation_tells_it(
    shop: Shop, database: Database, before: str, after: str, event: str
) -> None:
    made = await upsert(shop, row("a", status=before))
    done = await upsert(shop, {"externalReference": "a", "status": after})
    assert [(one["status"], one["version"]) for one in done["rows"]] == [("UPDATED", 2)]
    assert (await upsert(shop, row("a")))["unchanged"] == 1
    assert (await exported(shop))[0]["status"] == after
    await upsert(shop, {"externalReference": "a", "name": "Dip", "status": before})
    assert (await told(shop, database))[:3] == ["ProductCreated", event, "ProductUpdated"]
    assert len(await told(shop, database)) == 4
    (found,) = await database.fetch(shop.environment_id, f"{EVENTS} AND event_type = $2 ORDER BY id LIMIT 1", event)
    for name, value in {"product_id": made["rows"][0]["id"], "status": after, "previous_status": before}.items():
        assert f'"{name}": "{value}"' in found["data"]


async def test_a_new_product_is_published_and_a_wrong_status_is_refused(shop: Shop) -> None:
    await upsert(shop, row("a"))
    assert [one["status"] for one in await exported(shop)] == ["PUBLISHED"]
    assert await shop.code(UPSERT, input=[row("b", status="SOLD")]) == "BAD_USER_INPUT"
    assert len(await exported(shop)) == 1


async def test_what_a_batch_drafts_or_archives_leaves_storefronts_and_search_and_stays_in_exports(
    shop: Shop, database: Database, search_index: SearchService
) -> None:
    store = Store(shop, search_index)
    made = await upsert(shop, *(row(name, status="PUBLISHED") for name in "abc"))
    ids = [one["id"] for one in made["rows"]]

    async def seen() -> tuple[int, list[str]]:
        """(how many search finds, the ids that a storefront lists)."""
        await store.index(*ids)
        found = await store.get("Search", "q=chips", STOREFRONT)
        listed = (await shop.data("{ products { id } }", STOREFRONT))["products"]
        assert sorted(one["id"] for one in found["items"]) == sorted(one["id"] for one in listed)
        return found["total"], [one["id"] for one in listed]

    assert await seen() == (3, ids)
    await settled(shop, database)
    _, since = await followed(shop, None)
    changes = [("a", "DRAFT"), ("b", "ARCHIVED")]
    await upsert(shop, *({"externalReference": name, "status": status} for name, status in changes))
    assert await seen() == (1, ids[2:])
    assert [one["status"] for one in await exported(shop)] == ["DRAFT", "ARCHIVED", "PUBLISHED"]
    await settled(shop, database)
    entries, _ = await followed(shop, since)
    assert sorted(entries) == [("UPSERT", "a"), ("UPSERT", "b")]
    await upsert(shop, *({"externalReference": name, "status": "PUBLISHED"} for name, _ in changes))
    assert await seen() == (3, ids)
