"""Channels, what is in them and for which prices; one function a mutation, one transaction, its events."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from kokoa.kernel.ids import new_id
from kokoa.kernel.text import is_plain
from kokoa.postgres import Database, Transaction
from kokoa.services.catalog import events
from kokoa.services.catalog.channels.errors import (
    ChannelChanged,
    ChannelInUse,
    ChannelKeyTaken,
    ChannelNotFound,
    TooManyChannels,
)
from kokoa.services.catalog.channels.model import (
    CHANNELS_MAX,
    Channel,
    ChannelChanges,
    Price,
    changed,
    read_prices,
    require_channel,
    require_keys,
)
from kokoa.services.catalog.channels.store import channel_of, price_of, queries
from kokoa.services.catalog.model import Product, Variant
from kokoa.services.catalog.parts.actions import advance, locked, tell
from kokoa.services.catalog.store import queries as product_queries
from kokoa.services.catalog.store import variant_of


class ChannelActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        environment_id: str,
        key: str,
        name: str,
        currency: str | None,
        countries: Sequence[str],
        *,
        correlation_id: str,
    ) -> Channel:
        """Raises InvalidChannel, ChannelKeyTaken, TooManyChannels."""
        require_channel(key, name, currency, countries)
        channel = Channel(new_id(), key, name, currency, list(countries), 1)
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_channels)
            known = [row["key"] for row in await tx.fetch(queries.channels_all)]
            if key in known:
                raise ChannelKeyTaken(f"Another channel has the key {key!r}.")
            if len(known) >= CHANNELS_MAX:
                raise TooManyChannels(f"An environment has at most {CHANNELS_MAX} channels.")
            await tx.execute(queries.insert_channel, *msgspec.structs.astuple(channel)[:-1])
            event = events.ChannelCreated(channel_id=channel.id, channel=key, version=1)
            await tx.emit(event, correlation_id=correlation_id)
        return channel

    async def update(
        self, environment_id: str, channel_id: str, version: int, changes: ChannelChanges, *, correlation_id: str
    ) -> Channel:
        """Raises InvalidChannel, ChannelNotFound, ChannelChanged."""
        async with self._database.transaction(environment_id) as tx:
            before = await _locked(tx, channel_id)
            after = changed(before, changes)
            if after == before:
                return before
            _require_version(before, version)
            after = msgspec.structs.replace(after, version=version + 1)
            await tx.execute(
                queries.update_channel, after.id, after.name, after.currency, after.countries, after.version
            )
            event = events.ChannelUpdated(channel_id=after.id, channel=after.key, version=after.version)
            await tx.emit(event, correlation_id=correlation_id)
        return after

    async def delete(self, environment_id: str, channel_id: str, version: int, *, correlation_id: str) -> None:
        """Raises ChannelNotFound, ChannelChanged, ChannelInUse."""
        try:
            async with self._database.transaction(environment_id) as tx:
                before = await _locked(tx, channel_id)
                _require_version(before, version)
                if await tx.fetchval(queries.channel_has_products, before.key):
                    raise ChannelInUse("Products are limited to this channel; give them others first.")
                await tx.execute(queries.delete_channel, channel_id)
                event = events.ChannelDeleted(channel_id=channel_id, channel=before.key, version=version + 1)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise ChannelInUse("Variants have prices in this channel; remove them first.") from error

    async def set_product_channels(
        self, environment_id: str, product_id: str, version: int, keys: Sequence[str] | None, *, correlation_id: str
    ) -> Product:
        """Where the product is sold; None: everywhere. Raises ProductNotFound, ProductChanged, ChannelNotFound."""
        async with self._database.transaction(environment_id) as tx:
            before = await locked(tx, product_id)
            wanted = await _keep_channels(tx, keys)
            found = await tx.fetchrow(queries.channels_of_products, [product_id])
            if wanted == (found["channels"] if found else None):
                return before
            after = await advance(tx, before, version)
            if wanted is None:
                await tx.execute(queries.delete_product_channels, product_id)
            else:
                await tx.execute(queries.put_product_channels, product_id, wanted)
            await tell(tx, after, correlation_id)
        return after

    async def set_prices(
        self,
        environment_id: str,
        product_id: str,
        version: int,
        given: Sequence[Mapping[str, Any]],
        *,
        correlation_id: str,
    ) -> Product:
        """All prices of variants of one product, beside their own; variants that are not named keep theirs.

        given: as VariantPricesInput, in snake case. Raises InvalidPrices, VariantNotFound, ChannelNotFound,
        ProductNotFound, ProductChanged.
        """
        async with self._database.transaction(environment_id) as tx:
            before = await locked(tx, product_id)
            variants = await _variants(tx, product_id)
            wanted = read_prices(given, variants)
            await _keep_channels(tx, [one.channel for prices in wanted.values() for one in prices if one.channel])
            ids = list(wanted)
            found = set(map(price_of, await tx.fetch(queries.prices_of_variants, ids)))
            prices = [one for of_variant in wanted.values() for one in of_variant]
            if found == set(prices):
                return before
            after = await advance(tx, before, version)
            await tx.execute(queries.delete_prices, ids)
            await _insert(tx, prices)
            await tell(tx, after, correlation_id)
        return after


async def _locked(tx: Transaction, channel_id: str) -> Channel:
    row = await tx.fetchrow(queries.channel_for_update, channel_id)
    if row is None:
        raise ChannelNotFound(f"There is no channel {channel_id}.")
    return channel_of(row)


def _require_version(channel: Channel, version: int) -> None:
    if channel.version != version:
        raise ChannelChanged(
            f"The channel is at version {channel.version}, not {version}. Read it again and repeat the change."
        )


async def _keep_channels(tx: Transaction, keys: Sequence[str] | None) -> list[str] | None:
    """The keys in order, which nobody deletes until the transaction ends. Raises ChannelNotFound."""
    if not keys:
        return None if keys is None else []
    rows = await tx.fetch(queries.channels_kept, list(filter(is_plain, keys)))
    return require_keys(keys, [row["key"] for row in rows])


async def _variants(tx: Transaction, product_id: str) -> list[Variant]:
    return [variant_of(row) for row in await tx.fetch(product_queries.variants_of_products, [product_id])]


async def _insert(tx: Transaction, prices: Sequence[Price]) -> None:
    await tx.execute(
        queries.insert_prices,
        [one.variant_id for one in prices],
        [one.channel for one in prices],
        [one.currency for one in prices],
        [one.price_minor for one in prices],
    )
