"""Registered GraphQL documents: tenants behind the seam Operations, and what an edge remembers of them."""

from kokoa.edge.cache import FreshCache
from kokoa.roles.seams import OperationEntry, OperationPage, Operations, OperationText
from kokoa.services.tenants import model
from kokoa.services.tenants.service import TenantsService

TTL_S = 5.0  # of what an edge remembers, should the notice of a change be lost
DOCUMENTS_KEPT_MAX = 10_000


class TenantsOperations:
    """Implements Operations."""

    def __init__(self, tenants: TenantsService) -> None:
        self._store = tenants.store
        self._actions = tenants.actions

    async def registered(self, environment_id: str, document_id: str) -> str | None:
        return await self._store.operation(environment_id, document_id)

    async def registered_only(self, environment_id: str) -> bool:
        return await self._store.registered_only(environment_id)

    async def page(self, environment_id: str, after: str, limit: int) -> OperationPage:
        found = await self._store.operations(environment_id, after=after, limit=limit)
        entries = [OperationEntry(one.id, one.digest, one.bytes, one.registered_at) for one in found]
        return OperationPage(await self._store.registered_only(environment_id), entries)

    async def register(self, environment_id: str, operations: list[OperationText], correlation_id: str) -> int:
        wanted = [model.Operation(one.id, one.document) for one in operations]
        return await self._actions.register_operations(environment_id, wanted, correlation_id=correlation_id)

    async def remove(self, environment_id: str, document_id: str, correlation_id: str) -> None:
        await self._actions.remove_operation(environment_id, document_id, correlation_id=correlation_id)

    async def require(self, environment_id: str, required: bool, correlation_id: str) -> None:
        await self._actions.require_registered(environment_id, required, correlation_id=correlation_id)

    async def mentioning(self, environment_id: str, text: str, after: str, limit: int) -> list[OperationText]:
        found = await self._store.operations_mentioning(environment_id, text, after=after, limit=limit)
        return [OperationText(one.id, one.document) for one in found]


class RememberedOperations:
    """The edge's RegisteredOperations: asks the seam, and remembers until a notice or TTL_S says otherwise."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._documents: FreshCache[str | None] = FreshCache(ttl_s=TTL_S, entries_max=DOCUMENTS_KEPT_MAX)
        self._policies: FreshCache[bool] = FreshCache(ttl_s=TTL_S, entries_max=DOCUMENTS_KEPT_MAX)
        self._age: dict[str, int] = {}

    async def find(self, environment_id: str, document_id: str) -> str | None:
        key = f"{environment_id}/{self._age.get(environment_id, 0)}/{document_id}"
        return await self._documents.get(key, lambda: self._operations.registered(environment_id, document_id))

    async def are_required(self, environment_id: str) -> bool:
        return await self._policies.get(environment_id, lambda: self._operations.registered_only(environment_id))

    def forget(self, environment_id: str) -> None:
        """The environment's documents or its policy changed."""
        self._age[environment_id] = self._age.get(environment_id, 0) + 1
        self._policies.forget(environment_id)
