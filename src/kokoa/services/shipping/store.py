"""queries.sql ⇄ model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kokoa.kernel.places import Destination, Place
from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.shipping.model import Band, Method, Rate, Zone

queries = load_queries(Path(__file__).with_name("queries.sql"))

_METHOD_COLUMNS = len(Method.__struct_fields__)


class ShippingStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def offers_for(
        self, environment_id: str, destination: Destination, currency: str
    ) -> list[tuple[Method, Rate]]:
        """The active methods that have a rate for the destination's zone, in their order."""
        rows = await self._database.fetch(
            environment_id,
            queries.offers_for,
            destination.country,
            destination.region,
            destination.prefixes,
            currency,
        )
        return [(Method(*tuple(row)[:_METHOD_COLUMNS]), rate_of(row)) for row in rows]

    async def zones(self, environment_id: str, after: str, limit: int) -> list[Zone]:
        """By key."""
        return [zone_of(row) for row in await self._database.fetch(environment_id, queries.zones_page, after, limit)]

    async def methods(self, environment_id: str) -> list[Method]:
        """In their order."""
        return [Method(*row) for row in await self._database.fetch(environment_id, queries.methods)]

    async def rates_of(self, environment_id: str, methods: Sequence[str]) -> Mapping[str, list[Rate]]:
        """By method, in the order of zone and currency."""
        found: dict[str, list[Rate]] = {}
        for row in await self._database.fetch(environment_id, queries.rates_of, list(methods)):
            found.setdefault(row["method"], []).append(rate_of(row))
        return found


async def put_rates(tx: Transaction, method: str, rates: Sequence[Rate]) -> None:
    """The rates of a method as they are to be."""
    await tx.execute(queries.clear_rates, method)
    await tx.executemany(
        queries.insert_rate,
        [
            (
                method,
                rate.zone,
                rate.currency,
                rate.basis,
                [band.start for band in rate.bands],
                [band.price_minor for band in rate.bands],
                rate.free_from_minor,
                rate.max_weight_grams,
            )
            for rate in rates
        ],
    )


def zone_of(row: Row) -> Zone:
    """A row of any of the zone statements."""
    places = tuple(map(Place, row["countries"], row["regions"], row["prefixes"]))
    return Zone(row["key"], row["name"], row["version"], places)


def rate_of(row: Row) -> Rate:
    """A row of any statement that has a rate's columns."""
    bands = tuple(map(Band, row["band_starts"], row["band_prices"]))
    return Rate(row["zone"], row["currency"], row["basis"], bands, row["free_from_minor"], row["max_weight_grams"])
