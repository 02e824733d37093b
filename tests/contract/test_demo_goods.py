"""The demo shop is there after one start, and after one that was killed; a merchant's catalogue is left alone."""

import asyncio
from typing import Any

import pytest

from contract.catalog_shop import STOREFRONT, Shop
from kokoa.postgres import Database
from kokoa.roles.demo import goods
from kokoa.roles.demo.content import shop_content
from kokoa.roles.demo.goods import seed_goods
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import CatalogService

SHOWN = """{ channels { key currency } product(slug: "heron-floor-lamp") { version name category { path }
  media { url(rendition: THUMBNAIL) width } variants { priceIn(channel: "america") { currency } }
  related { slug } } }"""
EVENTS = "SELECT event_type, count(*) FROM outbox WHERE environment_id = $1 GROUP BY event_type"


class Killed(Exception):
    """Stands for the end of the process."""


async def test_a_seed_that_was_killed_is_begun_anew_and_leaves_one_shop(
    catalog: tuple[CatalogService, Database], media_objects: MediaObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, database = catalog
    shop = Shop(service)

    async def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(goods, "_insert_pictures", killed)
        with pytest.raises(Killed):
            await seed_goods(database, media_objects, shop.environment_id)
    assert await shop.data("{ products { id } channels { key } }") == {"products": [], "channels": []}
    for _ in range(2):
        await seed_goods(database, media_objects, shop.environment_id)
    found = await shop.data(SHOWN, STOREFRONT)
    assert found["channels"] == [{"key": "america", "currency": "USD"}, {"key": "europe", "currency": "EUR"}]
    product = found["product"]
    assert (product["version"], product["category"]["path"]) == (1, "lighting/lamps/floor-lamps")
    assert [one["priceIn"]["currency"] for one in product["variants"]] == ["USD", "USD"]
    assert [one["width"] for one in product["media"]] == [480]
    assert len(product["related"]) == 3
    told = {row[0]: row[1] for row in await database.fetch(shop.environment_id, EVENTS)}
    assert sum(count for kind, count in told.items() if "ProductCreated" in kind) == len(shop_content().products)


async def test_two_starts_at_once_fill_the_catalogue_once(
    catalog: tuple[CatalogService, Database], media_objects: MediaObjects
) -> None:
    service, database = catalog
    shop = Shop(service)
    await asyncio.gather(*(seed_goods(database, media_objects, shop.environment_id) for _ in range(2)))
    counted = await database.fetchval(shop.environment_id, "SELECT count(*) FROM products WHERE environment_id = $1")
    assert counted == len(shop_content().products)


async def test_a_catalogue_that_holds_anything_is_left_alone(
    catalog: tuple[CatalogService, Database], media_objects: MediaObjects
) -> None:
    service, database = catalog
    shop, emptied = Shop(service), Shop(service)
    await shop.create("Something of the merchant's own")
    await seed_goods(database, media_objects, emptied.environment_id)
    await database.execute(emptied.environment_id, "DELETE FROM bundle_items WHERE environment_id = $1")
    await database.execute(emptied.environment_id, "DELETE FROM products WHERE environment_id = $1")
    for one in (shop, emptied):
        await seed_goods(database, media_objects, one.environment_id)
    assert [one["name"] for one in (await shop.data("{ products { name } }"))["products"]] == [
        "Something of the merchant's own"
    ]
    assert (await emptied.data("{ products { id } }"))["products"] == []
