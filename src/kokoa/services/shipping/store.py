"""queries.sql ⇄ model."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import msgspec

from kokoa.kernel.places import Destination, Place, Precision
from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.postgres.leases import Leases, Read
from kokoa.services.shipping.model import Band, Method, Rate, Zone

queries = load_queries(Path(__file__).with_name("queries.sql"))

_METHOD_COLUMNS = len(Method.__struct_fields__)

BANDS_KEPT_MAX = 1_000
"""Of all rates of an answer that is kept: one with more of them is asked for each time."""


class KnownOffers(msgspec.Struct, frozen=True):
    """What was read for a destination and a currency."""

    precision: Precision
    offers: tuple[tuple[Method, Rate], ...]


class ShippingStore:
    """Reads of one environment each; one statement a call, or none where it is kept."""

    def __init__(self, database: Database, kept: Leases[KnownOffers]) -> None:
        self._database = database
        self._kept = kept

    async def offers_for(
        self, environment_id: str, destination: Destination, currency: str
    ) -> Sequence[tuple[Method, Rate]]:
        """The active methods that have a rate for the destination's zone, in their order.

        What was read for one destination is kept for all that the places of its country do not tell apart.
        """
        known = self._known(environment_id, destination, currency)
        if known is None:
            asked = (destination, currency)
            known = await self._kept.read(
                environment_id, asked, lambda: self._read(environment_id, destination, currency)
            )
        return known.offers

    def _known(self, environment_id: str, destination: Destination, currency: str) -> KnownOffers | None:
        near = self._kept.peek(environment_id, destination.country)
        if near is None:
            return None
        return self._kept.peek(environment_id, _key(near.precision, destination, currency))

    async def _read(self, environment_id: str, to: Destination, currency: str) -> Read[KnownOffers]:
        rows = await self._database.fetch(
            environment_id, queries.offers_for, to.country, to.region, to.prefixes, currency
        )
        precision = Precision(rows[0]["by_region"], rows[0]["postal_length"])
        offers = [(Method(*tuple(row)[:_METHOD_COLUMNS]), rate_of(row)) for row in rows if row["key"] is not None]
        known = KnownOffers(precision, tuple(offers))
        if sum(len(rate.bands) for _, rate in offers) > BANDS_KEPT_MAX:
            return Read(known)
        return Read(known, to.country, _key(precision, to, currency))

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


def _key(precision: Precision, destination: Destination, currency: str) -> Hashable:
    """What is asked without what makes no difference. The precision is in it: what was read before a change and what
    was read after it are never taken together."""
    return precision, precision.of(destination), currency


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
