"""queries.sql ⇄ model. Every read takes many products or variants at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from kokoa.postgres import Database, Row, load_queries
from kokoa.services.catalog.channels.errors import ChannelNotFound
from kokoa.services.catalog.channels.model import KEY_MAX, Channel, Price

queries = load_queries(Path(__file__).with_name("queries.sql"))


class ChannelStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def channels(self, environment_id: str) -> list[Channel]:
        """By key."""
        return [channel_of(row) for row in await self._database.fetch(environment_id, queries.channels_all)]

    async def channels_of(self, environment_id: str, product_ids: Sequence[str]) -> dict[str, list[str]]:
        """The keys that products are limited to, by product id; products in all channels are missing."""
        rows = await self._database.fetch(environment_id, queries.channels_of_products, list(product_ids))
        return {str(row["product_id"]): row["channels"] for row in rows}

    async def available(self, environment_id: str, product_ids: Sequence[str], channel: str) -> set[str]:
        """Those of these products that are in a channel; none when there is no such channel."""
        rows = await self._database.fetch(environment_id, queries.available, list(product_ids), channel)
        return {str(row["id"]) for row in rows}

    async def prices(self, environment_id: str, variant_ids: Sequence[str]) -> dict[str, list[Price]]:
        """All prices beside the variants' own, by variant id."""
        rows = await self._database.fetch(environment_id, queries.prices_of_variants, list(variant_ids))
        return _by_variant(rows)

    async def prices_in(
        self, environment_id: str, variant_ids: Sequence[str], currency: str
    ) -> dict[str, list[Price]]:
        """Prices in a currency in all channels, by variant id."""
        rows = await self._database.fetch(environment_id, queries.prices_in_all, list(variant_ids), currency)
        return _by_variant(rows)

    async def prices_in_channel(
        self, environment_id: str, variant_ids: Sequence[str], channel: str
    ) -> tuple[str | None, dict[str, list[Price]]]:
        """The channel's currency, and the prices that may be chosen there, by variant id. Raises ChannelNotFound."""
        rows = await self._database.fetch(environment_id, queries.prices_in_channel, list(variant_ids), channel)
        if not rows:
            raise ChannelNotFound(f"There is no channel {channel[:KEY_MAX]!r}.")
        return rows[0]["channel_currency"], _by_variant(row for row in rows if row["variant_id"])


def channel_of(row: Row) -> Channel:
    """A row of any of the channel statements."""
    return Channel(str(row["id"]), *tuple(row)[1:])


def price_of(row: Row) -> Price:
    """A row of any of the price statements."""
    return Price(str(row["variant_id"]), row["channel"], row["currency"], row["price_minor"])


def _by_variant(rows: Iterable[Row]) -> dict[str, list[Price]]:
    found: dict[str, list[Price]] = defaultdict(list)
    for price in map(price_of, rows):
        found[price.variant_id].append(price)
    return found
