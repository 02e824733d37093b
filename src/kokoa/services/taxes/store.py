"""queries.sql ⇄ model."""

import math
from collections.abc import Hashable, Sequence
from pathlib import Path

import msgspec

from kokoa.kernel.places import Destination, Place, Precision
from kokoa.postgres import Database, Row, load_queries
from kokoa.postgres.leases import Leases, Read
from kokoa.services.taxes.model import Category, Named, Percentage, Rate, Scope, Settings, Table, Zone

queries = load_queries(Path(__file__).with_name("queries.sql"))

NAMED_KEPT_MAX = 100
"""Articles and categories that an answer is kept for: more of them are asked for each time."""


class KnownTable(msgspec.Struct, frozen=True):
    """What was read for a destination and what was named with it."""

    scope: Scope
    table: Table
    named: Named


class TaxesStore:
    """Reads of one environment each; one statement a call, or none where it is kept."""

    def __init__(self, database: Database, kept: Leases[KnownTable]) -> None:
        self._database = database
        self._kept = kept

    async def table_for(
        self, environment_id: str, destination: Destination, skus: Sequence[str], keys: Sequence[str]
    ) -> tuple[Table, Named]:
        """What taxes a destination now, and what is known of these articles and these keys of categories.

        What was read for one is kept for all to whom it applies: destinations that the places of the country do not
        tell apart, and, as long as no article has a category of its own, whatever articles.
        """
        known = self._known(environment_id, destination, skus, keys)
        if known is None:
            asked = (destination, tuple(skus), tuple(keys))
            known = await self._kept.read(
                environment_id, asked, lambda: self._read(environment_id, destination, skus, keys)
            )
        return known.table, known.named

    def _known(
        self, environment_id: str, destination: Destination, skus: Sequence[str], keys: Sequence[str]
    ) -> KnownTable | None:
        near = self._kept.peek(environment_id, destination.country)
        if near is None:
            return None
        return self._kept.peek(environment_id, _key(near.scope, destination, skus, keys))

    async def _read(
        self, environment_id: str, to: Destination, skus: Sequence[str], keys: Sequence[str]
    ) -> Read[KnownTable]:
        rows = await self._database.fetch(
            environment_id, queries.table_for, to.country, to.region, to.prefixes, list(skus), list(keys)
        )
        first = rows[0]
        scope = Scope(Precision(first["by_region"], first["postal_length"]), first["by_sku"])
        known = KnownTable(scope, _table(rows), _named(rows))
        if len(keys) + (len(skus) if scope.by_sku else 0) > NAMED_KEPT_MAX:
            return Read(known)
        lasts_s = min((row["lasts_s"] for row in rows if row["lasts_s"] is not None), default=math.inf)
        return Read(known, to.country, _key(scope, to, skus, keys), lasts_s=lasts_s)

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


def _key(scope: Scope, destination: Destination, skus: Sequence[str], keys: Sequence[str]) -> Hashable:
    """What is asked without what makes no difference. The scope is in it: what was read before a change and what was
    read after it are never taken together."""
    return scope, scope.precision.of(destination), tuple(skus) if scope.by_sku else (), tuple(keys)


def _table(rows: Sequence[Row]) -> Table:
    first = rows[0]
    usually = True if first["usually"] is None else first["usually"]
    here = first["prices_include_tax"]
    rates: dict[str, tuple[Percentage, ...]] = {}
    for row in rows:
        if row["key"] is not None and not row["coming"]:
            rate = Percentage(row["key"], row["name"], row["basis_points"])
            rates[row["category"]] = (*rates.get(row["category"], ()), rate)
    settings = Settings(first["default_category"], usually, first["seller_country"])
    return Table(settings, first["zone"], usually if here is None else here, rates)


def _named(rows: Sequence[Row]) -> Named:
    named = [row for row in rows if row["key"] is None and row["category"] is not None]
    known = frozenset(row["category"] for row in named if row["sku"] is None)
    return Named(known, {row["sku"]: row["category"] for row in named if row["sku"] is not None})


def settings_of(row: Row | None) -> Settings:
    """Those of an environment where nothing was said, when there is no row."""
    return Settings() if row is None else Settings(*row)


def zone_of(row: Row) -> Zone:
    """A row of any of the zone statements."""
    places = tuple(map(Place, row["countries"], row["regions"], row["prefixes"]))
    return Zone(row["key"], row["name"], row["prices_include_tax"], row["version"], places)
