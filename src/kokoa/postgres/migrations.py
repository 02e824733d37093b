"""Forward-only migrations: a schema and two roles for each service, row-level security on every table.

    kokoa_migrator          owns all tables; nobody logs in as it
    kokoa_<service>         logs in; sees its own schema, and of it the pinned environment
    kokoa_<service>_definer owns the SECURITY DEFINER functions; sees all rows of the schema

Row-level security is added here and not in the migrations, so that no table can be forgotten.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import msgspec
import structlog

from kokoa.kernel.errors import Conflict

_log = structlog.get_logger(__name__)

_LOCK = 4_211_900_001  # any number, as long as all migrators use the same
_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]{0,40}$")
_PLATFORM = Path(__file__).with_name("platform.sql")
_SERVICE = Path(__file__).with_name("service.sql")


class MigrationChanged(Conflict):
    """A migration that was applied already reads differently now."""


class TableWithoutEnvironment(Conflict):
    """A table has no environment_id, so nothing could tell tenants apart in it."""


class ServiceSchema(msgspec.Struct, frozen=True):
    """name: of the service and its schema.  folder: with its `0001_….sql` files.  password: of its login role."""

    name: str
    folder: Path
    password: str


async def migrate(admin_dsn: str, services: Sequence[ServiceSchema]) -> int:
    """Bring all schemas up to date under one lock; two processes may start at once.

    admin_dsn: a role that may create roles and schemas. Returns how many files were applied. Raises
    MigrationChanged, TableWithoutEnvironment; a file that fails is rolled back whole.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_PLATFORM.read_text())
        applied = 0
        for service in services:
            async with connection.transaction():
                applied += await _migrate_service(connection, service)
        return applied
    finally:
        await connection.close()


async def _migrate_service(connection: asyncpg.Connection, service: ServiceSchema) -> int:
    if not _IDENTIFIER.match(service.name):
        raise ValueError(f"{service.name!r} cannot name a schema")
    await _make_roles(connection, service)
    known = {
        row["file"]: row["digest"]
        for row in await connection.fetch(
            "SELECT file, digest FROM kokoa_meta.migrations WHERE service = $1", service.name
        )
    }
    pending = [(file, digest) for file, digest in _files(service.folder) if _is_new(service, file, digest, known)]
    await connection.execute("SET LOCAL ROLE kokoa_migrator")
    await connection.execute(f"SET LOCAL search_path = {service.name}")
    if not known:
        await connection.execute(_SERVICE.read_text())
    for file, _ in pending:
        _log.info("migrate", service=service.name, file=file.name)
        await connection.execute(file.read_text())
    await connection.execute("RESET ROLE")
    for file, digest in pending:
        await connection.execute(
            "INSERT INTO kokoa_meta.migrations (service, file, digest) VALUES ($1, $2, $3)",
            service.name,
            file.name,
            digest,
        )
    if pending or not known:
        await _secure(connection, service.name)
    return len(pending)


def _files(folder: Path) -> list[tuple[Path, str]]:
    files = sorted(file for file in folder.glob("*.sql") if _FILE.match(file.name))
    return [(file, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]


def _is_new(service: ServiceSchema, file: Path, digest: str, known: dict[str, str]) -> bool:
    if known.get(file.name, digest) != digest:
        raise MigrationChanged(
            f"{service.name}/migrations/{file.name} was applied to this database in another form. "
            "Migrations go forward only: restore the file and add a new one."
        )
    return file.name not in known


async def _make_roles(connection: asyncpg.Connection, service: ServiceSchema) -> None:
    """Roles are the cluster's, so they may exist already; the password is set again each time."""
    name = service.name
    for role in (f"kokoa_{name}", f"kokoa_{name}_definer"):
        exists = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
        if not exists:
            await connection.execute(f"CREATE ROLE {role} NOLOGIN NOBYPASSRLS NOINHERIT")
    quoted = await connection.fetchval("SELECT quote_literal($1::text)", service.password)
    await connection.execute(f"ALTER ROLE kokoa_{name} LOGIN PASSWORD {quoted}")
    await connection.execute(f"ALTER ROLE kokoa_{name} SET search_path = {name}")
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION kokoa_migrator")
    await connection.execute(f"GRANT USAGE ON SCHEMA {name} TO kokoa_{name}, kokoa_{name}_definer")


async def _secure(connection: asyncpg.Connection, schema: str) -> None:
    """Force row-level security on every table, grant exactly what is needed, hand functions to the definer."""
    login, definer = f"kokoa_{schema}", f"kokoa_{schema}_definer"
    tables = await connection.fetch(
        """SELECT c.relname AS name, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                  AND a.attname = 'environment_id' AND a.attnotnull AND NOT a.attisdropped) AS keyed
             FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p')""",
        schema,
    )
    for table in tables:
        if not table["keyed"]:
            raise TableWithoutEnvironment(
                f"{schema}.{table['name']} has no column 'environment_id uuid NOT NULL'; every table needs it."
            )
        await connection.execute(_secure_table(f'{schema}."{table["name"]}"', definer))
    await connection.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {login}, {definer};"
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {login}, {definer}"
    )
    functions = await connection.fetch(
        """SELECT p.oid::regprocedure::text AS signature FROM pg_proc p
            WHERE p.pronamespace = $1::regnamespace AND p.prosecdef""",
        schema,
    )
    for function in functions:
        signature = function["signature"]
        qualified = signature if signature.startswith(f"{schema}.") else f"{schema}.{signature}"
        await connection.execute(
            f"GRANT CREATE ON SCHEMA {schema} TO {definer};"
            f"ALTER FUNCTION {qualified} OWNER TO {definer};"
            f"ALTER FUNCTION {qualified} SET search_path = {schema}, pg_temp;"
            f"REVOKE CREATE ON SCHEMA {schema} FROM {definer};"
            f"REVOKE ALL ON FUNCTION {qualified} FROM PUBLIC;"
            f"GRANT EXECUTE ON FUNCTION {qualified} TO {login}"
        )


def _secure_table(table: str, definer: str) -> str:
    return f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        DROP POLICY IF EXISTS environment ON {table};
        CREATE POLICY environment ON {table}
            USING (environment_id = nullif(current_setting('kokoa.environment_id', true), '')::uuid);
        DROP POLICY IF EXISTS definer ON {table};
        CREATE POLICY definer ON {table} TO {definer} USING (true);
    """
