"""Putting and deleting the tables; one function a mutation, one transaction, its events."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import asyncpg
import msgspec

from kokoa.postgres import Database, Transaction
from kokoa.postgres.leases import Leases
from kokoa.services.taxes import events
from kokoa.services.taxes.errors import (
    TaxCategoryInUse,
    TaxCategoryNotFound,
    TaxPlaceTaken,
    TaxRateNotFound,
    TaxZoneInUse,
    TaxZoneNotFound,
    TooManyTaxes,
)
from kokoa.services.taxes.model import (
    CATEGORIES_MAX,
    RATES_MAX,
    RATES_OF_ZONE_MAX,
    ZONES_MAX,
    Category,
    Rate,
    Settings,
    Zone,
    require_named,
    require_rate,
    require_rows,
    require_settings,
    require_version,
)
from kokoa.services.taxes.store import KnownTable, queries, settings_of, zone_of


class TaxesActions:
    """Changes of one environment each.  version: what it must be at, 0 for new; None for whatever it is.

    What is so already stays as it is, whatever the version: a repeated request does no harm.
    """

    def __init__(self, database: Database, kept: Leases[KnownTable]) -> None:
        self._database = database
        self._kept = kept

    def _changing(self, environment_id: str) -> AbstractAsyncContextManager[Transaction]:
        return self._kept.transaction(self._database, environment_id, queries.lock_tables)

    async def put_settings(
        self, environment_id: str, wanted: Settings, version: int | None, *, correlation_id: str
    ) -> Settings:
        """Raises InvalidTaxConfiguration, TaxConfigurationChanged, TaxCategoryNotFound."""
        require_settings(wanted)
        try:
            async with self._changing(environment_id) as tx:
                before = settings_of(await tx.fetchrow(queries.settings))
                after = msgspec.structs.replace(wanted, version=before.version)
                if after == before and before.version:
                    return before
                require_version("The settings of taxes", before.version, version)
                after = msgspec.structs.replace(wanted, version=before.version + 1)
                await tx.execute(queries.put_settings, *msgspec.structs.astuple(after))
                await tx.emit(events.TaxSettingsChanged(version=after.version), correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise TaxCategoryNotFound(f"There is no tax category {wanted.default_category!r}.") from error
        return after

    async def put_category(
        self, environment_id: str, key: str, name: str, version: int | None, *, correlation_id: str
    ) -> Category:
        """Raises InvalidTaxConfiguration, TaxConfigurationChanged, TooManyTaxes."""
        require_named(key, name)
        async with self._changing(environment_id) as tx:
            known = {row["key"]: Category(*row) for row in await tx.fetch(queries.categories)}
            before = known.get(key)
            if before is not None and before.name == name:
                return before
            require_version(f"The tax category {key!r}", before.version if before else 0, version)
            if before is None and len(known) >= CATEGORIES_MAX:
                raise TooManyTaxes(f"An environment has at most {CATEGORIES_MAX} tax categories.")
            after = Category(key, name, before.version + 1 if before else 1)
            await tx.execute(queries.put_category, *msgspec.structs.astuple(after))
            event = events.TaxCategoryChanged(category=key, version=after.version)
            await tx.emit(event, correlation_id=correlation_id)
        return after

    async def delete_category(self, environment_id: str, key: str, version: int, *, correlation_id: str) -> None:
        """Raises TaxCategoryNotFound, TaxConfigurationChanged, TaxCategoryInUse."""
        try:
            async with self._changing(environment_id) as tx:
                known = {row["key"]: row["version"] for row in await tx.fetch(queries.categories)}
                if key not in known:
                    raise TaxCategoryNotFound(f"There is no tax category {key[:80]!r}.")
                require_version(f"The tax category {key!r}", known[key], version)
                await tx.execute(queries.delete_category, key)
                event = events.TaxCategoryChanged(category=key, version=version + 1, deleted=True)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise TaxCategoryInUse(f"A rate, an article or the settings name {key!r}.") from error

    async def put_zone(self, environment_id: str, wanted: Zone, version: int | None, *, correlation_id: str) -> Zone:
        """Raises InvalidTaxConfiguration, TaxConfigurationChanged, TaxPlaceTaken, TooManyTaxes."""
        require_named(wanted.key, wanted.name)
        async with self._changing(environment_id) as tx:
            row = await tx.fetchrow(queries.zone, wanted.key)
            before = None if row is None else zone_of(row)
            known = before.version if before else 0
            if before == msgspec.structs.replace(wanted, version=known):
                return before
            require_version(f"The tax zone {wanted.key!r}", known, version)
            if before is None and await tx.fetchval(queries.count_zones) >= ZONES_MAX:
                raise TooManyTaxes(f"An environment has at most {ZONES_MAX} tax zones.")
            after = msgspec.structs.replace(wanted, version=known + 1)
            await tx.execute(queries.put_zone, after.key, after.name, after.prices_include_tax, after.version)
            await _put_places(tx, after)
            event = events.TaxZoneChanged(zone=after.key, version=after.version)
            await tx.emit(event, correlation_id=correlation_id)
        return after

    async def delete_zone(self, environment_id: str, key: str, version: int, *, correlation_id: str) -> None:
        """Raises TaxZoneNotFound, TaxConfigurationChanged, TaxZoneInUse."""
        try:
            async with self._changing(environment_id) as tx:
                row = await tx.fetchrow(queries.zone, key)
                if row is None:
                    raise TaxZoneNotFound(f"There is no tax zone {key[:80]!r}.")
                require_version(f"The tax zone {key!r}", row["version"], version)
                await tx.execute(queries.delete_zone, key)
                event = events.TaxZoneChanged(zone=key, version=version + 1, deleted=True)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise TaxZoneInUse(f"The zone {key!r} has rates; delete them first.") from error

    async def put_rate(self, environment_id: str, wanted: Rate, version: int | None, *, correlation_id: str) -> Rate:
        """Raises InvalidTaxConfiguration, InvalidPeriod, TaxConfigurationChanged, TooManyTaxes.

        And TaxZoneNotFound, TaxCategoryNotFound for what it names.
        """
        require_rate(wanted)
        try:
            async with self._changing(environment_id) as tx:
                row = await tx.fetchrow(queries.rate, wanted.key)
                before = None if row is None else Rate(*row)
                known = before.version if before else 0
                if before == msgspec.structs.replace(wanted, version=known):
                    return before
                require_version(f"The tax rate {wanted.key!r}", known, version)
                if before is None or before.zone != wanted.zone:
                    count = await tx.fetchrow(queries.count_rates, wanted.zone)
                    assert count is not None
                    if (before is None and count["everywhere"] >= RATES_MAX) or count["here"] >= RATES_OF_ZONE_MAX:
                        raise TooManyTaxes(
                            f"An environment has at most {RATES_MAX:,} tax rates, a zone {RATES_OF_ZONE_MAX}."
                        )
                after = msgspec.structs.replace(wanted, version=known + 1)
                await tx.execute(queries.put_rate, *msgspec.structs.astuple(after))
                event = events.TaxRateChanged(rate=after.key, version=after.version)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            if "zone" in (error.constraint_name or ""):
                raise TaxZoneNotFound(f"There is no tax zone {wanted.zone[:80]!r}.") from error
            raise TaxCategoryNotFound(f"There is no tax category {wanted.category[:80]!r}.") from error
        return after

    async def delete_rate(self, environment_id: str, key: str, version: int, *, correlation_id: str) -> None:
        """Raises TaxRateNotFound, TaxConfigurationChanged."""
        async with self._changing(environment_id) as tx:
            row = await tx.fetchrow(queries.rate, key)
            if row is None:
                raise TaxRateNotFound(f"There is no tax rate {key[:80]!r}.")
            require_version(f"The tax rate {key!r}", row["version"], version)
            await tx.execute(queries.delete_rate, key)
            event = events.TaxRateChanged(rate=key, version=version + 1, deleted=True)
            await tx.emit(event, correlation_id=correlation_id)

    async def set_categories_of(
        self, environment_id: str, rows: Sequence[tuple[str, str | None]], *, correlation_id: str
    ) -> int:
        """rows: SKU and category, None for the default. All or none; how many changed.

        Raises InvalidTaxConfiguration, TaxCategoryNotFound.
        """
        require_rows(rows)
        async with self._changing(environment_id) as tx:
            known = {row["key"] for row in await tx.fetch(queries.categories)}
            for index, (_, category) in enumerate(rows):
                if category is not None and category not in known:
                    raise TaxCategoryNotFound(f"Row {index}: there is no tax category {category[:80]!r}.")
            set_ = [(sku, category) for sku, category in rows if category is not None]
            skus, categories = [sku for sku, _ in set_], [category for _, category in set_]
            changed = [row["sku"] for row in await tx.fetch(queries.set_categories_of, skus, categories)]
            cleared = [sku for sku, category in rows if category is None]
            changed += [row["sku"] for row in await tx.fetch(queries.clear_categories_of, cleared)]
            if changed:
                event = events.TaxCategoriesOfSkusChanged(skus=sorted(changed))
                await tx.emit(event, correlation_id=correlation_id)
        return len(changed)


async def _put_places(tx: Transaction, zone: Zone) -> None:
    """The places of a zone as they are to be. Raises TaxPlaceTaken."""
    columns = (
        [place.country for place in zone.places],
        [place.region for place in zone.places],
        [place.postal_prefix for place in zone.places],
    )
    taken = await tx.fetchrow(queries.taken_place, zone.key, *columns)
    if taken is not None:
        place = " ".join(filter(None, (taken["country"], taken["region"], taken["postal_prefix"])))
        raise TaxPlaceTaken(f"The tax zone {taken['zone']!r} has {place} already.")
    await tx.execute(queries.clear_places, zone.key)
    await tx.execute(queries.insert_places, zone.key, *columns)
