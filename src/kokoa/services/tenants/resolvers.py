"""GraphQL ⇄ store."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.services.tenants.errors import EnvironmentNotFound
from kokoa.services.tenants.store import TenantsStore


class TenantsResolvers:
    """Field resolvers of schema.graphql, each for all parents of its level at once."""

    def __init__(self, store: TenantsStore) -> None:
        self._store = store

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {"Query.store": self.store}

    async def store(self, parents: Sequence[Any], _: Mapping[str, Any], call: Call) -> Sequence[Any]:
        environment = await self._store.by_id(call.environment_id)
        if environment is None:
            raise EnvironmentNotFound("This store no longer exists.")
        answer = {
            "alias": environment.tenant_alias,
            "environment": environment.name,
            "domains": environment.domains,
        }
        return [answer for _ in parents]
