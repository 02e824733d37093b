"""Putting and deleting zones and methods; one function a mutation, one transaction, its events."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import asyncpg
import msgspec

from kokoa.postgres import Database, Transaction
from kokoa.postgres.leases import Leases
from kokoa.services.shipping import events
from kokoa.services.shipping.errors import (
    ShippingMethodNotFound,
    ShippingPlaceTaken,
    ShippingZoneInUse,
    ShippingZoneNotFound,
    TooMuchShipping,
)
from kokoa.services.shipping.model import (
    METHODS_MAX,
    ZONES_MAX,
    Method,
    Rate,
    Zone,
    require_method,
    require_named,
    require_version,
)
from kokoa.services.shipping.store import KnownOffers, put_rates, queries, rate_of, zone_of


class ShippingActions:
    """Changes of one environment each.  version: what it must be at, 0 for new; None for whatever it is.

    What is so already stays as it is, whatever the version: a repeated request does no harm.
    """

    def __init__(self, database: Database, kept: Leases[KnownOffers]) -> None:
        self._database = database
        self._kept = kept

    def _changing(self, environment_id: str) -> AbstractAsyncContextManager[Transaction]:
        return self._kept.transaction(self._database, environment_id, queries.lock_tables)

    async def put_zone(self, environment_id: str, wanted: Zone, version: int | None, *, correlation_id: str) -> Zone:
        """Raises InvalidShippingConfiguration, ShippingConfigurationChanged, ShippingPlaceTaken, TooMuchShipping."""
        require_named(wanted.key, wanted.name)
        async with self._changing(environment_id) as tx:
            row = await tx.fetchrow(queries.zone, wanted.key)
            before = None if row is None else zone_of(row)
            known = before.version if before else 0
            if before == msgspec.structs.replace(wanted, version=known):
                return before
            require_version(f"The shipping zone {wanted.key!r}", known, version)
            if before is None and len(await tx.fetch(queries.zone_keys)) >= ZONES_MAX:
                raise TooMuchShipping(f"An environment has at most {ZONES_MAX} shipping zones.")
            after = msgspec.structs.replace(wanted, version=known + 1)
            await tx.execute(queries.put_zone, after.key, after.name, after.version)
            await _put_places(tx, after)
            event = events.ShippingZoneChanged(zone=after.key, version=after.version)
            await tx.emit(event, correlation_id=correlation_id)
        return after

    async def delete_zone(self, environment_id: str, key: str, version: int, *, correlation_id: str) -> None:
        """Raises ShippingZoneNotFound, ShippingConfigurationChanged, ShippingZoneInUse."""
        try:
            async with self._changing(environment_id) as tx:
                row = await tx.fetchrow(queries.zone, key)
                if row is None:
                    raise ShippingZoneNotFound(f"There is no shipping zone {key!r}.")
                require_version(f"The shipping zone {key!r}", row["version"], version)
                await tx.execute(queries.delete_zone, key)
                event = events.ShippingZoneChanged(zone=key, version=version + 1, deleted=True)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise ShippingZoneInUse(f"Methods have rates for the zone {key!r}.") from error

    async def put_method(
        self, environment_id: str, wanted: Method, rates: Sequence[Rate], version: int | None, *, correlation_id: str
    ) -> Method:
        """Raises InvalidShippingConfiguration, ShippingConfigurationChanged, ShippingZoneNotFound.

        And TooMuchShipping.
        """
        require_method(wanted, rates)
        rates = sorted(rates, key=lambda rate: (rate.zone, rate.currency))
        async with self._changing(environment_id) as tx:
            methods = {row["key"]: Method(*row) for row in await tx.fetch(queries.methods)}
            had = [rate_of(row) for row in await tx.fetch(queries.rates_of, [wanted.key])]
            before = methods.get(wanted.key)
            known = before.version if before else 0
            if before == msgspec.structs.replace(wanted, version=known) and had == rates:
                return before
            require_version(f"The shipping method {wanted.key!r}", known, version)
            if before is None and len(methods) >= METHODS_MAX:
                raise TooMuchShipping(f"An environment has at most {METHODS_MAX} shipping methods.")
            zones = {row["key"] for row in await tx.fetch(queries.zone_keys)}
            if missing := sorted({rate.zone for rate in rates} - zones):
                raise ShippingZoneNotFound(f"There is no shipping zone {missing[0]!r}.")
            after = msgspec.structs.replace(wanted, version=known + 1)
            await tx.execute(queries.put_method, *msgspec.structs.astuple(after))
            await put_rates(tx, after.key, rates)
            event = events.ShippingMethodChanged(method=after.key, version=after.version)
            await tx.emit(event, correlation_id=correlation_id)
        return after

    async def delete_method(self, environment_id: str, key: str, version: int, *, correlation_id: str) -> None:
        """Raises ShippingMethodNotFound, ShippingConfigurationChanged."""
        async with self._changing(environment_id) as tx:
            versions = {row["key"]: row["version"] for row in await tx.fetch(queries.methods)}
            if key not in versions:
                raise ShippingMethodNotFound(f"There is no shipping method {key!r}.")
            require_version(f"The shipping method {key!r}", versions[key], version)
            await tx.execute(queries.delete_method, key)
            event = events.ShippingMethodChanged(method=key, version=version + 1, deleted=True)
            await tx.emit(event, correlation_id=correlation_id)


async def _put_places(tx: Transaction, zone: Zone) -> None:
    """The places of a zone as they are to be. Raises ShippingPlaceTaken."""
    columns = (
        [place.country for place in zone.places],
        [place.region for place in zone.places],
        [place.postal_prefix for place in zone.places],
    )
    taken = await tx.fetchrow(queries.taken_place, zone.key, *columns)
    if taken is not None:
        place = " ".join(filter(None, (taken["country"], taken["region"], taken["postal_prefix"])))
        raise ShippingPlaceTaken(f"The shipping zone {taken['zone']!r} has {place} already.")
    await tx.execute(queries.clear_places, zone.key)
    await tx.execute(queries.insert_places, zone.key, *columns)
