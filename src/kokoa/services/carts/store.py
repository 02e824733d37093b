"""queries.sql ⇄ model. One statement a read."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from kokoa.graphql.lru import Lru
from kokoa.kernel.contact import PostalAddress
from kokoa.postgres import Database, Event, Row, Transaction, load_queries
from kokoa.postgres.answers import Keeping
from kokoa.services.carts.model import Cart, Key, Line, State, Who, digest_of, is_visible

queries = load_queries(Path(__file__).with_name("queries.sql"))

RECENT_MAX = 2_000
RECENT_LINES_MAX = 20  # larger ones are read each time: they would take megabytes
_FIRST = "00000000-0000-0000-0000-000000000000"
_lines = msgspec.json.Decoder(tuple[Line, ...])
_address = msgspec.json.Decoder(PostalAddress)


class RecentCarts:
    """Carts of all environments as this process wrote or read them last, so that the next change need not read first.

    They may be old, for other processes change carts too. So nothing is answered and nothing is refused by one of
    these: a change that is planned on one is written on condition that the cart is still the same, else it begins
    with a read.
    """

    def __init__(self) -> None:
        self._carts: Lru[tuple[str, str], Cart] = Lru(RECENT_MAX)
        self._ids: Lru[tuple[str, bytes], str] = Lru(RECENT_MAX)

    def find(self, environment_id: str, who: Who, key: Key) -> Cart | None:
        """The cart that is meant, if it was the caller's when it was written here."""
        cart_id = key.id if key.token is None else self._ids.get((environment_id, digest_of(key.token)))
        cart = None if cart_id is None else self._carts.get((environment_id, cart_id))
        return cart if cart is not None and is_visible(cart, who, key) else None

    def keep(self, environment_id: str, cart: Cart, token: str | None = None) -> None:
        """As it was written just now.  token: that opens it, if one does."""
        if len(cart.lines) > RECENT_LINES_MAX:
            self.forget(environment_id, cart.id)
            return
        self._carts.put((environment_id, cart.id), cart)
        if token is not None:
            self._ids.put((environment_id, digest_of(token)), cart.id)

    def forget(self, environment_id: str, cart_id: str) -> None:
        """It is not as it was written here any more."""
        self._carts.forget((environment_id, cart_id))


class CartStore:
    """Reads of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.recent = RecentCarts()

    async def find(self, environment_id: str, who: Who, key: Key) -> Cart | None:
        """The cart that is meant, if it is there and the caller's."""
        found = _by(key, who)
        if found is None:
            return None
        read, _, value = found
        row = await self._database.fetchrow(environment_id, read, value)
        cart = _shown(row, who, key)
        if cart is not None:
            self.recent.keep(environment_id, cart, key.token)
        return cart

    async def by_ids(self, environment_id: str, ids: Sequence[str]) -> dict[str, Cart]:
        """Those that there are, by id; whoever asks sees to whose they are."""
        rows = await self._database.fetch(environment_id, queries.carts_by_ids, list(ids))
        return {str(row["id"]): cart_of(row) for row in rows}

    async def page(
        self, environment_id: str, after: str | None, state: State | None, customer_id: str | None, limit: int
    ) -> list[Cart]:
        """By id, the oldest first."""
        place = after or _FIRST
        if customer_id is not None:
            rows = await self._database.fetch(
                environment_id, queries.carts_of_customer_page, place, limit, customer_id, state
            )
        elif state is not None:
            rows = await self._database.fetch(environment_id, queries.carts_in_state_page, place, limit, state)
        else:
            rows = await self._database.fetch(environment_id, queries.carts_page, place, limit)
        return [cart_of(row) for row in rows]

    async def begin(
        self,
        environment_id: str,
        cart: Cart,
        token: str,
        keep: Keeping,
        told: Sequence[Event],
        correlation_id: str,
    ) -> bool:
        """A new cart that is nobody else's business, and its events; False when its token or key made one before."""
        arguments = (*_new(cart, token), keep.operation, keep.key, keep.fingerprint, keep.answer)
        try:
            await self._database.change(
                environment_id, queries.begin_cart, *arguments, events=told, correlation_id=correlation_id
            )
        except asyncpg.UniqueViolationError:
            return False
        self.recent.keep(environment_id, cart, token)
        return True

    async def change(
        self,
        environment_id: str,
        before: Cart,
        after: Cart,
        keep: Keeping,
        told: Sequence[Event],
        correlation_id: str,
    ) -> bool:
        """A cart as it is to be, with its events; False when it is not as it was before, or the key was answered."""
        arguments = (
            *_written(after),
            before.version,
            before.changed_at,
            keep.operation,
            keep.key,
            keep.fingerprint,
            keep.answer,
        )
        try:
            done = await self._database.change(
                environment_id, queries.change_cart, *arguments, events=told, correlation_id=correlation_id
            )
        except asyncpg.UniqueViolationError:
            done = None
        if done is None:
            self.recent.forget(environment_id, before.id)
            return False
        self.recent.keep(environment_id, after)
        return True

    async def overdue(self, moment: datetime, most: int) -> list[tuple[str, str]]:
        """(environment id, cart id) of those that are to thaw or to expire, of all environments."""
        rows = await self._database.fetch_anywhere(queries.overdue, moment, most)
        return [(str(row["environment_id"]), str(row["id"])) for row in rows]

    async def forget_closed(self, before: datetime, most: int = 1_000) -> int:
        """Forget carts of all environments that expired long ago, or would have if they were not merged; how many."""
        return int((await self._database.fetch_anywhere(queries.forget_closed, before, most))[0][0])

    async def forget_answers(self, before: datetime, most: int = 1_000) -> int:
        """Forget what was answered to old idempotency keys of all environments, a batch; how many."""
        return int((await self._database.fetch_anywhere(queries.forget_answers, before, most))[0][0])


async def lock(tx: Transaction, who: Who, key: Key) -> Cart | None:
    """The cart that is meant, if it is the caller's; nobody else changes it until the transaction ends."""
    found = _by(key, who)
    if found is None:
        return None
    _, locking, value = found
    return _shown(await tx.fetchrow(locking, value), who, key)


async def insert(tx: Transaction, cart: Cart, token: str | None) -> None:
    """A new cart."""
    await tx.execute(queries.insert_cart, *_new(cart, token))


async def put(tx: Transaction, cart: Cart) -> None:
    """A cart as it is to be. The caller has locked it."""
    await tx.execute(queries.update_cart, *_written(cart))


def _new(cart: Cart, token: str | None) -> tuple[Any, ...]:
    return (
        cart.id,
        None if token is None else digest_of(token),
        cart.currency,
        cart.customer_id,
        cart.email,
        cart.locale,
        cart.channel,
        cart.created_at,
        cart.expires_at,
    )


def _written(cart: Cart) -> tuple[Any, ...]:
    return (
        cart.id,
        cart.state,
        cart.version,
        cart.customer_id,
        cart.email,
        cart.note,
        _json(cart.shipping_address),
        _json(cart.billing_address),
        msgspec.json.encode(cart.lines).decode(),
        cart.freeze_key,
        cart.frozen_until,
        cart.order_id,
        cart.merged_into,
        cart.changed_at,
        cart.expires_at,
        cart.shipping_method,
        list(cart.codes),
    )


def cart_of(row: Row) -> Cart:
    """A row of any of the cart statements."""
    fields = dict(row.items())
    fields["id"] = str(fields["id"])
    for name in ("customer_id", "merged_into"):
        fields[name] = None if fields[name] is None else str(fields[name])
    for name in ("shipping_address", "billing_address"):
        fields[name] = None if fields[name] is None else _address.decode(fields[name])
    fields["lines"] = _lines.decode(fields["lines"])
    fields["codes"] = tuple(fields["codes"])
    return Cart(**fields)


def _by(key: Key, who: Who) -> tuple[str, str, Any] | None:
    """How to read it, how to lock it, and by what; None when nothing is meant."""
    if key.token is not None:
        return queries.cart_by_token, queries.lock_cart_by_token, digest_of(key.token)
    if key.id is not None:
        return queries.cart_by_id, queries.lock_cart_by_id, key.id
    if who.customer_id is not None:
        return queries.cart_of_customer, queries.lock_cart_of_customer, who.customer_id
    return None


def _shown(row: Row | None, who: Who, key: Key) -> Cart | None:
    cart = None if row is None else cart_of(row)
    return cart if cart is not None and is_visible(cart, who, key) else None


def _json(address: PostalAddress | None) -> str | None:
    return None if address is None else msgspec.json.encode(address).decode()
