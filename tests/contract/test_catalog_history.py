"""Who changed what of a product, when: every way of changing one is written down, in the change's transaction."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.catalog_shop import STOREFRONT, Shop
from contract.test_catalog_bulk import row, upsert
from contract.test_catalog_channels import LIMIT, SET_PRICES, channel, prices
from contract.test_catalog_relations import BUNDLE, DELETE, items, relate
from contract.test_catalog_schedules import SCHEDULE, ahead, at, do_all
from contract.test_catalog_staged_changes import PUBLISH, UPDATE, stage
from contract.test_catalog_statements import counting
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database, Transaction
from kokoa.services.catalog.audit.store import FORGET_BATCH
from kokoa.services.catalog.model import Category
from kokoa.services.catalog.service import CatalogService

HISTORY = """query($id: ID!, $first: Int! = 20, $after: String) {
  productHistory(id: $id, first: $first, after: $after) {
    cursor
    entries { at version kind actor { kind subject scopes } correlationId changes { field old new } } } }"""


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    shop = Shop(catalog[0])
    await shop.service.actions.put_categories(shop.environment_id, [Category("lamps", "Lamps")])
    return shop


async def history(shop: Shop, product_id: str) -> list[Any]:
    """The oldest first."""
    found = (await shop.data(HISTORY, id=product_id, first=100))["productHistory"]
    assert found["cursor"] is None
    return list(reversed(found["entries"]))


def fields(entry: Any) -> dict[str, tuple[str | None, str | None]]:
    return {one["field"]: (one["old"], one["new"]) for one in entry["changes"]}


async def test_a_change_names_its_caller_its_request_and_the_fields_with_old_and_new(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    caller = Caller("account", "123456789012", frozenset({"management", "storefront"}))
    call = Call(shop.environment_id, caller, new_correlation_id(), now_ms() + 60_000)
    change = {"id": made, "version": 1, "name": "Brass lamp", "category": "lamps"}
    before = datetime.now(UTC)
    assert not (await shop.service.subgraph.execute(UPDATE, {"input": change}, call)).errors
    created, updated = await history(shop, made)
    assert (created["kind"], created["version"], created["changes"]) == ("CREATED", 1, [])
    assert created["actor"] == {"kind": "server", "subject": "", "scopes": ["management", "storefront"]}
    assert updated["actor"] == {"kind": "account", "subject": "123456789012", "scopes": ["management", "storefront"]}
    assert (updated["kind"], updated["version"]) == ("UPDATED", 2)
    assert updated["correlationId"] == call.correlation_id
    assert fields(updated) == {"name": ("Lamp", "Brass lamp"), "category": (None, "lamps")}
    when = datetime.fromisoformat(updated["at"])
    assert before - timedelta(seconds=5) < when < datetime.now(UTC) + timedelta(seconds=5)


async def test_a_product_s_life_is_told_and_after_its_end_too(shop: Shop) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    for version, change in enumerate(("publish", "unpublish", "archive", "restore"), 1):
        document = f"mutation($id: ID!, $v: Int!) {{ p: {change}Product(id: $id, version: $v) {{ id }} }}"
        await shop.data(document, id=made, v=version)
    await shop.data(DELETE, id=made, v=5)
    entries = await history(shop, made)
    lived = ["CREATED", "PUBLISHED", "UNPUBLISHED", "ARCHIVED", "RESTORED", "DELETED"]
    assert [(one["kind"], one["version"]) for one in entries] == [(kind, n) for n, kind in enumerate(lived, 1)]
    assert fields(entries[1]) == {"status": ("DRAFT", "PUBLISHED")}
    assert fields(entries[-1])["name"] == ("Lamp", None)


async def test_an_import_is_one_entry_for_each_product_that_it_changes(shop: Shop) -> None:
    made = [one["id"] for one in (await upsert(shop, row("a"), row("b")))["rows"]]
    variants = [
        {"sku": "a-s", "name": "S", "priceMinor": 90, "currency": "EUR"},
        {"sku": "a.m", "name": "M", "priceMinor": 120, "currency": "EUR"},
    ]
    await upsert(shop, row("a", name="Crisps", variants=variants), row("b"))
    await upsert(shop, row("a", name="Crisps", variants=variants[1:], status="ARCHIVED"))
    assert [one["kind"] for one in await history(shop, made[1])] == ["CREATED"]
    created, second, third = await history(shop, made[0])
    assert created["changes"] == []
    assert fields(second) == {
        "name": ("Chips a", "Crisps"),
        "priceMinor": ("100", "90"),
        "variants.a-s.priceMinor": ("100", "90"),
        "variants.a.m.name": (None, "M"),
        "variants.a.m.position": (None, "1"),
        "variants.a.m.priceMinor": (None, "120"),
        "variants.a.m.currency": (None, "EUR"),
    }
    assert (third["kind"], fields(third)["variants.a-s.name"]) == ("ARCHIVED", ("S", None))
    assert fields(third)["variants.a.m.position"] == ("1", "0")


async def test_every_part_of_a_product_is_in_its_history(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp", status="DRAFT"))["id"]
    other = (await shop.create("Bulb"))["id"]
    await channel(shop, "eu")
    when = ahead(1)
    await shop.data(LIMIT, id=made, v=1, keys=["eu"])
    await shop.data(SET_PRICES, input=prices(made, 2, "Lamp-1", (None, "SEK", 5), ("eu", "EUR", 6)))
    await shop.data(SET_PRICES, input=prices(made, 3, "Lamp-1", (None, "SEK", 5), ("eu", "EUR", 7)))
    await relate(shop, made, 4, other, kind="UPSELL")
    await shop.data(BUNDLE, id=made, v=5, items=items(("Bulb-1", 3)))
    await stage(shop, made, 6, name="Brass lamp")
    await shop.data(SCHEDULE, id=made, v=7, publish=when)
    await do_all(at(database, 2))
    limited, priced, cheaper, related, bundled, staged, scheduled, published = (await history(shop, made))[1:]
    variant = (await shop.data("query($id: ID!) { product(id: $id) { variants { id } } }", id=made))["product"]
    prefix = f"prices.{variant['variants'][0]['id']}"
    assert fields(limited) == {"channels": (None, '["eu"]')}
    assert fields(priced) == {f"{prefix}.SEK.priceMinor": (None, "5"), f"{prefix}.EUR.eu.priceMinor": (None, "6")}
    assert fields(cheaper) == {f"{prefix}.EUR.eu.priceMinor": ("6", "7")}
    assert fields(related) == {"related.UPSELL.1.relatedId": (None, other)}
    assert [*fields(bundled).values()] == [(None, "1"), (None, "3")]
    assert fields(staged) == {"staged.changes": (None, '{"name":"Brass lamp"}')}
    assert fields(scheduled).keys() == {"schedule.publishAt"}
    assert published["kind"] == "PUBLISHED"
    assert published["actor"] == {"kind": "service", "subject": "catalog-schedules", "scopes": ["management"]}
    assert fields(published)["name"] == ("Lamp", "Brass lamp")
    assert fields(published)["status"] == ("DRAFT", "PUBLISHED")
    assert fields(published)["staged.changes"] == ('{"name":"Brass lamp"}', None)
    assert [one["version"] for one in await history(shop, made)] == list(range(1, 10))


async def test_what_did_not_happen_is_not_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await shop.create("Lamp"))["id"]
    assert await shop.code(UPDATE, input={"id": made, "version": 7, "name": "Late"}) == "PRODUCT_CHANGED"
    assert await shop.code(PUBLISH, id=new_id(), v=1) == "PRODUCT_NOT_FOUND"

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "emit", fail)
        assert await shop.code(UPDATE, input={"id": made, "version": 1, "name": "Lost"}) == "INTERNAL"
    await upsert(shop, row("dry"), dryRun=True)
    assert [one["kind"] for one in await history(shop, made)] == ["CREATED"]


async def test_a_category_that_moves_is_no_change_of_its_products(shop: Shop) -> None:
    made = (await shop.create("Lamp", category="lamps"))["id"]
    found = (await shop.data('{ category(path: "lamps") { id version } }'))["category"]
    rename = "mutation($i: RenameCategoryInput!) { renameCategory(input: $i) { path } }"
    await shop.data(rename, i={**found, "slug": "lights"})
    assert [one["kind"] for one in await history(shop, made)] == ["CREATED"]


async def test_long_values_are_kept_by_their_beginning(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    await shop.data(UPDATE, input={"id": made, "version": 1, "description": "é" * 20_000})
    ((old, new),) = fields((await history(shop, made))[1]).values()
    assert (old, new) == ("", "é" * 500 + "…")


async def test_pages_follow_each_other_and_bad_ones_are_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await shop.create("Lamp"))["id"]
    for version in range(1, 6):
        await shop.data(UPDATE, input={"id": made, "version": version, "name": f"Lamp {version}"})
    seen: list[int] = []
    after = None
    for _ in range(3):
        with counting(monkeypatch) as sent:
            page = (await shop.data(HISTORY, id=made, first=2, after=after))["productHistory"]
        assert len(sent) == 1
        seen += [one["version"] for one in page["entries"]]
        after = page["cursor"]
    assert (seen, after) == ([6, 5, 4, 3, 2, 1], None)
    for wrong in ("x", "1", "1.x", "9" * 30 + ".1", "\x00"):
        assert await shop.code(HISTORY, id=made, after=wrong) == "INVALID_CURSOR"
    assert await shop.code(HISTORY, id=made, first=0) == "INVALID_PAGE"
    assert await shop.code(HISTORY, id=made, first=101) == "INVALID_PAGE"
    assert await shop.code(HISTORY, id="7") == "INVALID_ID"


async def test_strangers_read_no_history(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    assert await history(Shop(shop.service), made) == []
    assert await shop.code(HISTORY, STOREFRONT, id=made) == "FORBIDDEN"


async def test_what_is_older_than_the_retention_goes_in_batches(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp"))["id"]
    old = """INSERT INTO product_history (environment_id, product_id, at, version, kind)
             SELECT $1, $2::uuid, timestamptz '2020-01-01Z' + n * interval '1 second', 1, 'UPDATED'
               FROM generate_series(1, $3::integer) n"""
    await database.execute(shop.environment_id, old, made, FORGET_BATCH + 10)
    store = shop.service.history
    moment = datetime(2021, 1, 1, tzinfo=UTC)
    assert [await store.forget_old(moment) for _ in range(3)] == [FORGET_BATCH, 10, 0]
    assert [one["kind"] for one in await history(shop, made)] == ["CREATED"]
