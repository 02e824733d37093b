"""GraphQL ⇄ actions and store, for what there is."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kokoa.graphql.resolvers import moments
from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.kernel.text import is_plain
from kokoa.services.inventory.actions import Cause, InventoryActions
from kokoa.services.inventory.errors import InvalidStockPage
from kokoa.services.inventory.model import Item, RowResult, StockRow, availability, require_page, require_sku
from kokoa.services.inventory.store import InventoryStore

Arguments = Mapping[str, Any]

_MOVEMENT_MAX = 2**63 - 1


class InventoryResolvers:
    """Field resolvers of schema.graphql, but those of reservations."""

    def __init__(self, store: InventoryStore, actions: InventoryActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.stockLocations": self.locations,
            "Query.stockItem": self.item,
            "Query.stockItems": self.items,
            "Query.stockChanges": self.changes,
            "Variant": self.variants,
            "Variant.availability": self.availabilities,
            "Variant.stock": self.stock,
            "StockLocation": self.locations_by_reference,
            "StockItem.levels": self.levels,
            "StockItem.movements": self.movements,
            "StockItem.changedAt": moments("changed_at"),
            "StockMovement.movedAt": moments("moved_at"),
            "Mutation.createStockLocation": self.create_location,
            "Mutation.updateStockLocation": self.update_location,
            "Mutation.deleteStockLocation": self.delete_location,
            "Mutation.setStockPolicy": self.set_policy,
            "Mutation.adjustStock": self.adjust,
            "Mutation.transferStock": self.transfer,
            "Mutation.setStock": self.set_stock,
        }

    async def variants(self, representations: Sequence[Mapping[str, Any]], _: Call) -> Sequence[Any]:
        return representations

    async def locations_by_reference(self, representations: Sequence[Mapping[str, Any]], call: Call) -> Sequence[Any]:
        known = {one.id: one for one in await self._store.locations(call.environment_id)}
        return [known.get(one["id"]) for one in representations]

    async def availabilities(self, parents: Sequence[Mapping[str, Any]], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.items(call.environment_id, [parent["sku"] for parent in parents])
        return [availability(found.get(parent["sku"])) for parent in parents]

    async def stock(self, parents: Sequence[Mapping[str, Any]], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.items(call.environment_id, [parent["sku"] for parent in parents])
        return [found.get(parent["sku"]) for parent in parents]

    async def locations(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.locations(call.environment_id)]

    async def item(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        sku = require_sku(args["sku"])
        return [(await self._store.items(call.environment_id, [sku])).get(sku)]

    async def items(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"])
        after = args.get("after") or ""
        if not is_plain(after):
            raise InvalidStockPage("after holds a NUL character or half of a surrogate pair.", field="after")
        return [await self._store.page(call.environment_id, after, args.get("available_at_most"), args["limit"])]

    async def changes(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"])
        return [await self._store.changes(call.environment_id, args.get("since"), args["limit"])]

    async def levels(self, parents: Sequence[Item], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.levels(call.environment_id, [parent.sku for parent in parents])
        return [found.get(parent.sku, []) for parent in parents]

    async def movements(self, parents: Sequence[Item], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"])
        before = _movement_id(args.get("before"))
        skus = [parent.sku for parent in parents]
        found = await self._store.movements(call.environment_id, skus, before, args["limit"])
        return [found.get(sku, []) for sku in skus]

    async def create_location(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        made = self._actions.create_location(
            call.environment_id,
            given["key"],
            given["name"],
            given["priority"],
            given["active"],
            given.get("external_reference"),
            cause_of(call),
        )
        return [await made]

    async def update_location(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = dict(args["input"])
        location_id, version = require_id(given.pop("id"), field="id"), given.pop("version")
        changes = {key: value for key, value in given.items() if value is not None or key == "external_reference"}
        return [
            await self._actions.update_location(call.environment_id, location_id, version, changes, cause_of(call))
        ]

    async def delete_location(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        location_id = require_id(args["id"], field="id")
        await self._actions.delete_location(call.environment_id, location_id, args["version"], cause_of(call))
        return [location_id]

    async def set_policy(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        done = self._actions.set_policy(
            call.environment_id,
            given["sku"],
            {name: given[name] for name in ("backorder_limit", "external_reference") if name in given}
            | ({"tracked": given["tracked"]} if given.get("tracked") is not None else {}),
            given.get("version"),
            cause_of(call),
        )
        return [await done]

    async def adjust(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        done = self._actions.adjust(
            call.environment_id,
            given["sku"],
            given["location"],
            given["delta"],
            given["reason"],
            given.get("reference"),
            given.get("note"),
            cause_of(call, given),
        )
        return [await done]

    async def transfer(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        done = self._actions.transfer(
            call.environment_id,
            given["sku"],
            given["from"],
            given["to"],
            given["quantity"],
            given.get("note"),
            cause_of(call, given),
        )
        return [await done]

    async def set_stock(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        rows = [StockRow(one["sku"], one["location"], one["on_hand"], one.get("version")) for one in given["rows"]]
        results = await self._actions.set_stock(
            call.environment_id, rows, given["reason"], cause_of(call, given), dry_run=given["dry_run"]
        )
        return [_summed(results)]


def cause_of(call: Call, given: Arguments | None = None) -> Cause:
    """Who asks.  given: an input that may have an idempotency key."""
    caller = call.caller
    actor = f"{caller.kind}:{caller.subject}" if caller.subject else caller.kind
    return Cause(actor, call.correlation_id, (given or {}).get("idempotency_key"))


class _Summed(msgspec.Struct, frozen=True):
    changed: int
    unchanged: int
    failed: int
    rows: list[RowResult]


def _summed(rows: list[RowResult]) -> _Summed:
    counts = {status: sum(row.status == status for row in rows) for status in ("CHANGED", "UNCHANGED", "FAILED")}
    return _Summed(counts["CHANGED"], counts["UNCHANGED"], counts["FAILED"], rows)


def _movement_id(text: str | None) -> int | None:
    """Raises InvalidStockPage."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > _MOVEMENT_MAX:
        raise InvalidStockPage(f"{text[:40]!r} is no movement's id.", field="before")
    return int(text)
