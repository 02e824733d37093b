"""Every table of every service: forced row-level security, nothing seen without an environment or in another one."""

import asyncpg
import pytest

from kokoa.kernel.ids import new_id
from kokoa.postgres import ServiceSchema, migrate, service_dsn
from kokoa.roles.platform import SCHEMAS
from servers import SERVICE_PASSWORD

TABLES = """
    SELECT n.nspname AS schema, c.relname AS name, c.relrowsecurity, c.relforcerowsecurity,
           pg_get_userbyid(c.relowner) AS owner
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p')
"""
ROLES = "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname LIKE 'kokoa\\_%'"


@pytest.fixture(scope="module")
async def migrated(postgres: str) -> str:
    """The admin DSN of a database with every service's schema."""
    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE all_tables")
    await admin.close()
    dsn = postgres.replace("/postgres?", "/all_tables?")
    await migrate(dsn, [ServiceSchema(name, folder, SERVICE_PASSWORD) for name, folder in SCHEMAS.items()])
    return dsn


async def test_row_level_security_is_forced_everywhere_and_nobody_can_go_around_it(migrated: str) -> None:
    admin = await asyncpg.connect(migrated)
    tables = await admin.fetch(TABLES, list(SCHEMAS))
    roles = await admin.fetch(ROLES)
    await admin.close()
    assert len(tables) > 15
    assert [t["name"] for t in tables if not (t["relrowsecurity"] and t["relforcerowsecurity"])] == []
    assert {t["owner"] for t in tables} == {"kokoa_migrator"}
    assert [r["rolname"] for r in roles if r["rolsuper"] or r["rolbypassrls"]] == []


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
async def test_a_row_is_seen_in_its_own_environment_only(migrated: str, schema: str) -> None:
    """The policies are asked by statements that forget the environment, as a careless one would."""
    admin = await asyncpg.connect(migrated)
    tables = [t["name"] for t in await admin.fetch(TABLES, [schema])]
    login = await asyncpg.connect(service_dsn(migrated, schema, SERVICE_PASSWORD))
    environment = new_id()
    for table in tables:
        await insert_any_row(admin, schema, table, environment)
        qualified = f'{schema}."{table}"'
        assert await login.fetchval(f"SELECT count(*) FROM {qualified}") == 0, f"{qualified} shows rows to nobody"
        await login.execute("SELECT set_config('kokoa.environment_id', $1, false)", new_id())
        assert await login.fetchval(f"SELECT count(*) FROM {qualified}") == 0, f"{qualified} shows rows to others"
        await login.execute("SELECT set_config('kokoa.environment_id', $1, false)", environment)
        assert await login.fetchval(f"SELECT count(*) FROM {qualified}") == 1, f"{qualified} hides rows from its own"
        await login.execute("SELECT set_config('kokoa.environment_id', '', false)")
    await login.close()
    await admin.close()


async def insert_any_row(admin: asyncpg.Connection, schema: str, table: str, environment: str) -> None:
    """One row with made-up values, with checks and foreign keys off: only its environment matters here."""
    columns = await admin.fetch(
        """SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute a
            WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
              AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = ''""",
        f'{schema}."{table}"',
    )
    checks = await admin.fetch(
        "SELECT conname FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'", f'{schema}."{table}"'
    )
    for check in checks:
        await admin.execute(f'ALTER TABLE {schema}."{table}" DROP CONSTRAINT "{check["conname"]}"')
    names = ", ".join(f'"{column["name"]}"' for column in columns)
    values = ", ".join(sample(column["name"], column["type"], environment) for column in columns)
    await admin.execute("SET session_replication_role = replica")
    await admin.execute(f'INSERT INTO {schema}."{table}" ({names}) VALUES ({values})')
    await admin.execute("SET session_replication_role = origin")


def sample(name: str, kind: str, environment: str) -> str:
    if name == "environment_id":
        return f"'{environment}'"
    plain = {"uuid": f"'{new_id()}'", "boolean": "true", "tsvector": "''", "jsonb": "'{}'", "bytea": "''"}
    if kind in plain:
        return plain[kind]
    if kind.endswith("[]"):
        return "'{}'"
    if kind.startswith(("timestamp", "date")):
        return "now()"
    return "'x'" if kind.startswith(("text", "character")) else "1"
