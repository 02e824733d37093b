"""queries.sql ⇄ model."""

from collections.abc import Sequence
from pathlib import Path

from kokoa.kernel.places import Destination, Place
from kokoa.postgres import Database, Row, load_queries
from kokoa.services.taxes.model import Category, Named, Percentage, Rate, Settings, Table, Zone

queries = load_queries(Path(__file__).with_name("queries.sql"))


class TaxesStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def table_for(
        self, environment_id: str, destination: Destination, skus: Sequence[str], keys: Sequence[str]
    ) -> tuple[Table, Named]:
        """What taxes a destination now, and what is known of these articles and these keys of categories."""
        to = destination
        rows = await self._database.fetch(
            environment_id, queries.table_for, to.country, to.region, to.prefixes, list(skus), list(keys)
        )
        first = rows[0]
        usually = True if first["usually"] is None else first["usually"]
        here = first["prices_include_tax"]
        rates: dict[str, list[Percentage]] = {}
        named = Named(set(), {})
        for row in rows:
            if row["key"] is not None:
                rate = Percentage(row["key"], row["name"], row["basis_points"])
                rates.setdefault(row["category"], []).append(rate)
            elif row["sku"] is not None:
                named.own[row["sku"]] = row["category"]
            elif row["category"] is not None:
                named.known.add(row["category"])
        settings = Settings(first["default_category"], usually, first["seller_country"])
        return Table(settings, first["zone"], usually if here is None else here, rates), named

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
