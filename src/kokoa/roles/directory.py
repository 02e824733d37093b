"""tenants behind the seams Directory and Administration."""

from kokoa.edge.model import Environment, Grant, RatePolicy
from kokoa.functions.control.access import AccessKey, Account
from kokoa.roles.seams import EgressEntry, EnvironmentEntry, GrantEntry, KeyEntry, NewEnvironment, PartnerEntry
from kokoa.services.tenants import model
from kokoa.services.tenants.errors import EnvironmentNotFound, PartnerNotFound
from kokoa.services.tenants.service import TenantsService

RATE_WINDOW_S = 10
_PARTNERS_MAX = 1000


class TenantsDirectory:
    """Implements Directory."""

    def __init__(self, tenants: TenantsService) -> None:
        self._store = tenants.store

    async def by_alias(self, tenant_alias: str, environment_name: str) -> Environment | None:
        return _environment(await self._store.by_alias(tenant_alias, environment_name))

    async def by_secrets(self, tenant_alias: str, tenant_secret_digest: str) -> Environment | None:
        return _environment(await self._store.by_secret(tenant_alias, tenant_secret_digest))

    async def by_domain(self, host: str) -> Environment | None:
        return _environment(await self._store.by_domain(host))

    async def by_id(self, environment_id: str) -> Environment | None:
        return _environment(await self._store.by_id(environment_id))

    async def access_key(self, access_key_id: str) -> AccessKey | None:
        key = await self._store.access_key(access_key_id)
        if key is None:
            return None
        return AccessKey(
            access_key_id=key.access_key_id,
            secret=key.secret,
            account_id=key.account_id,
            environment_id=key.environment_id,
            partner=key.partner,
            tenant=key.tenant_alias,
            environment=key.environment_name,
        )

    async def account(self, environment_id: str, account_id: str) -> Account | None:
        account = await self._store.account(environment_id, account_id)
        environment = await self._store.by_id(environment_id)
        if account is None or environment is None:
            return None
        return Account(account_id, environment_id, account.partner, environment.tenant_alias, environment.name)

    async def partners(self, environment_id: str) -> dict[str, str]:
        accounts = await self._store.accounts(environment_id, limit=_PARTNERS_MAX)
        return {account.account_id: account.partner for account in accounts}

    async def grants(self, environment_id: str) -> list[Grant]:
        found = await self._store.grants(environment_id)
        return [Grant(grant.account_id, grant.pattern) for grant in found if grant.kind == "route"]

    async def egress(self, environment_id: str) -> tuple[str, ...]:
        return tuple(str(destination) for destination in await self._store.destinations(environment_id))


class TenantsAdministration:
    """Implements Administration."""

    def __init__(self, tenants: TenantsService) -> None:
        self._store = tenants.store
        self._actions = tenants.actions

    async def environments(self, after_tenant: str, after_environment: str, limit: int) -> list[EnvironmentEntry]:
        found = await self._store.environments(after=(after_tenant, after_environment), limit=limit)
        return [EnvironmentEntry(e.id, e.tenant_alias, e.name, e.domains, e.requests_per_window) for e in found]

    async def create_environment(self, tenant: str, environment: str, correlation_id: str) -> NewEnvironment:
        _, secrets = await self._actions.create_environment(tenant, environment, correlation_id=correlation_id)
        return NewEnvironment(tenant, environment, secrets.tenant_secret, secrets.graphql_secret)

    async def rotate_secrets(self, tenant: str, environment: str, correlation_id: str) -> NewEnvironment:
        found = await self._environment(tenant, environment)
        secrets = await self._actions.rotate_secrets(found, correlation_id=correlation_id)
        return NewEnvironment(tenant, environment, secrets.tenant_secret, secrets.graphql_secret)

    async def set_rate_limit(self, tenant: str, environment: str, requests: int, correlation_id: str) -> None:
        found = await self._environment(tenant, environment)
        await self._actions.set_rate_limit(found, requests, correlation_id=correlation_id)

    async def add_domain(self, tenant: str, environment: str, domain: str, correlation_id: str) -> str:
        found = await self._environment(tenant, environment)
        return await self._actions.add_domain(found, domain, correlation_id=correlation_id)

    async def partners(self, tenant: str, environment: str) -> list[PartnerEntry]:
        found = await self._environment(tenant, environment)
        accounts = await self._store.accounts(found.id, limit=_PARTNERS_MAX)
        return [PartnerEntry(account.partner, account.account_id, account.created_at) for account in accounts]

    async def add_partner(self, tenant: str, environment: str, partner: str, correlation_id: str) -> PartnerEntry:
        found = await self._environment(tenant, environment)
        await self._actions.add_partner(found.id, partner, correlation_id=correlation_id)
        account = await self._account(found.id, partner)
        return PartnerEntry(account.partner, account.account_id, account.created_at)

    async def keys(self, tenant: str, environment: str, partner: str) -> list[KeyEntry]:
        found = await self._environment(tenant, environment)
        account = await self._account(found.id, partner)
        entries = await self._store.access_keys(found.id, account.account_id)
        return [KeyEntry(e.access_key_id, partner, e.account_id, e.created_at, e.revoked_at) for e in entries]

    async def create_key(self, tenant: str, environment: str, partner: str, correlation_id: str) -> KeyEntry:
        found = await self._environment(tenant, environment)
        account = await self._account(found.id, partner)
        key = await self._actions.create_key(found.id, account.account_id, correlation_id=correlation_id)
        return KeyEntry(key.access_key_id, partner, key.account_id, secret_access_key=key.secret_access_key)

    async def revoke_key(self, tenant: str, environment: str, access_key_id: str, correlation_id: str) -> None:
        found = await self._environment(tenant, environment)
        await self._actions.revoke_key(found.id, access_key_id, correlation_id=correlation_id)

    async def grants(self, tenant: str, environment: str) -> list[GrantEntry]:
        found = await self._environment(tenant, environment)
        return [GrantEntry(g.partner, g.account_id, g.kind, g.pattern) for g in await self._store.grants(found.id)]

    async def add_grant(self, tenant: str, environment: str, partner: str, pattern: str, correlation_id: str) -> None:
        found = await self._environment(tenant, environment)
        account = await self._account(found.id, partner)
        await self._actions.add_grant(found.id, account.account_id, pattern, correlation_id=correlation_id)

    async def revoke_grant(
        self, tenant: str, environment: str, partner: str, pattern: str, correlation_id: str
    ) -> None:
        found = await self._environment(tenant, environment)
        account = await self._account(found.id, partner)
        await self._actions.revoke_grant(found.id, account.account_id, pattern, correlation_id=correlation_id)

    async def egress(self, tenant: str, environment: str) -> list[EgressEntry]:
        found = await self._environment(tenant, environment)
        return [EgressEntry(each.host, each.port) for each in await self._store.destinations(found.id)]

    async def allow_egress(self, tenant: str, environment: str, destination: str, correlation_id: str) -> EgressEntry:
        found = await self._environment(tenant, environment)
        allowed = await self._actions.allow_egress(found.id, destination, correlation_id=correlation_id)
        return EgressEntry(allowed.host, allowed.port)

    async def remove_egress(self, tenant: str, environment: str, destination: str, correlation_id: str) -> None:
        found = await self._environment(tenant, environment)
        await self._actions.remove_egress(found.id, destination, correlation_id=correlation_id)

    async def _environment(self, tenant: str, name: str) -> model.Environment:
        found = await self._store.by_alias(tenant, name)
        if found is None:
            raise EnvironmentNotFound(
                f"Tenant {tenant!r} has no environment {name!r}. `kokoa tenant list` shows what there is."
            )
        return found

    async def _account(self, environment_id: str, partner: str) -> model.Account:
        account = await self._store.account_of(environment_id, partner)
        if account is None:
            raise PartnerNotFound(
                f"Partner {partner!r} has no account in this environment. `kokoa partner add` makes one."
            )
        return account


def _environment(found: model.Environment | None) -> Environment | None:
    if found is None:
        return None
    return Environment(
        id=found.id,
        tenant_alias=found.tenant_alias,
        name=found.name,
        tenant_secret_digest=found.tenant_secret_digest,
        graphql_secret_digest=found.graphql_secret_digest,
        domains=frozenset(found.domains),
        rate=RatePolicy(found.requests_per_window, RATE_WINDOW_S),
    )
