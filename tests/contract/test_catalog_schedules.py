"""Products are published and unpublished when it is time: once, by whichever worker, and events tell of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from contract.test_catalog_statements import counting
from kokoa.kernel.clock import now_ms
from kokoa.postgres import Database, Transaction
from kokoa.roles.worker import keep_schedules
from kokoa.services.catalog.publishing.actions import BATCH_MAX, PublishingActions
from kokoa.services.catalog.service import CatalogService

SCHEDULE = """mutation($id: ID!, $v: Int!, $publish: DateTime, $unpublish: DateTime) {
  schedulePublication(id: $id, version: $v, publishAt: $publish, unpublishAt: $unpublish) {
    version status schedule { publishAt unpublishAt failure } } }"""
CANCEL = "mutation($id: ID!, $v: Int!) { cancelSchedule(id: $id, version: $v) { version schedule { publishAt } } }"
PRODUCT = "query($id: ID!) { product(id: $id) { status version schedule { publishAt unpublishAt failure } } }"
EVENTS = "SELECT event_type FROM outbox WHERE environment_id = $1 AND event_key = $2 ORDER BY id"
HOUR = timedelta(hours=1)


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


def ahead(hours: float) -> str:
    return (datetime.now(UTC) + hours * HOUR).isoformat().replace("+00:00", "Z")


def at(database: Database, hours: float) -> PublishingActions:
    """What a worker does so many hours from now."""
    return PublishingActions(database, lambda: now_ms() + int(hours * 3_600_000))


async def do_all(worker: PublishingActions) -> None:
    async with asyncio.timeout(60):
        while await worker.do_due():
            pass


async def told(shop: Shop, database: Database, product_id: str) -> list[str]:
    return [row["event_type"] for row in await database.fetch(shop.environment_id, EVENTS, product_id)]


async def scheduled(shop: Shop, product_id: str, version: int = 1, **when: str) -> Any:
    return (await shop.data(SCHEDULE, id=product_id, v=version, **when))["schedulePublication"]


async def found(shop: Shop, product_id: str) -> Any:
    return (await shop.data(PRODUCT, id=product_id))["product"]


async def test_a_campaign_begins_and_ends_by_itself(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    begin, end = ahead(1), ahead(3)
    answer = await scheduled(shop, made, publish=begin, unpublish=end)
    assert answer == {
        "version": 2,
        "status": "DRAFT",
        "schedule": {"publishAt": begin, "unpublishAt": end, "failure": None},
    }
    await do_all(at(database, 0.9))
    assert (await found(shop, made))["status"] == "DRAFT"
    await do_all(at(database, 1.1))
    left = {"publishAt": None, "unpublishAt": end, "failure": None}
    assert await found(shop, made) == {"status": "PUBLISHED", "version": 3, "schedule": left}
    assert (await shop.data("query($id: ID!) { product(id: $id) { id } }", STOREFRONT, id=made))["product"]
    await do_all(at(database, 3.1))
    assert await found(shop, made) == {"status": "DRAFT", "version": 4, "schedule": None}
    assert await told(shop, database, made) == [
        "ProductCreated",
        "ProductUpdated",
        "ProductPublished",
        "ProductUnpublished",
    ]


async def test_a_worker_that_was_away_for_the_whole_campaign_leaves_the_product_out_of_the_store(
    shop: Shop, database: Database
) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    await scheduled(shop, made, publish=ahead(1), unpublish=ahead(2))
    await do_all(at(database, 9))
    assert await found(shop, made) == {"status": "DRAFT", "version": 4, "schedule": None}
    assert (await told(shop, database, made))[-2:] == ["ProductPublished", "ProductUnpublished"]


async def test_several_workers_do_each_product_once(shop: Shop, database: Database) -> None:
    count = BATCH_MAX + 20
    rows = [
        {"externalReference": str(n), "name": f"Lamp {n}", "variants": [], "status": "DRAFT"} for n in range(count)
    ]
    upsert = "mutation($input: [BulkProductInput!]!) { bulkUpsertProducts(input: $input) { rows { id } } }"
    made = [row["id"] for row in (await shop.data(upsert, input=rows))["bulkUpsertProducts"]["rows"]]
    when = ahead(1)
    for product_id in made:
        await scheduled(shop, product_id, publish=when)
    await asyncio.gather(*(do_all(at(database, 2)) for _ in range(4)))
    await do_all(at(database, 2))  # what one had to leave because another held it
    kinds = "SELECT event_key, count(*) FROM outbox WHERE environment_id = $1 AND event_type = $2 GROUP BY 1"
    counted = dict(map(tuple, await database.fetch(shop.environment_id, kinds, "ProductPublished")))
    assert counted == dict.fromkeys(made, 1)
    listed = await shop.data("{ products(limit: 100) { version status } }")
    assert {(one["version"], one["status"]) for one in listed["products"]} == {(3, "PUBLISHED")}


async def test_a_worker_that_dies_half_way_has_done_nothing_and_another_does_it(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    await scheduled(shop, made, publish=ahead(1))

    async def die(*_: Any, **__: Any) -> None:
        raise SystemError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "emit", die)
        with pytest.raises(SystemError):
            await at(database, 2).do_due()
    assert (await found(shop, made))["status"] == "DRAFT"
    await do_all(at(database, 2))
    assert await found(shop, made) == {"status": "PUBLISHED", "version": 3, "schedule": None}


async def test_the_job_of_the_worker_publishes_in_time_without_being_told(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    async with working(PublishingActions(database)), asyncio.timeout(60):
        await scheduled(shop, made, publish=(datetime.now(UTC) + timedelta(seconds=0.8)).isoformat())
        while (await found(shop, made))["status"] != "PUBLISHED":
            await asyncio.sleep(0.02)


@asynccontextmanager
async def working(publishing: PublishingActions) -> AsyncIterator[None]:
    job = asyncio.create_task(keep_schedules(publishing))
    try:
        yield
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)


async def test_what_cannot_be_done_says_so_and_keeps_nobody_waiting(shop: Shop, database: Database) -> None:
    archived = (await shop.create("Old", status="DRAFT"))["id"]
    fine = (await shop.create("New", status="DRAFT"))["id"]
    await scheduled(shop, archived, publish=ahead(1))
    await scheduled(shop, fine, publish=ahead(1))
    await shop.data("mutation($id: ID!) { archiveProduct(id: $id, version: 2) { id } }", id=archived)
    await do_all(at(database, 2))
    assert (await found(shop, fine))["status"] == "PUBLISHED"
    left = await found(shop, archived)
    assert (left["status"], left["version"]) == ("ARCHIVED", 3)
    assert "restore it first" in left["schedule"]["failure"]
    await shop.data("mutation($id: ID!) { restoreProduct(id: $id, version: 3) { id } }", id=archived)
    anew = await scheduled(shop, archived, 4, publish=ahead(1.5))
    assert anew["schedule"]["failure"] is None
    await do_all(at(database, 2))
    assert (await found(shop, archived))["status"] == "PUBLISHED"


async def test_a_schedule_is_replaced_cancelled_and_asked_for_again_without_harm(
    shop: Shop, database: Database
) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    when = ahead(1)
    assert (await scheduled(shop, made, publish=when))["version"] == 2
    assert (await scheduled(shop, made, publish=when))["version"] == 2  # again, as after a lost answer
    assert await shop.code(SCHEDULE, id=made, v=1, publish=ahead(2)) == "PRODUCT_CHANGED"
    assert (await scheduled(shop, made, 2, publish=ahead(4)))["version"] == 3
    await do_all(at(database, 2))
    assert (await found(shop, made))["status"] == "DRAFT"
    assert await shop.code(CANCEL, id=made, v=1) == "PRODUCT_CHANGED"
    for _ in range(2):
        answer = (await shop.data(CANCEL, id=made, v=3))["cancelSchedule"]
        assert answer == {"version": 4, "schedule": None}
    await do_all(at(database, 9))
    assert await found(shop, made) == {"status": "DRAFT", "version": 4, "schedule": None}


REFUSED = [
    ({}, "EMPTY_SCHEDULE"),
    ({"publish": "2020-01-01T00:00:00Z"}, "SCHEDULE_IN_THE_PAST"),
    ({"unpublish": "2020-01-01T00:00:00Z"}, "SCHEDULE_IN_THE_PAST"),
    ({"publish": "9999-12-31T23:59:59Z"}, "SCHEDULE_TOO_FAR"),
    ({"publish": ahead(48), "unpublish": ahead(24)}, "UNPUBLISH_BEFORE_PUBLISH"),
    ({"publish": ahead(48), "unpublish": "9999-01-01T00:00:00Z"}, "SCHEDULE_TOO_FAR"),
    ({"publish": "tomorrow"}, "BAD_USER_INPUT"),
    ({"publish": "2099-01-01T00:00:00"}, "BAD_USER_INPUT"),
]


@pytest.mark.parametrize(("when", "code"), REFUSED)
async def test_a_schedule_that_makes_no_sense_is_refused_and_changes_nothing(
    shop: Shop, when: dict[str, str], code: str
) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    assert await shop.code(SCHEDULE, id=made, v=1, **when) == code
    assert await found(shop, made) == {"status": "DRAFT", "version": 1, "schedule": None}


async def test_strangers_neither_schedule_nor_see_schedules(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp"))["id"]
    await scheduled(shop, made, unpublish=ahead(1))
    stranger = Shop(shop.service)
    assert await stranger.code(SCHEDULE, id=made, v=2, publish=ahead(1)) == "PRODUCT_NOT_FOUND"
    assert await stranger.code(CANCEL, id=made, v=2) == "PRODUCT_NOT_FOUND"
    assert await shop.code(SCHEDULE, STOREFRONT, id=made, v=2, publish=ahead(1)) == "FORBIDDEN"
    assert await shop.code(CANCEL, STOREFRONT, id=made, v=2) == "FORBIDDEN"
    assert await shop.code(PRODUCT, STOREFRONT, id=made) == "FORBIDDEN"
    assert await shop.code(SCHEDULE, id="7", v=1, publish=ahead(1)) == "INVALID_ID"
    assert (await found(shop, made))["version"] == 2
    await shop.data("mutation($id: ID!) { deleteProduct(id: $id, version: 2) }", id=made)
    await do_all(at(database, 2))
    assert await told(shop, database, made) == ["ProductCreated", "ProductUpdated", "ProductDeleted"]


async def test_schedules_of_fifty_products_are_one_statement(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        await scheduled(shop, (await shop.create(f"Lamp {number}"))["id"], unpublish=ahead(1))
    counts = []
    for size in (1, 3):
        with counting(monkeypatch) as sent:
            query = "query($n: Int!) { products(limit: $n) { schedule { unpublishAt } } }"
            listed = (await shop.data(query, MANAGEMENT, n=size))["products"]
        assert len(listed) == size
        counts.append(len(sent))
    assert counts == [2, 2]
