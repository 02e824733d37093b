"""The demo shop sells in two channels and two currencies. Begun anew after a crash, it goes on where it was."""

from pathlib import Path

import msgspec

from kokoa.kernel.ids import new_correlation_id
from kokoa.postgres import Database
from kokoa.services.catalog.channels.actions import ChannelActions
from kokoa.services.catalog.channels.store import ChannelStore
from kokoa.services.catalog.store import CatalogStore

_CHANNELS = Path(__file__).with_name("channels.json")
_PRODUCTS_MAX = 100


class _Channel(msgspec.Struct):
    key: str
    name: str
    currency: str
    countries: list[str]


class _Channels(msgspec.Struct):
    """prices_minor: in `currency`, in all channels, by SKU."""

    channels: list[_Channel]
    currency: str
    prices_minor: dict[str, int]


async def seed_channels(database: Database, environment_id: str) -> None:
    """Prices first and channels last, so that a store with channels is one in which nothing is missing."""
    store, actions, correlation_id = ChannelStore(database), ChannelActions(database), new_correlation_id()
    demo = msgspec.json.decode(_CHANNELS.read_bytes(), type=_Channels)
    missing = {one.key for one in demo.channels} - {one.key for one in await store.channels(environment_id)}
    if not missing:
        return
    products = await CatalogStore(database).products(environment_id, limit=_PRODUCTS_MAX, offset=0)
    variants = await CatalogStore(database).variants_of(environment_id, [one.id for one in products])
    for product in products:
        prices = [
            {"sku": one.sku, "prices": [{"currency": demo.currency, "price_minor": demo.prices_minor[one.sku]}]}
            for one in variants.get(product.id, [])
            if one.sku in demo.prices_minor and one.currency != demo.currency
        ]
        await actions.set_prices(environment_id, product.id, product.version, prices, correlation_id=correlation_id)
    for one in demo.channels:
        if one.key in missing:
            await actions.create(
                environment_id, one.key, one.name, one.currency, one.countries, correlation_id=correlation_id
            )
