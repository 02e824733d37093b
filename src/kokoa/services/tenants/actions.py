"""One function a mutation; one transaction; its events."""

from collections.abc import Sequence

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.processes.steps import reached
from kokoa.services.tenants import events, model
from kokoa.services.tenants.errors import (
    AccessKeyNotFound,
    DestinationNotFound,
    DomainTaken,
    EnvironmentExists,
    GrantNotFound,
    OperationIdTaken,
    PartnerExists,
    RegisteredOperationNotFound,
    TooManyAccessKeys,
    TooManyDestinations,
    TooManyGrants,
    TooManyOperations,
)
from kokoa.services.tenants.model import (
    DESTINATIONS_MAX,
    GRANTS_MAX,
    OPERATIONS_MAX,
    Environment,
    EnvironmentSecrets,
    GrantKind,
    NewAccessKey,
    Operation,
)
from kokoa.services.tenants.store import key_place, queries
from kokoa.services.tenants.subgraphs.actions import require_unused
from kokoa.services.tenants.subgraphs.model import is_graph_pattern, require_graph_pattern


class TenantsActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def create_environment(
        self, tenant_alias: str, name: str, *, correlation_id: str
    ) -> tuple[str, EnvironmentSecrets]:
        """Its id and its secrets, which are shown only now. Raises InvalidAlias, EnvironmentExists."""
        model.require_alias(tenant_alias, field="tenant")
        model.require_alias(name, field="environment")
        environment_id, secrets = new_id(), model.new_secrets()
        digests = model.digest_of(secrets.tenant_secret), model.digest_of(secrets.graphql_secret)
        async with self._database.transaction(environment_id) as tx:
            if await tx.fetchval(queries.insert_environment, tenant_alias, name, *digests) is None:
                raise EnvironmentExists(f"Tenant {tenant_alias!r} has an environment {name!r} already.")
            event = events.EnvironmentCreated(tenant_alias=tenant_alias, name=name)
            await tx.emit(event, correlation_id=correlation_id)
        return environment_id, secrets

    async def rotate_secrets(self, environment: Environment, *, correlation_id: str) -> EnvironmentSecrets:
        """New secrets, shown only now; the old ones end at once."""
        secrets = model.new_secrets()
        digests = model.digest_of(secrets.tenant_secret), model.digest_of(secrets.graphql_secret)
        async with self._database.transaction(environment.id) as tx:
            await tx.fetchval(queries.rotate_secrets, *digests)
            await tx.emit(_changed(environment), correlation_id=correlation_id)
        return secrets

    async def set_rate_limit(self, environment: Environment, requests: int, *, correlation_id: str) -> None:
        """requests: that the environment may make in each window of the edge's limiter."""
        async with self._database.transaction(environment.id) as tx:
            await tx.fetchval(queries.set_rate_limit, requests)
            await tx.emit(_changed(environment), correlation_id=correlation_id)

    async def add_domain(self, environment: Environment, domain: str, *, correlation_id: str) -> str:
        """The domain in its stored form. Raises InvalidDomain, DomainTaken."""
        domain = model.require_domain(domain)
        async with self._database.transaction(environment.id) as tx:
            if await tx.fetchval(queries.insert_domain, domain) is None:
                raise DomainTaken(f"The domain {domain} leads to an environment already.")
            await tx.emit(_changed(environment), correlation_id=correlation_id)
        return domain

    async def add_partner(self, environment_id: str, partner: str, *, correlation_id: str) -> str:
        """The new account's id. Raises InvalidAlias, PartnerExists."""
        model.require_alias(partner, field="partner")
        async with self._database.transaction(environment_id) as tx:
            account_id: str | None = await tx.fetchval(queries.insert_account, model.new_account_id(), partner)
            if account_id is None:
                raise PartnerExists(f"Partner {partner!r} has an account in this environment already.")
            event = events.PartnerAdded(account_id=account_id, partner=partner)
            await tx.emit(event, correlation_id=correlation_id)
        return account_id

    async def register_operations(
        self, environment_id: str, operations: Sequence[Operation], *, correlation_id: str
    ) -> int:
        """How many are new; those that are registered already, with the same text, change nothing. All or none.

        Raises InvalidOperation, OperationIdTaken, TooManyOperations.
        """
        wanted = {one.id: model.require_operation(one) for one in operations}
        async with self._database.transaction(environment_id) as tx:
            await tx.fetchval(queries.lock_environment)
            rows = await tx.fetch(queries.registered_digests, list(wanted))
            for row in rows:
                if wanted.pop(row["document_id"]).digest != row["digest"]:
                    raise OperationIdTaken(
                        f"Another document is registered as {row['document_id']}. Clients in the field rely on it: "
                        "choose another id, or remove it first."
                    )
            count = await tx.fetchval(queries.registered_count)
            if count + len(wanted) > OPERATIONS_MAX:
                raise TooManyOperations(
                    f"{count} documents are registered, and {len(wanted)} more would be over {OPERATIONS_MAX}. "
                    "Remove what no client sends any more."
                )
            if wanted:
                columns = zip(*((one.id, one.digest, one.document) for one in wanted.values()), strict=True)
                await tx.fetch(queries.insert_registered_operations, *map(list, columns))
                await tx.emit(events.OperationsChanged(registered=len(wanted)), correlation_id=correlation_id)
        return len(wanted)

    async def remove_operation(self, environment_id: str, document_id: str, *, correlation_id: str) -> None:
        """Raises RegisteredOperationNotFound."""
        async with self._database.transaction(environment_id) as tx:
            if await tx.fetchval(queries.delete_registered_operation, document_id) is None:
                raise RegisteredOperationNotFound(f"No document is registered as {document_id!r}.")
            await tx.emit(events.OperationsChanged(removed=1), correlation_id=correlation_id)

    async def require_registered(self, environment_id: str, required: bool, *, correlation_id: str) -> None:
        """required: storefronts may send registered documents only."""
        async with self._database.transaction(environment_id) as tx:
            await tx.fetchval(queries.set_operation_policy, required)
            await tx.emit(events.OperationsChanged(), correlation_id=correlation_id)

    async def create_key(self, environment_id: str, account_id: str, *, correlation_id: str) -> NewAccessKey:
        """A key whose secret is shown only now. Raises TooManyAccessKeys."""
        key = model.new_access_key(account_id)
        sealed = self._vault.seal(key.secret_access_key.encode(), place=key_place(key.access_key_id))
        async with self._database.transaction(environment_id) as tx:
            await tx.fetchval(queries.lock_account, account_id)
            if await tx.fetchval(queries.live_key_count, account_id) >= model.LIVE_KEYS_MAX:
                raise TooManyAccessKeys(
                    f"The account has {model.LIVE_KEYS_MAX} living keys, which is the most. Revoke one first."
                )
            await tx.execute(queries.insert_access_key, key.access_key_id, account_id, sealed)
            event = events.AccessKeyCreated(account_id=account_id, access_key_id=key.access_key_id)
            await tx.emit(event, correlation_id=correlation_id)
        return key

    async def revoke_key(self, environment_id: str, access_key_id: str, *, correlation_id: str) -> None:
        """Raises AccessKeyNotFound."""
        async with self._database.transaction(environment_id) as tx:
            account_id = await tx.fetchval(queries.revoke_access_key, access_key_id)
            if account_id is None:
                raise AccessKeyNotFound(f"This environment has no living key {access_key_id!r}.")
            event = events.AccessKeyRevoked(account_id=account_id, access_key_id=access_key_id)
            await tx.emit(event, correlation_id=correlation_id)

    async def add_grant(self, environment_id: str, account_id: str, pattern: str, *, correlation_id: str) -> None:
        """Let the partner take paths, or parts of the graph. Again is no error.

        Raises InvalidGrant, TooManyGrants.
        """
        kind = _grant_kind(pattern)
        async with self._database.transaction(environment_id) as tx:
            await tx.fetchval(queries.lock_environment)
            if await tx.fetchval(queries.insert_grant, account_id, kind, pattern) is not None:
                if await tx.fetchval(queries.grant_count) > GRANTS_MAX:
                    raise TooManyGrants(f"An environment has at most {GRANTS_MAX} grants. Revoke some first.")
                event = events.GrantAdded(account_id=account_id, kind=kind, pattern=pattern)
                await tx.emit(event, correlation_id=correlation_id)
        reached("override.granted")

    async def revoke_grant(self, environment_id: str, account_id: str, pattern: str, *, correlation_id: str) -> None:
        """Raises InvalidGrant, GrantNotFound, GrantInUse."""
        kind = _grant_kind(pattern)
        async with self._database.transaction(environment_id) as tx:
            await tx.fetchval(queries.lock_environment)
            if await tx.fetchval(queries.delete_grant, account_id, kind, pattern) is None:
                raise GrantNotFound(f"The partner has no grant for {pattern!r}.")
            if kind != "route":
                await require_unused(tx, account_id)
            event = events.GrantRevoked(account_id=account_id, kind=kind, pattern=pattern)
            await tx.emit(event, correlation_id=correlation_id)

    async def allow_egress(self, environment_id: str, destination: str, *, correlation_id: str) -> model.Destination:
        """Let functions connect to a destination. Again is no error.

        Raises InvalidDestination, TooManyDestinations.
        """
        wanted = model.require_destination(destination)
        async with self._database.transaction(environment_id) as tx:
            await tx.fetchval(queries.lock_environment)
            if await tx.fetchval(queries.insert_destination, wanted.host, wanted.port) is not None:
                if await tx.fetchval(queries.destination_count) > DESTINATIONS_MAX:
                    raise TooManyDestinations(
                        f"An environment allows at most {DESTINATIONS_MAX} destinations. Remove one first."
                    )
                await tx.emit(events.EgressAllowed(destination=str(wanted)), correlation_id=correlation_id)
        return wanted

    async def remove_egress(self, environment_id: str, destination: str, *, correlation_id: str) -> None:
        """Raises InvalidDestination, DestinationNotFound."""
        unwanted = model.require_destination(destination)
        async with self._database.transaction(environment_id) as tx:
            if await tx.fetchval(queries.delete_destination, unwanted.host, unwanted.port) is None:
                raise DestinationNotFound(f"Functions may not connect to {unwanted} anyway.")
            await tx.emit(events.EgressRemoved(destination=str(unwanted)), correlation_id=correlation_id)


def _changed(environment: Environment) -> events.EnvironmentChanged:
    return events.EnvironmentChanged(tenant_alias=environment.tenant_alias, name=environment.name)


def _grant_kind(pattern: str) -> GrantKind:
    """Which kind of grant a pattern is. Raises InvalidGrant."""
    if is_graph_pattern(pattern):
        return require_graph_pattern(pattern)
    model.require_route_pattern(pattern)
    return "route"
