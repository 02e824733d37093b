"""Deletions are told to those who follow the feed of changes for a while, then forgotten; never without a word."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.catalog_shop import STOREFRONT, Shop
from contract.test_catalog_bulk import FEED, followed, row, settled, upsert
from contract.test_catalog_relations import DELETE
from contract.test_catalog_statements import counting
from kokoa.postgres import Database
from kokoa.roles.working import forget_older
from kokoa.services.catalog.bulk.store import FORGET_BATCH
from kokoa.services.catalog.service import CatalogService

TOMBSTONES = "SELECT count(*) FROM product_tombstones WHERE environment_id = $1"
WAIT_S = 60


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


async def made(shop: Shop, database: Database, *names: str) -> dict[str, str]:
    """Products of one transaction each, in this order; reference → id."""
    ids = {}
    for name in names:
        ids[name] = (await upsert(shop, row(name)))["rows"][0]["id"]
    await settled(shop, database)
    return ids


async def delete(shop: Shop, database: Database, product_id: str) -> None:
    await shop.data(DELETE, id=product_id, v=1)
    await settled(shop, database)


async def forget(shop: Shop, before: datetime | None = None) -> int:
    """Everything that was deleted before a moment, by default until now."""
    gone = 0
    while batch := await shop.service.bulk.forget_deletions(before or datetime.now(UTC) + timedelta(seconds=5)):
        gone += batch
    return gone


async def page(shop: Shop, since: str | None, limit: int = 1) -> Any:
    return (await shop.data(FEED, since=since, limit=limit))["productChanges"]


async def test_a_reader_that_was_told_goes_on_and_one_that_was_not_is_told_to_begin_anew(
    shop: Shop, database: Database
) -> None:
    ids = await made(shop, database, "a", "b", "c")
    _, before = await followed(shop, None)
    await delete(shop, database, ids["b"])
    changes, after = await followed(shop, before)
    assert changes == [("DELETE", "b")]
    assert await forget(shop, datetime.now(UTC) - timedelta(days=30)) == 0, "it is younger"
    assert (await followed(shop, before))[0] == changes
    await forget(shop)
    assert await database.fetchval(shop.environment_id, TOMBSTONES) == 0
    code, message = await shop.error(FEED, since=before)
    assert code == "CHANGES_FORGOTTEN"
    assert "without since" in message
    assert await followed(shop, after) == ([], after)
    await made(shop, database, "d")
    assert (await followed(shop, after))[0] == [("UPSERT", "d")]
    changes, _ = await followed(shop, None, limit=1)
    assert changes == [("UPSERT", "a"), ("UPSERT", "c"), ("UPSERT", "d")], "the beginning is always there, to the end"
    assert await shop.code(FEED, since=before) == "CHANGES_FORGOTTEN"


async def test_who_reads_everything_is_told_only_of_what_went_meanwhile(shop: Shop, database: Database) -> None:
    ids = await made(shop, database, "a", "b", "c", "d")
    await delete(shop, database, ids["c"])
    first = await page(shop, None)
    assert [one["externalReference"] for one in first["changes"]] == ["a"]
    await forget(shop)  # c was gone before it began, so it never had c
    second = await page(shop, first["cursor"])
    assert [one["externalReference"] for one in second["changes"]] == ["b"]
    await delete(shop, database, ids["b"])
    assert [one["kind"] for one in (await page(shop, second["cursor"], 10))["changes"]] == ["UPSERT", "DELETE"]
    await forget(shop)  # b went after it had b
    assert await shop.code(FEED, since=second["cursor"]) == "CHANGES_FORGOTTEN"


async def test_a_reader_of_an_empty_store_has_nothing_to_forget(shop: Shop, database: Database) -> None:
    ids = await made(shop, database, "a")
    await delete(shop, database, ids["a"])
    await forget(shop)
    nothing = await page(shop, None)
    assert (nothing["changes"], nothing["hasMore"]) == ([], False)
    assert await page(shop, nothing["cursor"]) == nothing
    await made(shop, database, "b")
    assert (await followed(shop, nothing["cursor"]))[0] == [("UPSERT", "b")]


async def test_a_cursor_of_before_there_was_forgetting_is_read(shop: Shop, database: Database) -> None:
    ids = await made(shop, database, "a", "b")
    cursor = ".".join((await page(shop, None))["cursor"].split(".")[:2])
    assert (await followed(shop, cursor))[0] == [("UPSERT", "b")]
    await delete(shop, database, ids["a"])
    await forget(shop)
    assert await shop.code(FEED, since=cursor) == "CHANGES_FORGOTTEN"


async def test_each_environment_forgets_its_own(shop: Shop, database: Database) -> None:
    other = Shop(shop.service)
    ids, theirs = await made(shop, database, "a", "b"), await made(other, database, "a", "b")
    _, ours, cursor = *(await followed(shop, None)), (await followed(other, None))[1]
    await delete(shop, database, ids["a"])
    await forget(shop)
    assert await shop.code(FEED, since=ours) == "CHANGES_FORGOTTEN"
    assert await followed(other, cursor) == ([], cursor)
    await delete(other, database, theirs["a"])
    assert (await followed(other, cursor))[0] == [("DELETE", "a")]
    assert await shop.code(FEED, STOREFRONT, since=ours) == "FORBIDDEN"


@pytest.mark.parametrize("began", ["", "x", "-1", "1.2", "²", "9" * 20, str(2**63), "\x00", "9" * 5_000])
async def test_a_place_that_nobody_gave_is_refused(shop: Shop, began: str) -> None:
    since = f"1.00000000-0000-0000-0000-000000000000.{began}"
    assert await shop.code(FEED, since=since) == "INVALID_CURSOR"


async def test_a_pass_goes_by_batches_and_a_page_by_one_statement(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = """INSERT INTO product_tombstones (environment_id, changed_in, id, version, deleted_at)
             SELECT $1, n, gen_random_uuid(), 1, timestamptz '2020-01-01Z' + n * interval '1 second'
               FROM generate_series(1, $2::integer) n"""
    await database.execute(shop.environment_id, old, FORGET_BATCH + 10)
    moment = datetime(2021, 1, 1, tzinfo=UTC)
    assert [await shop.service.bulk.forget_deletions(moment) for _ in range(3)] == [FORGET_BATCH, 10, 0]
    with counting(monkeypatch) as sent:
        assert (await shop.data("{ productChanges { changes { id } hasMore } }"))["productChanges"] is not None
    assert len(sent) == 1


async def test_passes_that_meet_forget_everything_once(shop: Shop, database: Database) -> None:
    others = [Shop(shop.service) for _ in range(3)]
    old = """INSERT INTO product_tombstones (environment_id, changed_in, id, version, deleted_at)
             SELECT $1, n, gen_random_uuid(), 1, timestamptz '2020-01-01Z' + n * interval '1 second'
               FROM generate_series(1, 700) n"""
    for one in others:
        await database.execute(one.environment_id, old)
    moment = datetime(2021, 1, 1, tzinfo=UTC)
    assert sum(await asyncio.gather(*(forget(shop, moment) for _ in range(4)))) == 2_100
    last = "SELECT changed_in FROM forgotten_changes WHERE environment_id = $1"
    assert [await database.fetchval(one.environment_id, last) for one in others] == [700] * 3


async def test_the_worker_forgets_what_is_older_than_was_set(shop: Shop, database: Database) -> None:
    ids = await made(shop, database, "old", "young")
    for name in ids.values():
        await delete(shop, database, name)
    age = """UPDATE product_tombstones SET deleted_at = now() - $3::integer * interval '1 day'
              WHERE environment_id = $1 AND id = $2"""
    await database.execute(shop.environment_id, age, ids["old"], 31)
    await database.execute(shop.environment_id, age, ids["young"], 29)
    job = asyncio.create_task(forget_older(shop.service.bulk.forget_deletions, 30, what="deletions"))
    try:
        async with asyncio.timeout(WAIT_S):
            while await database.fetchval(shop.environment_id, TOMBSTONES) == 2:
                await asyncio.sleep(0.02)
    finally:
        job.cancel()
    assert (await followed(shop, None))[0] == [("DELETE", "young")]
