"""queries.sql ⇄ model. Every read takes many customers at once."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from kokoa.postgres import Database, Row, load_queries
from kokoa.services.customers.model import Address, Customer, Group, read_cursor

queries = load_queries(Path(__file__).with_name("queries.sql"))

_FIRST = "00000000-0000-0000-0000-000000000000"


class CustomerChanges(msgspec.Struct, frozen=True):
    """A page of the feed.  cursor: where it goes on."""

    customers: list[Customer]
    cursor: str
    has_more: bool


class CustomersStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_ids(self, environment_id: str, ids: Sequence[str]) -> dict[str, Customer]:
        """Those that there are, by id."""
        rows = await self._database.fetch(environment_id, queries.customers_by_ids, list(ids))
        return {str(row["id"]): customer_of(row) for row in rows}

    async def by_email(self, environment_id: str, email: str) -> Customer | None:
        """email: in small letters."""
        row = await self._database.fetchrow(environment_id, queries.customer_by_email, email)
        return None if row is None else customer_of(row)

    async def by_reference(self, environment_id: str, reference: str) -> Customer | None:
        row = await self._database.fetchrow(environment_id, queries.customer_by_reference, reference)
        return None if row is None else customer_of(row)

    async def page(self, environment_id: str, after: str | None, group: str | None, limit: int) -> list[Customer]:
        """By id, the oldest first."""
        rows = await self._database.fetch(environment_id, queries.customers_page, after or _FIRST, group, limit)
        return [customer_of(row) for row in rows]

    async def changes(self, environment_id: str, since: str | None, limit: int) -> CustomerChanges:
        """Customers that changed after a place of the feed. Raises InvalidCustomerPage."""
        place = read_cursor(since)
        rows = await self._database.fetch(environment_id, queries.changes_page, *place, limit + 1)
        page = rows[:limit]
        if page:
            place = page[-1]["changed_in"], str(page[-1]["id"])
        return CustomerChanges(
            [customer_of(row) for row in page], f"{place[0]}:{place[1]}", has_more=len(rows) > limit
        )

    async def addresses(self, environment_id: str, ids: Sequence[str]) -> dict[str, list[Address]]:
        """By customer, in their order."""
        found: dict[str, list[Address]] = {}
        for row in await self._database.fetch(environment_id, queries.addresses_of, list(ids)):
            found.setdefault(str(row["customer_id"]), []).append(address_of(row))
        return found

    async def groups(self, environment_id: str) -> list[Group]:
        """All of them, by key."""
        return [Group(*row) for row in await self._database.fetch(environment_id, queries.groups_all)]

    async def groups_of(self, environment_id: str, ids: Sequence[str]) -> dict[str, list[Group]]:
        """By customer."""
        found: dict[str, list[Group]] = {}
        for row in await self._database.fetch(environment_id, queries.groups_of, list(ids)):
            found.setdefault(str(row["customer_id"]), []).append(Group(row["key"], row["name"]))
        return found

    async def session_stands(self, environment_id: str, session_id: str) -> bool:
        """Whether whoever shows a token of the session is signed in still."""
        return bool(await self._database.fetchval(environment_id, queries.session_stands, session_id))

    async def forget_sessions(self, before: datetime, most: int = 1_000) -> int:
        """Forget sessions and proofs of all environments that ended long ago, a batch; how many."""
        return int((await self._database.fetch_anywhere(queries.forget_sessions, before, most))[0][0])

    async def forget_answers(self, before: datetime, most: int = 1_000) -> int:
        """Forget what was answered to old idempotency keys of all environments, a batch; how many."""
        return int((await self._database.fetch_anywhere(queries.forget_answers, before, most))[0][0])


def customer_of(row: Row) -> Customer:
    """A row of any of the customer statements."""
    fields = {name: row[name] for name in Customer.__struct_fields__}
    return Customer(**fields | {"id": str(row["id"])})


def address_of(row: Row) -> Address:
    """A row of addresses_of."""
    return Address(str(row["id"]), str(row["customer_id"]), *tuple(row)[2:])
