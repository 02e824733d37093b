"""The demo shop's channels and dollars are there after one start, and after a start that was killed half way."""

from contract.catalog_shop import STOREFRONT, Shop
from kokoa.postgres import Database
from kokoa.roles.demo.channels import seed_channels
from kokoa.services.catalog.service import CatalogService

PRICES = """{ channels { key currency } products(channel: "america") { version variants {
  sku priceMinor priceIn(channel: "america") { currency } } } }"""


async def test_the_demo_shop_sells_in_dollars_too_however_often_it_is_begun(
    catalog: tuple[CatalogService, Database],
) -> None:
    service, database = catalog
    shop = Shop(service)
    variant = {"sku": "LMP-EMBR", "priceMinor": 12_900, "currency": "EUR"}
    await shop.create("Ember table lamp", variants=[variant])
    await shop.create("Something of the merchant's own")
    for _ in range(2):
        await seed_channels(database, shop.environment_id)
    await database.execute(shop.environment_id, "DELETE FROM channels WHERE environment_id = $1 AND key = 'america'")
    await seed_channels(database, shop.environment_id)
    found = await shop.data(PRICES, STOREFRONT)
    channels = [{"key": "america", "currency": "USD"}, {"key": "europe", "currency": "EUR"}]
    assert found["channels"] == channels
    seen = {v["sku"]: v["priceIn"]["currency"] for one in found["products"] for v in one["variants"]}
    assert seen["LMP-EMBR"] == "USD"
    assert {seen[sku] for sku in seen if sku != "LMP-EMBR"} == {"EUR"}
    assert sorted(one["version"] for one in found["products"]) == [1, 2]
