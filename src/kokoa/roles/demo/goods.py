"""Fills the demo store: pictures first, then one transaction with all goods and their events.

    claim the pictures' rows → write their files → transaction: locales … products … pictures, events

Only an empty catalogue is filled: whatever a merchant made of it stays. Killed before the transaction commits, it is
begun anew, and files that are there are written again.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database, Event, Transaction
from kokoa.roles.demo.content import PICTURE_SIDE, ProductContent, ShopContent, picture, shop_content
from kokoa.services.catalog import events
from kokoa.services.catalog.bulk import store as bulk
from kokoa.services.catalog.bulk.model import Changes
from kokoa.services.catalog.categories.store import queries as category_queries
from kokoa.services.catalog.channels.store import queries as channel_queries
from kokoa.services.catalog.media.errors import MediaBeingRemoved
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.media.store import MediaStore
from kokoa.services.catalog.media.store import queries as media_queries
from kokoa.services.catalog.model import Product, Variant, first_version
from kokoa.services.catalog.relations.store import queries as relation_queries
from kokoa.services.catalog.store import queries
from kokoa.services.catalog.translations.events import LocalesChanged
from kokoa.services.catalog.translations.model import locales_of
from kokoa.services.catalog.translations.store import queries as translation_queries
from kokoa.services.catalog.types.definitions import read_definitions
from kokoa.services.catalog.types.model import definitions_text
from kokoa.services.catalog.types.store import queries as type_queries
from kokoa.services.catalog.types.writing import create_details

_PICTURES_AT_ONCE = 8


class _Goods(msgspec.Struct, frozen=True):
    """What is written.  products: beside their content, in the same order.  variants: ids by SKU."""

    content: ShopContent
    products: Sequence[Product]
    variants: Mapping[str, str]
    pictures: Mapping[str, str]

    def both(self) -> list[tuple[Product, ProductContent]]:
        return list(zip(self.products, self.content.products, strict=True))


async def seed_goods(database: Database, objects: MediaObjects, environment_id: str) -> None:
    """Nothing happens unless the catalogue is empty. Raises MediaBeingRemoved, MediaStoreUnavailable."""
    async with database.transaction(environment_id) as tx:
        if not await _is_empty(tx):
            return
    content, now = shop_content(), datetime.now(UTC)
    pictures = await _put_pictures(MediaStore(database), objects, environment_id, content)
    made = [
        first_version(new_id(), one.as_new(content.default_locale, content.currency), now) for one in content.products
    ]
    variants = {variant.sku: new_id() for one in content.products for variant in one.variants}
    goods = _Goods(content, made, variants, pictures)
    async with database.transaction(environment_id) as tx:
        await tx.execute(channel_queries.lock_channels)
        if not await _is_empty(tx):  # somebody was faster
            return
        told = [
            *await _insert_frame(tx, goods),
            *await _insert_categories(tx, content),
            *await _insert_products(tx, goods),
        ]
        await _insert_texts(tx, goods)
        await _insert_prices(tx, goods)
        await _insert_relations(tx, goods)
        await _insert_pictures(tx, goods)
        await tx.emit(*told, correlation_id=new_correlation_id())


async def _is_empty(tx: Transaction) -> bool:
    """Whether there is neither a product nor anything that products stand in."""
    categories = await tx.fetchrow(category_queries.count_all, None)
    assert categories is not None, "it counts"
    return not (
        categories["in_all"]
        or await tx.fetch(queries.products_page, 1, 0)
        or await tx.fetch(channel_queries.channels_all)
        or await tx.fetch(translation_queries.all_locales)
        or await tx.fetch(type_queries.types_page, 1, 0)
    )


async def _put_pictures(
    media: MediaStore, objects: MediaObjects, environment_id: str, content: ShopContent
) -> dict[str, str]:
    """The hash of each picture by its name; all their files are there."""
    at_once = asyncio.Semaphore(_PICTURES_AT_ONCE)

    async def put(name: str) -> tuple[str, str]:
        async with at_once:
            upload, renditions = picture(name)
            content_hash = hashlib.sha256(upload).hexdigest()
            claimed = await media.claim(environment_id, content_hash)
            if claimed is None:
                raise MediaBeingRemoved("A picture of the demo shop is being removed just now; start again.")
            if not claimed.ready:
                await objects.put_renditions(environment_id, content_hash, renditions)
            return name, content_hash

    return dict(await asyncio.gather(*map(put, sorted({one.picture for one in content.products}))))


async def _insert_frame(tx: Transaction, goods: _Goods) -> list[Event]:
    """Locales, countries, channels and product types."""
    content = goods.content
    locales = locales_of(content.default_locale, [(code, None) for code in content.locales])
    rows = [(one.code, place, one.is_default, one.fallback, list(one.chain)) for place, one in enumerate(locales)]
    await tx.executemany(translation_queries.put_locale, rows)
    await tx.executemany(queries.put_country, [(one.code, one.name) for one in content.countries])
    told: list[Event] = [LocalesChanged(default=content.default_locale)]
    for channel in content.channels:
        channel_id = new_id()
        values = (channel.key, channel.name, channel.currency, channel.countries)
        await tx.execute(channel_queries.insert_channel, channel_id, *values)
        told.append(events.ChannelCreated(channel_id=channel_id, channel=channel.key, version=1))
    for kind in content.types:
        type_id, definitions = new_id(), definitions_text(read_definitions(kind.attributes))
        await tx.execute(type_queries.insert_type, type_id, kind.key, kind.name, definitions, 1)
        told.append(events.ProductTypeCreated(product_type_id=type_id, product_type=kind.key, version=1))
    return told


async def _insert_categories(tx: Transaction, content: ShopContent) -> list[Event]:
    ids = {one.path: new_id() for one in content.categories}
    rows, translations = [], []
    for position, one in enumerate(content.categories):
        above, _, slug = one.path.rpartition("/")
        name, depth = one.names[content.default_locale], one.path.count("/") + 1
        rows.append((ids[one.path], ids.get(above), slug, name, one.path, depth, position))
        translations += [(ids[one.path], locale, one.names[locale], None, None) for locale in content.locales]
    await tx.execute(category_queries.insert_categories, *map(list, zip(*rows, strict=True)))
    await tx.executemany(translation_queries.put_category_translation, translations)
    return [events.CategoryCreated(category_id=found, version=1, path=path) for path, found in ids.items()]


async def _insert_products(tx: Transaction, goods: _Goods) -> list[Event]:
    """With variants, types, attributes and options."""
    currency = goods.content.currency
    variants = [
        (place, Variant(goods.variants[one.sku], made.id, one.sku, one.name, one.prices[currency], currency))
        for made, content in goods.both()
        for place, one in enumerate(content.variants)
    ]
    await bulk.write(tx, Changes(list(goods.products), [], variants, [], [], []))
    details = [
        (made.id, {one.sku: goods.variants[one.sku] for one in content.variants}, content.details())
        for made, content in goods.both()
    ]
    await create_details(tx, details)
    return [events.ProductCreated(product_id=one.id, version=1, status=one.status) for one in goods.products]


async def _insert_texts(tx: Transaction, goods: _Goods) -> None:
    rows = [
        (made.id, locale, *msgspec.structs.astuple(content.texts[locale]))
        for made, content in goods.both()
        for locale in goods.content.locales
    ]
    await tx.executemany(translation_queries.put_product_translation, rows)


async def _insert_prices(tx: Transaction, goods: _Goods) -> None:
    """In other currencies than the products' own, in all channels."""
    rows = [
        (goods.variants[one.sku], None, currency, price_minor)
        for content in goods.content.products
        for one in content.variants
        for currency, price_minor in one.prices.items()
        if currency != goods.content.currency
    ]
    await tx.execute(channel_queries.insert_prices, *map(list, zip(*rows, strict=True)))


async def _insert_relations(tx: Transaction, goods: _Goods) -> None:
    """Related products and bundles."""
    ids = {made.slug: made.id for made in goods.products}
    related = [(made.id, "RELATED", [ids[slug] for slug in content.related]) for made, content in goods.both()]
    await tx.executemany(relation_queries.insert_related, related)
    bundles = [
        (made.id, [goods.variants[item.sku] for item in content.bundle], [item.quantity for item in content.bundle])
        for made, content in goods.both()
        if content.bundle
    ]
    await tx.executemany(relation_queries.insert_bundle, bundles)


async def _insert_pictures(tx: Transaction, goods: _Goods) -> None:
    """Raises MediaBeingRemoved."""
    for content_hash in goods.pictures.values():
        if await tx.fetchval(media_queries.file_ready, content_hash, PICTURE_SIDE, PICTURE_SIDE) is None:
            raise MediaBeingRemoved("A picture of the demo shop is being removed just now; start again.")
    rows = [
        (new_id(), made.id, 0, made.name, goods.pictures[content.picture], PICTURE_SIDE, PICTURE_SIDE)
        for made, content in goods.both()
    ]
    await tx.executemany(media_queries.insert_media, rows)
