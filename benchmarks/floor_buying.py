"""The floor for what shoppers write: the store's own statements, in as few transactions as there are changes."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from kokoa.kernel.ids import new_id
from kokoa.postgres.database import OUTBOX, telling
from kokoa.services.carts.store import queries as cart_queries
from kokoa.services.catalog.variants.store import queries as variant_queries
from kokoa.services.inventory.store import queries as inventory_queries

_ADDRESS = orjson.dumps({"line1": "Rantatie 1", "city": "Turku", "country": "FI"}).decode()
_LINE = orjson.dumps(
    [
        {
            "id": new_id(),
            "variant_id": new_id(),
            "sku": "B0001-S",
            "quantity": 1,
            "unit_price_minor": 2000,
            "name": "Armchair no 0001",
        }
    ]
).decode()
_INSERT_PAYMENT = """INSERT INTO payments
    (environment_id, id, reference, amount_minor, currency, customer_id, provider, external_reference)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id"""
_NEXT_NUMBER = """INSERT INTO counters (environment_id, last) VALUES ($1, 10001)
ON CONFLICT (environment_id) DO UPDATE SET last = counters.last + 1 RETURNING last"""
_INSERT_ORDER = """INSERT INTO orders
    (environment_id, id, number, state, cart_id, customer_id, payment_id, total_minor, basket)
VALUES ($1, $2, $3, 'CONFIRMED', $4, $5, $6, $7, $8)"""
_DAYS = timedelta(days=30)
# Of a request without an idempotency key.
_NOTHING_KEPT = "createCart", None, b"", b""


class Buying:
    """Shoppers' writes.  pools: asyncpg's, by service."""

    def __init__(self, environment: str, pools: Mapping[str, Any]) -> None:
        self._environment = environment
        self._pools = pools

    async def cart(self, _query: dict[str, list[str]]) -> dict[str, Any]:
        """A new cart."""
        token = secrets.token_urlsafe(24)
        cart_id = new_id()
        await self._tell("carts", cart_queries.begin_cart, *_new(cart_id, token), *_NOTHING_KEPT)
        return {"id": cart_id, "token": token}

    async def add(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """A line: what the store asks, and what it writes."""
        token, sku = query["token"][0], query["sku"][0]
        digest, environment = _digest(token), self._environment
        row = await self._pools["carts"].fetchrow(cart_queries.cart_by_token, environment, digest)
        await self._pools["catalog"].fetch(variant_queries.variants_by_keys, environment, [], [sku], True, True)
        await self._pools["inventory"].fetch(inventory_queries.items_by_skus, environment, [sku])
        cart_id = str(row["id"])
        arguments = [*_written(cart_id, lines=_LINE), row["version"], row["changed_at"]]
        kept = ["addCartLines", token, digest, b"answer"]
        await self._tell("carts", cart_queries.change_cart, *arguments, *kept)
        return {"id": cart_id, "lines": orjson.loads(_LINE)}

    async def order(self, _query: dict[str, list[str]]) -> dict[str, Any]:
        """Six transactions: cart, line, address, delivery, payment, order. Nothing is asked, nothing is checked."""
        environment = self._environment
        cart_id = await self._create(secrets.token_urlsafe(24))
        for fields in ({"lines": _LINE}, {"address": _ADDRESS}, {"method": "post"}):
            async with self._transaction("carts") as connection:
                await self._update(connection, cart_id, **fields)
        payment, order = new_id(), new_id()
        async with self._transaction("payments") as connection:
            await connection.fetchrow(_INSERT_PAYMENT, environment, payment, order, 2590, "EUR", None, "test", None)
        async with self._transaction("orders") as connection:
            number = await connection.fetchval(_NEXT_NUMBER, environment)
            await connection.execute(_INSERT_ORDER, environment, order, number, cart_id, None, payment, 2590, _LINE)
        return {"id": order, "number": number}

    async def _create(self, token: str) -> str:
        cart_id = new_id()
        async with self._transaction("carts") as connection:
            await connection.execute(cart_queries.insert_cart, self._environment, *_new(cart_id, token))
        return cart_id

    async def _update(self, connection: Any, cart_id: str, **fields: str) -> None:
        await connection.execute(cart_queries.update_cart, self._environment, *_written(cart_id, **fields))

    async def _tell(self, service: str, statement: str, *arguments: Any) -> None:
        """A change and its event as one statement, as the store does it."""
        key = new_id()
        composed = telling(statement, len(arguments) + 1)
        told = [key], ["floor.written"], [key], [self._event(service, key)]
        await self._pools[service].fetchrow(composed, self._environment, *arguments, *told)

    def _event(self, service: str, key: str) -> bytes:
        """An envelope that the store's relay can publish; one that it cannot would keep all others waiting."""
        head = {"id": key, "type": "Written", "source": service, "environment_id": self._environment}
        return orjson.dumps({**head, "data": {"cart_id": key, "version": 2}})

    @asynccontextmanager
    async def _transaction(self, service: str) -> AsyncIterator[Any]:
        """One that writes an event, too."""
        async with self._pools[service].acquire() as connection, connection.transaction():
            yield connection
            key = new_id()
            event = self._event(service, key)
            await connection.execute(OUTBOX, self._environment, [key], ["floor.written"], [key], [event])


def _new(cart_id: str, token: str) -> tuple[Any, ...]:
    now = datetime.now(UTC)
    return cart_id, _digest(token), "EUR", None, None, None, None, now, now + _DAYS


def _written(
    cart_id: str, *, lines: str = "[]", address: str | None = None, method: str | None = None
) -> tuple[Any, ...]:
    now = datetime.now(UTC)
    state = ("ACTIVE", 2, None, None, None, address, None, lines, None, None, None, None, now)
    return cart_id, *state, now + _DAYS, method, []


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
