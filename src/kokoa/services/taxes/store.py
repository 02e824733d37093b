"""queries.sql ⇄ model."""

from collections.abc import Sequence
from pathlib import Path

from kokoa.kernel.places import Destination, Place
from kokoa.postgres import Database, Row, load_queries
from kokoa.services.taxes.model import Category, Percentage, Rate, Settings, Table, Zone

queries = load_queries(Path(__file__).with_name("queries.sql"))


class TaxesStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def table_for(self, environment_id: str, destination: Destination) -> Table:
        """What taxes a destination now."""
        rows = await self._database.fetch(
            environment_id, queries.table_for, destination.country, destination.region, destination.prefixes
        )
        first = rows[0]
        usually = True if first["usually"] is None else first["usually"]
        here = first["prices_include_tax"]
        rates: dict[str, list[Percentage]] = {}
        for row in rows:
            if row["key"] is not None:
                rates.setdefault(row["category"], []).append(Percentage(*tuple(row)[5:6], *tuple(row)[7:]))
        settings = Settings(first["default_category"], usually, first["seller_country"])
        return Table(settings, first["zone"], usually if here is None else here, rates)

    async def named_categories(
        self, environment_id: str, keys: Sequence[str], skus: Sequence[str]
    ) -> tuple[set[str], dict[str, str]]:
        """Which of these keys there are, and which of these articles have which."""
        rows = await self._database.fetch(environment_id, queries.named_categories, list(keys), list(skus))
        known = {row["category"] for row in rows if row["sku"] is None}
        return known, {row["sku"]: row["category"] for row in rows if row["sku"] is not None}

    async def categories_of(self, environment_id: str, skus: Sequence[str]) -> dict[str, str]:
        """By SKU; those that have none of their own are missing."""
        rows = await self._database.fetch(environment_id, queries.categories_of, list(skus))
        return {row["sku"]: row["category"] for row in rows}

    async def settings(self, environment_id: str) -> Settings:
        return settings_of(await self._database.fetchrow(environment_id, queries.settings))

    async def categories(self, environment_id: str) -> list[Category]:
        """By key."""
        return [Category(*row) for row in await self._database.fetch(environment_id, queries.categories)]

    async def zones(self, environment_id: str, after: str, limit: int) -> list[Zone]:
        """By key."""
        return [zone_of(row) for row in await self._database.fetch(environment_id, queries.zones_page, after, limit)]

    async def rates(self, environment_id: str, after: str, zone: str | None, limit: int) -> list[Rate]:
        """By key.  zone: None for all."""
        rows = await self._database.fetch(environment_id, queries.rates_page, after, zone, limit)
        return [Rate(*row) for row in rows]


def settings_of(row: Row | None) -> Settings:
    """Those of an environment where nothing was said, when there is no row."""
    return Settings() if row is None else Settings(*row)


def zone_of(row: Row) -> Zone:
    """A row of any of the zone statements."""
    places = tuple(map(Place, row["countries"], row["regions"], row["prefixes"]))
    return Zone(row["key"], row["name"], row["prices_include_tax"], row["version"], places)
