"""How PostgreSQL would run a service's statements: planned as they are served, once and for no values in particular.

`EXPLAIN` with values plans for these values; for a store that its statistics do not know, every index that begins
with the environment looks as good, so what it says depends on whether PostgreSQL has counted the rows of other tests.
"""

import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.postgres.database import PLANS

_numbers = itertools.count()


@asynccontextmanager
async def as_superuser(database: Database, postgres: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a service's database that may do everything, with its tables in sight."""
    name = await database.fetchval(new_id(), "SELECT current_database() WHERE $1::uuid IS NOT NULL")
    admin = await asyncpg.connect(postgres.replace("/postgres?", f"/{name}?"))
    try:
        await admin.execute(f"SET search_path = {database.service}")
        yield admin
    finally:
        await admin.close()


async def explained(
    admin: asyncpg.Connection, database: Database, environment_id: str, statement: str, *arguments: Any
) -> str:
    """The plan by which a service's statement has just run for these arguments; what it changed is undone."""
    name = f"explained_{next(_numbers)}"
    values = ", ".join(map(_literal, (environment_id, *arguments)))
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute(f"SET LOCAL ROLE kokoa_{database.service}")
        await admin.execute("SELECT set_config('kokoa.environment_id', $1, true)", environment_id)
        for setting, value in PLANS.items():
            await admin.execute(f"SET LOCAL {setting} = {value}")
        await admin.execute(f"PREPARE {name} AS {statement}")
        return "\n".join(row[0] for row in await admin.fetch(f"EXPLAIN (ANALYZE) EXECUTE {name} ({values})"))
    finally:
        await transaction.rollback()


def _literal(value: Any) -> str:
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"'{{{','.join(map(str, value))}}}'"
    return f"'{value}'"
