"""queries.sql ⇄ model."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from kokoa.postgres import Database, Event, Row, Transaction, load_queries
from kokoa.services.orders.model import LEASE_S, NUMBER_MAX, Basket, Order, Placement, Progress, Refusal, Request

queries = load_queries(Path(__file__).with_name("queries.sql"))

_basket = msgspec.json.Decoder(Basket)
_request = msgspec.json.Decoder(Request)
_progress = msgspec.json.Decoder(dict[str, Progress])
_refusal = msgspec.json.Decoder(Refusal)


class OrderStore:
    """Reads of one environment each, and who works on which placement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def placement(self, environment_id: str, placement_id: str) -> Placement | None:
        """None when there is none."""
        row = await self._database.fetchrow(environment_id, queries.placement_by_id, placement_id)
        return None if row is None else placement_of(row)

    async def by_key(self, environment_id: str, key: str) -> tuple[Placement, bytes] | None:
        """A placement and the fingerprint of its request."""
        row = await self._database.fetchrow(environment_id, queries.placement_by_key, key)
        return None if row is None else (placement_of(row), row["fingerprint"])

    async def start(
        self, environment_id: str, placement: Placement, key: str, fingerprint: bytes, lease: str
    ) -> bool:
        """A new placement, leased to whoever makes it; False when the key is taken."""
        return (
            await self._database.fetchval(
                environment_id,
                queries.insert_placement,
                placement.id,
                key,
                fingerprint,
                placement.step,
                placement.cart_id,
                placement.freeze_key,
                placement.customer_id,
                placement.token_digest,
                _json(placement.request),
                None if placement.basket is None else _json(placement.basket),
                lease,
                LEASE_S,
                placement.started_at,
            )
            is not None
        )

    async def claim(self, environment_id: str, placement_id: str, lease: str, *, due: bool) -> Placement | None:
        """The placement, now the caller's to go on with; None when somebody has it, or nothing is left to do.

        due: only if it is time for it.
        """
        statement = queries.claim_overdue_placement if due else queries.claim_placement
        row = await self._database.fetchrow(environment_id, statement, placement_id, lease, LEASE_S)
        return None if row is None else placement_of(row)

    async def put(
        self, environment_id: str, before: Placement, placement: Placement, lease: str, due_s: float | None
    ) -> bool:
        """`put_placement` where nothing else is written."""
        given = _advancing(before, placement, lease, due_s)
        return await self._database.fetchval(environment_id, queries.advance_placement, *given) is not None

    async def commit(
        self, environment_id: str, placement: Placement, lease: str, told: Event, correlation_id: str
    ) -> Order | None:
        """A priced placement becomes an order, and that is told; None when somebody else works on it by now.

        told: with TO_FILL for the order's number.
        """
        basket = placement.priced()
        arguments = placement.id, lease, placement.payment_id, LEASE_S, basket.total_minor, placement.step
        row = await self._database.change(
            environment_id, queries.commit_order, *arguments, events=[told], correlation_id=correlation_id
        )
        if row is None:
            return None
        return Order(
            id=placement.id,
            number=row["number"],
            state="CONFIRMED",
            cart_id=placement.cart_id,
            customer_id=placement.customer_id,
            payment_id=placement.payment_id,
            total_minor=basket.total_minor,
            basket=basket,
            placed_at=row["placed_at"],
            version=row["version"],
            progress={},
        )

    async def end(self, environment_id: str, leased: list[tuple[str, str]]) -> None:
        """Orders of which nothing is left to do.  leased: (placement id, lease); nothing where that is another's."""
        ids, leases = [one for one, _ in leased], [one for _, one in leased]
        await self._database.execute(environment_id, queries.end_placements, ids, leases)

    async def leave(
        self, environment_id: str, placement: Placement, lease: str, wait_s: float | None, error: str | None = None
    ) -> None:
        """Let others go on with it, in so many seconds.  wait_s: None for never."""
        await self._database.execute(
            environment_id, queries.leave_placement, placement.id, lease, wait_s, placement.action_url, error
        )

    async def overdue(self, most: int, most_of_one: int) -> list[tuple[str, str]]:
        """(environment id, placement id) of those it is time for, of all environments."""
        rows = await self._database.fetch_anywhere(queries.overdue, most, most_of_one)
        return [(str(row["environment_id"]), str(row["id"])) for row in rows]

    async def forget_placements(self, before: datetime, most: int = 1_000) -> int:
        """Forget how orders were made that were begun before a moment, of all environments, a batch; how many.

        Their addresses and means of payment go with them, and their idempotency keys.
        """
        return int((await self._database.fetch_anywhere(queries.forget_placements, before, most))[0][0])

    async def orders_by_ids(self, environment_id: str, ids: Sequence[str]) -> dict[str, Order]:
        """Those that there are, by id; whoever asks sees to whose they are."""
        rows = await self._database.fetch(environment_id, queries.orders_by_ids, list(ids))
        return {str(row["id"]): order_of(row) for row in rows}

    async def order_by_number(self, environment_id: str, number: int) -> Order | None:
        """None when there is none."""
        row = await self._database.fetchrow(environment_id, queries.order_by_number, number)
        return None if row is None else order_of(row)

    async def page(self, environment_id: str, before: int | None, customer_id: str | None, limit: int) -> list[Order]:
        """The newest first.  before: a number."""
        place = NUMBER_MAX if before is None else before
        if customer_id is None:
            rows = await self._database.fetch(environment_id, queries.orders_page, place, limit)
        else:
            rows = await self._database.fetch(
                environment_id, queries.orders_of_customer_page, place, limit, customer_id
            )
        return [order_of(row) for row in rows]


async def put_placement(
    tx: Transaction, before: Placement, placement: Placement, lease: str, due_s: float | None
) -> bool:
    """At its next step; False when somebody else works on it by now.  due_s: how long the lease is good for."""
    return await tx.fetchval(queries.advance_placement, *_advancing(before, placement, lease, due_s)) is not None


def _advancing(before: Placement, placement: Placement, lease: str, due_s: float | None) -> tuple[Any, ...]:
    same = placement.basket is None or placement.basket is before.basket
    return (
        placement.id,
        lease,
        placement.step,
        None if same else _json(placement.basket),
        placement.payment_id,
        placement.action_url,
        None if placement.refusal is None else _json(placement.refusal),
        placement.attempts,
        due_s,
    )


def placement_of(row: Row) -> Placement:
    """A row of any of the placement statements."""
    return Placement(
        id=str(row["id"]),
        step=row["step"],
        cart_id=str(row["cart_id"]),
        freeze_key=row["freeze_key"] or str(row["id"]),
        customer_id=_text(row["customer_id"]),
        token_digest=row["token_digest"],
        request=_request.decode(row["request"]),
        basket=None if row["basket"] is None else _basket.decode(row["basket"]),
        payment_id=_text(row["payment_id"]),
        action_url=row["action_url"],
        refusal=None if row["refusal"] is None else _refusal.decode(row["refusal"]),
        attempts=row["attempts"],
        started_at=row["started_at"],
    )


def order_of(row: Row) -> Order:
    """A row of any of the order statements."""
    return Order(
        id=str(row["id"]),
        number=row["number"],
        state=row["state"],
        cart_id=str(row["cart_id"]),
        customer_id=_text(row["customer_id"]),
        payment_id=_text(row["payment_id"]),
        total_minor=row["total_minor"],
        basket=_basket.decode(row["basket"]),
        placed_at=row["placed_at"],
        version=row["version"],
        progress=_progress.decode(row["progress"]),
        refunded_minor=row["refunded_minor"],
        refunded_shipping_minor=row["refunded_shipping_minor"],
        external_reference=row["external_reference"],
        external_status=row["external_status"],
        external_status_at=row["external_status_at"],
        display_status=row["display_status"],
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
