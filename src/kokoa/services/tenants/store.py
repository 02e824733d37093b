"""queries.sql ⇄ model."""

from pathlib import Path

from kokoa.kernel.ids import require_id
from kokoa.postgres import Database, Row, load_queries
from kokoa.postgres.vault import Vault
from kokoa.services.tenants.model import (
    GRANTS_MAX,
    AccessKey,
    AccessKeyEntry,
    Account,
    Destination,
    Environment,
    Grant,
    Operation,
    OperationEntry,
)

queries = load_queries(Path(__file__).with_name("queries.sql"))

_KEYS_SHOWN = 100


class TenantsStore:
    """Reads. Everything that is asked before an environment is known goes through SECURITY DEFINER functions."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def by_alias(self, tenant_alias: str, name: str) -> Environment | None:
        """The environment of that name of a tenant."""
        return await self._one_environment(queries.environment_by_alias, tenant_alias, name)

    async def by_secret(self, tenant_alias: str, tenant_secret_digest: str) -> Environment | None:
        """The environment that a tenant's secret opens."""
        return await self._one_environment(queries.environment_by_secret, tenant_alias, tenant_secret_digest)

    async def by_domain(self, domain: str) -> Environment | None:
        """The environment that a domain leads to.  domain: lower case, no port."""
        return await self._one_environment(queries.environment_by_domain, domain)

    async def by_id(self, environment_id: str) -> Environment | None:
        return await self._one_environment(queries.environment_by_id, require_id(environment_id, field="id"))

    async def environments(self, *, after: tuple[str, str] = ("", ""), limit: int = 100) -> list[Environment]:
        """By alias and name, after the given pair."""
        rows = await self._database.fetch_anywhere(queries.environments_page, *after, limit)
        return [_environment(row) for row in rows]

    async def access_key(self, access_key_id: str) -> AccessKey | None:
        """A living key with its secret, or None. Raises SealBroken when the master key is another."""
        rows = await self._database.fetch_anywhere(queries.access_key_by_id, access_key_id)
        if not rows:
            return None
        row = rows[0]
        secret = self._vault.open(row["secret_sealed"], place=key_place(access_key_id))
        return AccessKey(
            access_key_id=access_key_id,
            secret=secret.decode(),
            account_id=row["account_id"],
            environment_id=str(row["environment_id"]),
            partner=row["partner"],
            tenant_alias=row["tenant_alias"],
            environment_name=row["environment_name"],
        )

    async def account_of(self, environment_id: str, partner: str) -> Account | None:
        row = await self._database.fetchrow(environment_id, queries.account_by_partner, partner)
        return _account(row) if row else None

    async def account(self, environment_id: str, account_id: str) -> Account | None:
        row = await self._database.fetchrow(environment_id, queries.account_by_id, account_id)
        return _account(row) if row else None

    async def accounts(self, environment_id: str, *, after: str = "", limit: int = 100) -> list[Account]:
        """By partner, after the given one."""
        rows = await self._database.fetch(environment_id, queries.accounts_page, after, limit)
        return [_account(row) for row in rows]

    async def access_keys(self, environment_id: str, account_id: str) -> list[AccessKeyEntry]:
        """Newest first, revoked ones too, without secrets."""
        rows = await self._database.fetch(environment_id, queries.access_keys_of, account_id, _KEYS_SHOWN)
        return [
            AccessKeyEntry(row["access_key_id"], row["account_id"], row["created_at"], row["revoked_at"])
            for row in rows
        ]

    async def grants(self, environment_id: str) -> list[Grant]:
        """All grants of the environment, oldest first; at most GRANTS_MAX."""
        rows = await self._database.fetch(environment_id, queries.grants_all, GRANTS_MAX)
        return [
            Grant(row["account_id"], row["partner"], row["kind"], row["pattern"], row["created_at"]) for row in rows
        ]

    async def destinations(self, environment_id: str) -> list[Destination]:
        """Where functions of the environment may connect to, by host and port."""
        rows = await self._database.fetch(environment_id, queries.destinations_all)
        return [Destination(row["host"], row["port"]) for row in rows]

    async def operation(self, environment_id: str, document_id: str) -> str | None:
        """The text of a registered document, by its id or its SHA-256."""
        document: str | None = await self._database.fetchval(
            environment_id, queries.registered_operation, document_id
        )
        return document

    async def operations(self, environment_id: str, *, after: str = "", limit: int = 100) -> list[OperationEntry]:
        """By id, after the given one."""
        rows = await self._database.fetch(environment_id, queries.registered_operations_page, after, limit)
        return [OperationEntry(row["document_id"], row["digest"], row["bytes"], row["registered_at"]) for row in rows]

    async def operations_mentioning(
        self, environment_id: str, text: str, *, after: str = "", limit: int = 100
    ) -> list[Operation]:
        """Those in whose text something stands, whatever the capitals; by id, after the given one."""
        rows = await self._database.fetch(
            environment_id, queries.registered_operations_mentioning, text, after, limit
        )
        return [Operation(row["document_id"], row["document"]) for row in rows]

    async def registered_only(self, environment_id: str) -> bool:
        """Whether storefronts may send registered documents only."""
        return bool(await self._database.fetchval(environment_id, queries.operation_policy))

    async def _one_environment(self, statement: str, *arguments: str) -> Environment | None:
        rows = await self._database.fetch_anywhere(statement, *arguments)
        return _environment(rows[0]) if rows else None


def key_place(access_key_id: str) -> str:
    """What a sealed access key secret is bound to."""
    return f"tenants/access_keys/{access_key_id}"


def _environment(row: Row) -> Environment:
    return Environment(
        id=str(row["environment_id"]),
        tenant_alias=row["tenant_alias"],
        name=row["name"],
        tenant_secret_digest=row["tenant_secret_digest"],
        graphql_secret_digest=row["graphql_secret_digest"],
        domains=tuple(row["domains"]),
        requests_per_window=row["requests_per_window"],
    )


def _account(row: Row) -> Account:
    return Account(row["account_id"], row["partner"], row["created_at"])
