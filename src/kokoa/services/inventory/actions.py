"""Locations, counting and adjusting; one function a mutation, one transaction, its events."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg
import msgspec

from kokoa.kernel.errors import KokoaError
from kokoa.kernel.ids import new_id
from kokoa.kernel.text import is_plain
from kokoa.postgres import Database, Transaction
from kokoa.postgres.answers import answered_once
from kokoa.services.inventory import events
from kokoa.services.inventory.errors import (
    ItemNotFound,
    LocationChanged,
    LocationInUse,
    LocationKeyTaken,
    LocationNotFound,
    StockChanged,
    StockReferenceTaken,
    TooManyLocations,
)
from kokoa.services.inventory.model import (
    DEFAULT_LOCATION,
    KEY_MAX,
    LOCATIONS_MAX,
    Change,
    Item,
    Level,
    Location,
    Reason,
    RowResult,
    StockRow,
    adjusted,
    by_sku,
    is_sku,
    may_be_new,
    require_delta,
    require_location,
    require_policy,
    require_row,
    require_rows,
    require_sku,
    require_text,
    require_transfer,
)
from kokoa.services.inventory.store import item_of, level_of, location_of, lock_items, move, queries

_Answer = TypeVar("_Answer")


class Cause(msgspec.Struct, frozen=True):
    """Who asked, and by which request.  idempotency_key: None for one that may be done twice."""

    actor: str
    correlation_id: str
    idempotency_key: str | None = None


class InventoryActions:
    """Changes of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_location(
        self,
        environment_id: str,
        key: str,
        name: str,
        priority: int,
        active: bool,
        external_reference: str | None,
        cause: Cause,
    ) -> Location:
        """Raises InvalidLocation, LocationKeyTaken, TooManyLocations."""
        require_location(key, name, priority, external_reference)
        location = Location(new_id(), key, name, priority, active, external_reference, 1)
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_locations)
            known = [location_of(row) for row in await tx.fetch(queries.locations_all)]
            _require_free(location, known)
            if len(known) >= LOCATIONS_MAX:
                raise TooManyLocations(f"An environment has at most {LOCATIONS_MAX} locations.")
            await tx.execute(queries.insert_location, *msgspec.structs.astuple(location)[:-1])
            await tx.emit(_told(location), correlation_id=cause.correlation_id)
        return location

    async def update_location(
        self, environment_id: str, location_id: str, version: int, given: Mapping[str, object], cause: Cause
    ) -> Location:
        """given: name, priority, active, external_reference; what is missing stays.

        Raises InvalidLocation, LocationNotFound, LocationChanged, LocationKeyTaken.
        """
        async with self._database.transaction(environment_id) as tx:
            before = await _locked_location(tx, location_id)
            after = msgspec.structs.replace(before, **given)
            require_location(after.key, after.name, after.priority, after.external_reference)
            if after == before:
                return before
            _require_version(before, version)
            await tx.execute(queries.lock_locations)
            _require_free(after, map(location_of, await tx.fetch(queries.locations_all)))
            after = msgspec.structs.replace(after, version=version + 1)
            await tx.execute(
                queries.update_location,
                after.id,
                after.name,
                after.priority,
                after.active,
                after.external_reference,
                after.version,
            )
            await tx.emit(_told(after), correlation_id=cause.correlation_id)
        return after

    async def delete_location(self, environment_id: str, location_id: str, version: int, cause: Cause) -> None:
        """Raises LocationNotFound, LocationChanged, LocationInUse."""
        try:
            async with self._database.transaction(environment_id) as tx:
                before = await _locked_location(tx, location_id)
                _require_version(before, version)
                await tx.execute(queries.delete_location, location_id)
                gone = msgspec.structs.replace(before, version=version + 1)
                await tx.emit(_told(gone, deleted=True), correlation_id=cause.correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise LocationInUse("Stock lies there, or lay there; set it inactive instead.") from error

    async def set_policy(
        self, environment_id: str, sku: str, given: Mapping[str, Any], version: int | None, cause: Cause
    ) -> Item:
        """How an article is counted.  given: tracked, backorder_limit, external_reference; what is missing stays.

        version: None for whatever it is. Raises InvalidSku, InvalidStock, InvalidAdjustment, StockChanged,
        StockReferenceTaken.
        """
        require_sku(sku)
        require_policy(given.get("backorder_limit"))
        require_text(given.get("external_reference"), "externalReference")
        try:
            async with self._database.transaction(environment_id) as tx:
                await tx.execute(queries.ensure_items, [sku])
                before = (await lock_items(tx, [sku]))[sku]
                _require_item_version(before, version)
                wanted = msgspec.structs.replace(before, **given)
                if wanted == before:
                    return before
                policy = wanted.tracked, wanted.backorder_limit, wanted.external_reference
                row = await tx.fetchrow(queries.set_policy, sku, *policy)
                assert row is not None
                after = item_of(row)
                await tx.emit(level_changed(after), correlation_id=cause.correlation_id)
            return after
        except asyncpg.UniqueViolationError as error:
            raise StockReferenceTaken(f"Another article has the reference {wanted.external_reference!r}.") from error

    async def adjust(
        self,
        environment_id: str,
        sku: str,
        location: str,
        delta: int,
        reason: Reason,
        reference: str | None,
        note: str | None,
        cause: Cause,
    ) -> Item:
        """Put so many more there, or take them away.

        Raises InvalidSku, InvalidAdjustment, LocationNotFound, NotOnHand.
        """
        require_sku(sku)
        require_delta(delta)
        require_text(reference, "reference")
        require_text(note, "note")

        async def work(tx: Transaction) -> Item:
            place = (await _locations(tx, [location]))[location]
            await tx.execute(queries.ensure_items, [sku])
            await lock_items(tx, [sku])
            levels = await _levels(tx, [sku])
            there = next((one for one in levels.get(sku, ()) if one.location_id == place.id), None)
            adjusted(there, delta)
            change = Change(sku, place.id, reason, on_hand=delta, reference=reference, note=note)
            return (await _apply(tx, [change], cause))[0]

        request = (sku, location, delta, reason, reference, note)
        return await self._once(environment_id, "adjustStock", request, cause, work, Item)

    async def transfer(
        self, environment_id: str, sku: str, origin: str, target: str, quantity: int, note: str | None, cause: Cause
    ) -> Item:
        """Carry so many from one location to another, in one transaction.

        Raises InvalidSku, InvalidAdjustment, LocationNotFound, ItemNotFound, NotOnHand.
        """
        require_sku(sku)
        require_transfer(quantity, origin, target)
        require_text(note, "note")

        async def work(tx: Transaction) -> Item:
            places = await _locations(tx, [origin, target])
            if not await lock_items(tx, [sku]):
                raise ItemNotFound(f"Inventory was never told of the SKU {sku!r}.")
            levels = await _levels(tx, [sku])
            for key, delta in ((origin, -quantity), (target, quantity)):
                there = next((one for one in levels.get(sku, ()) if one.location == key), None)
                adjusted(there, delta)
            changes = [
                Change(sku, places[key].id, "TRANSFERRED", on_hand=delta, note=note)
                for key, delta in ((origin, -quantity), (target, quantity))
            ]
            return (await _apply(tx, changes, cause))[0]

        return await self._once(
            environment_id, "transferStock", (sku, origin, target, quantity, note), cause, work, Item
        )

    async def set_stock(
        self, environment_id: str, rows: Sequence[StockRow], reason: Reason, cause: Cause, *, dry_run: bool
    ) -> list[RowResult]:
        """What articles have at locations, as it was counted or as an ERP says; a result for each row.

        A row that cannot be done changes nothing and keeps no other back.  dry_run: only say what would become of it.
        Raises InvalidStock.
        """
        require_rows(rows)

        async def work(tx: Transaction) -> list[RowResult]:
            results, changes = await _plan_rows(tx, rows, reason)
            if changes:
                await _apply(tx, changes, cause)
            return results

        if dry_run:
            async with self._database.transaction(environment_id) as tx:
                return (await _plan_rows(tx, rows, reason, dry_run=True))[0]
        return await self._once(environment_id, "setStock", (list(rows), reason), cause, work, list[RowResult])

    async def _once(
        self,
        environment_id: str,
        operation: str,
        request: Any,
        cause: Cause,
        work: Callable[[Transaction], Awaitable[_Answer]],
        answer_type: type[_Answer],
    ) -> _Answer:
        async with self._database.transaction(environment_id) as tx:
            return await answered_once(tx, operation, cause.idempotency_key, request, work, answer_type)


async def _plan_rows(
    tx: Transaction, rows: Sequence[StockRow], reason: Reason, *, dry_run: bool = False
) -> tuple[list[RowResult], list[Change]]:
    """What becomes of each row, and the changes that this takes."""
    skus = [row.sku for row in rows if is_sku(row.sku)]
    places = await _known_locations(tx, [row.location for row in rows], make=not dry_run)
    if dry_run:
        # It would be made, with nothing in it.
        places = {DEFAULT_LOCATION: Location(new_id(), DEFAULT_LOCATION, "Default", 100, True, None, 1), **places}
    begun = [] if dry_run else [row.sku for row in rows if row.location in places and may_be_new(row)]
    new = [row["sku"] for row in await tx.fetch(queries.ensure_items, begun)] if begun else []
    items = await lock_items(tx, skus)
    for sku in new:
        del items[sku]
    levels = await _levels(tx, skus)
    results: list[RowResult] = []
    changes: list[Change] = []
    for index, row in enumerate(rows):
        try:
            change = _change_of(row, reason, items.get(row.sku), levels.get(row.sku, ()), places)
        except KokoaError as error:
            results.append(RowResult(index, row.sku, "FAILED", error.code, error.message))
            continue
        results.append(RowResult(index, row.sku, "CHANGED" if change.on_hand else "UNCHANGED"))
        if change.on_hand:
            changes.append(change)
    return results, changes


def _change_of(
    row: StockRow, reason: Reason, item: Item | None, levels: Sequence[Level], places: Mapping[str, Location]
) -> Change:
    """Raises InvalidSku, InvalidStock, LocationNotFound, StockChanged."""
    require_row(row)
    place = places.get(row.location)
    if place is None:
        raise LocationNotFound(f"There is no location {row.location[:KEY_MAX]!r}.")
    if row.version is not None and (item.version if item else 0) != row.version:
        raise StockChanged(
            f"{row.sku!r} is at version {item.version if item else 0}, not {row.version}. Read it again."
        )
    there = sum(level.on_hand for level in levels if level.location_id == place.id)
    return Change(row.sku, place.id, reason, on_hand=row.on_hand - there)


async def _apply(tx: Transaction, changes: Sequence[Change], cause: Cause) -> list[Item]:
    """Change what lies at locations; tell of each article. The caller has locked the articles."""
    await tx.execute(queries.ensure_levels, [one.sku for one in changes], [one.location_id for one in changes])
    items = await move(tx, changes, cause.actor, cause.correlation_id)
    await tx.emit(*map(level_changed, items), correlation_id=cause.correlation_id)
    return items


async def _locations(tx: Transaction, keys: Sequence[str]) -> dict[str, Location]:
    """By key. The default one is made when it is missing. Raises LocationNotFound."""
    found = await _known_locations(tx, keys, make=True)
    if missing := sorted(set(keys) - set(found)):
        raise LocationNotFound(f"There is no location {missing[0][:KEY_MAX]!r}.")
    return found


async def _known_locations(tx: Transaction, keys: Iterable[str], *, make: bool) -> dict[str, Location]:
    wanted = sorted({key for key in keys if is_plain(key)})
    if make and DEFAULT_LOCATION in wanted:
        await tx.execute(queries.insert_default_location, new_id(), DEFAULT_LOCATION, "Default")
    rows = await tx.fetch(queries.locations_by_keys, wanted)
    return {row["key"]: location_of(row) for row in rows}


async def _levels(tx: Transaction, skus: Sequence[str]) -> Mapping[str, list[Level]]:
    return by_sku((row["sku"], level_of(row)) for row in await tx.fetch(queries.levels_of, list(skus)))


async def _locked_location(tx: Transaction, location_id: str) -> Location:
    row = await tx.fetchrow(queries.location_for_update, location_id)
    if row is None:
        raise LocationNotFound(f"There is no location {location_id}.")
    return location_of(row)


def _require_version(location: Location, version: int) -> None:
    if location.version != version:
        raise LocationChanged(
            f"The location is at version {location.version}, not {version}. Read it again and repeat the change."
        )


def _require_item_version(item: Item, version: int | None) -> None:
    if version is not None and item.version != version:
        raise StockChanged(f"{item.sku!r} is at version {item.version}, not {version}. Read it again.")


def _require_free(location: Location, known: Iterable[Location]) -> None:
    """Raises LocationKeyTaken."""
    for other in known:
        if other.id == location.id:
            continue
        if other.key == location.key:
            raise LocationKeyTaken(f"Another location has the key {location.key!r}.")
        if location.external_reference and other.external_reference == location.external_reference:
            raise LocationKeyTaken(f"Another location has the external reference {location.external_reference!r}.")


def level_changed(item: Item) -> events.StockLevelChanged:
    """The event of an article as it is now."""
    return events.StockLevelChanged(sku=item.sku, on_hand=item.on_hand, reserved=item.reserved, version=item.version)


def _told(location: Location, *, deleted: bool = False) -> events.LocationChanged:
    return events.LocationChanged(
        location_id=location.id, location=location.key, version=location.version, deleted=deleted
    )
