"""The worker's job that keeps the search index: which of catalog's events it follows."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self, cast

from contract.catalog_shop import Shop
from kokoa.kernel.call import Call
from kokoa.messaging import Bus, relay_once
from kokoa.postgres import Database
from kokoa.roles.worker import DatabaseOutbox, keep_index
from kokoa.services.catalog.service import CatalogService
from kokoa.services.search.actions import SearchActions
from servers import until


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
    catalog: tuple[CatalogService, Database], bus: Bus
) -> None:
    shop, indexed = Shop(catalog[0]), Indexed()
    create = 'mutation { createCategory(input: {name: "Lamps"}) { id version } }'
    made: Any = (await shop.data(create))["createCategory"]
    product = (await shop.create("Lamp", category="lamps"))["id"]
    archive = "mutation($id: ID!) { archiveProduct(id: $id, version: 1) { version } }"
    await shop.data(archive, id=product)
    rename = "mutation($input: RenameCategoryInput!) { renameCategory(input: $input) { version } }"
    await shop.data(rename, input={**made, "name": "Lights"})
    await relay_once(DatabaseOutbox(catalog[1]), bus)
    job = asyncio.ensure_future(keep_index(bus, cast(SearchActions, indexed)))
    try:
        await until(lambda: shop.environment_id in indexed.lags or job.done(), within_s=60)
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
    assert set(indexed.of(shop.environment_id)) == {product}
    # The category's new path concerns products that no event names.
    assert shop.environment_id in indexed.rebuilt
    assert 0 <= indexed.lags[shop.environment_id] < 3_600_000
    assert {scopes for _, scopes, _ in indexed.calls} == {frozenset({"storefront"})}
