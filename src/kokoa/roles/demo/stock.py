"""Puts the demo shop's goods on its shelves: two warehouses; some articles are short, a few are gone."""

from zlib import crc32

from kokoa.kernel.ids import new_correlation_id
from kokoa.postgres import Database
from kokoa.services.inventory.actions import Cause, InventoryActions
from kokoa.services.inventory.model import StockRow
from kokoa.services.inventory.store import InventoryStore

_WAREHOUSES = (("helsinki", "Helsinki", 10), ("tampere", "Tampere", 20))
_SKUS = "SELECT sku FROM variants WHERE environment_id = $1 ORDER BY sku"


async def seed_stock(inventory: Database, catalog: Database, environment_id: str) -> None:
    """Nothing happens unless there is no location yet; so a start that was killed half way goes on."""
    actions, store = InventoryActions(inventory), InventoryStore(inventory)
    cause = Cause("service:demo", new_correlation_id(), "demo-stock")
    known = {one.key for one in await store.locations(environment_id)}
    if await store.page(environment_id, "", None, 1):
        return
    for key, name, priority in _WAREHOUSES:
        if key not in known:
            await actions.create_location(environment_id, key, name, priority, True, None, cause)
    skus = [row["sku"] for row in await catalog.fetch(environment_id, _SKUS)]
    rows = [
        StockRow(sku, key, quantity)
        for sku in skus
        for (key, _, _), quantity in zip(_WAREHOUSES, _quantities(sku), strict=True)
    ]
    if rows:
        await actions.set_stock(environment_id, rows, "RECEIVED", cause, dry_run=False)


def _quantities(sku: str) -> tuple[int, int]:
    """The same for a SKU each time: one of twelve is gone, one of six is short, the others are there."""
    dice = crc32(sku.encode())
    if dice % 12 == 0:
        return 0, 0
    if dice % 6 == 1:
        return dice // 12 % 3 + 1, 0
    return dice // 12 % 60 + 10, dice // 720 % 40
