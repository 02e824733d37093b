"""From catalog's events to the search index: which of them are followed, and by whom."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self, cast

import kokoa.services.search.service as search
from contract.catalog_shop import Shop
from kokoa.kernel.call import Call
from kokoa.messaging import Bus, relay_once
from kokoa.postgres import Database
from kokoa.roles.indexing import keep_index, note_changes
from kokoa.roles.worker import DatabaseOutbox
from kokoa.services.catalog.service import CatalogService
from kokoa.services.search.actions import SearchActions
from kokoa.services.search.store import SearchStore
from kokoa.services.search.waiting.store import StaleStore
from servers import ConnectService, until


class Indexed:
    """Stands for the index: what it was asked to look at."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, frozenset[str], list[str]]] = []
        self.lags: dict[str, int] = {}
        self.rebuilt: list[str] = []

    @property
    def store(self) -> Self:
        return self

    async def note_lag(self, environment_id: str, lag_ms: int) -> None:
        self.lags[environment_id] = lag_ms

    async def begin_rebuild(self, environment_id: str, language: str | None) -> None:
        self.rebuilt.append(environment_id)

    async def index(self, product_ids: Sequence[str], call: Call) -> frozenset[str]:
        self.calls.append((call.environment_id, call.caller.scopes, list(product_ids)))
        return frozenset()

    def of(self, environment_id: str) -> list[str]:
        return [one for environment, _, ids in self.calls if environment == environment_id for one in ids]


async def test_products_are_indexed_as_a_storefront_and_events_of_categories_do_not_stop_it(
    catalog: tuple[CatalogService, Database], connect_service: ConnectService, bus: Bus
) -> None:
    shop, indexed = Shop(catalog[0]), Indexed()
    stale = StaleStore(await connect_service("search", search.FOLDER / "migrations"))
    create = 'mutation { createCategory(input: {name: "Lamps"}) { id version } }'
    made: Any = (await shop.data(create))["createCategory"]
    product = (await shop.create("Lamp", category="lamps"))["id"]
    archive = "mutation($id: ID!) { archiveProduct(id: $id, version: 1) { version } }"
    await shop.data(archive, id=product)
    rename = "mutation($input: RenameCategoryInput!) { renameCategory(input: $input) { version } }"
    await shop.data(rename, input={**made, "name": "Lights"})
    await relay_once(DatabaseOutbox(catalog[1]), bus)
    jobs = [
        asyncio.ensure_future(note_changes(bus, cast(SearchStore, indexed), stale)),
        asyncio.ensure_future(keep_index(bus, cast(SearchActions, indexed), stale)),
    ]
    try:
        await until(lambda: shop.environment_id in indexed.lags or any(job.done() for job in jobs), within_s=60)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
    assert set(indexed.of(shop.environment_id)) == {product}
    # The category's new path concerns products that no event names.
    assert shop.environment_id in indexed.rebuilt
    assert 0 <= indexed.lags[shop.environment_id] < 3_600_000
    assert {scopes for _, scopes, _ in indexed.calls} == {frozenset({"storefront"})}
