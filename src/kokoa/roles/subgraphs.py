"""tenants behind the seams Subgraphs and UsedOperations."""

from datetime import date, timedelta

from kokoa.kernel.overrides import OverridePolicy
from kokoa.roles.seams import (
    GraphGrants,
    PublishedSubgraph,
    PublishedSubgraphs,
    SubgraphChange,
    SubgraphEntry,
    SubgraphOutcome,
    SubgraphSource,
    SubgraphVersion,
    UsedDocument,
)
from kokoa.services.tenants.model import GRANTS_MAX
from kokoa.services.tenants.service import TenantsService
from kokoa.services.tenants.subgraphs import model
from kokoa.services.tenants.subgraphs.actions import Who
from kokoa.services.tenants.used_operations.model import DAYS, UsedOperation


class TenantsSubgraphs:
    """Implements Subgraphs."""

    def __init__(self, tenants: TenantsService) -> None:
        self._store = tenants.subgraphs
        self._actions = tenants.publishing

    async def digest(self, environment_id: str) -> str:
        return await self._store.digest(environment_id)

    async def published(self, environment_id: str) -> PublishedSubgraphs:
        live = await self._store.live(environment_id)
        subgraphs = [
            PublishedSubgraph(
                name=one.name,
                account_id=one.account_id,
                partner=one.partner,
                version=one.version,
                sdl=one.sdl,
                target=one.target,
                function=one.function,
                url=one.url,
                needs=one.needs,
            )
            for one in live
        ]
        return PublishedSubgraphs(model.digest_of(live), subgraphs)

    async def entries(self, environment_id: str, account_id: str, after: str, limit: int) -> list[SubgraphEntry]:
        found = await self._store.subgraphs(environment_id, account_id=account_id, after=after, limit=limit)
        return [_entry(one) for one in found]

    async def entry(self, environment_id: str, name: str) -> SubgraphEntry | None:
        found = await self._store.subgraph(environment_id, name)
        return _entry(found) if found else None

    async def versions(
        self, environment_id: str, account_id: str, name: str, before: int, limit: int
    ) -> list[SubgraphVersion]:
        return [
            SubgraphVersion(
                version=one.version,
                target=one.target,
                function=one.function,
                url=one.url,
                sha256=one.sha256,
                bytes=one.bytes,
                published_by=one.published_by,
                published_at=one.published_at,
            )
            for one in await self._store.versions(environment_id, account_id, name, before=before, limit=limit)
        ]

    async def source(self, environment_id: str, account_id: str, name: str, version: int) -> SubgraphSource | None:
        found = await self._store.source(environment_id, account_id, name, version)
        return SubgraphSource(found.sdl, found.target, found.function, found.url) if found else None

    async def granted(self, environment_id: str, account_id: str) -> GraphGrants:
        patterns = await self._store.granted(environment_id, account_id, limit=GRANTS_MAX)
        return GraphGrants(patterns, await self._store.partners(environment_id))

    async def change(self, change: SubgraphChange, correlation_id: str) -> SubgraphOutcome:
        who = Who(change.environment_id, change.account_id, change.by)
        if change.source is None:
            outcome = await self._actions.withdraw(
                who,
                change.name,
                based_on=change.based_on,
                if_version=change.if_version,
                correlation_id=correlation_id,
            )
        else:
            given = change.source
            outcome = await self._actions.publish(
                who,
                change.name,
                model.Source(given.sdl, given.target, given.function, given.url),
                change.needs,
                based_on=change.based_on,
                if_version=change.if_version,
                correlation_id=correlation_id,
            )
        return SubgraphOutcome(outcome.version, outcome.changed, outcome.digest)


def _entry(one: model.Subgraph) -> SubgraphEntry:
    return SubgraphEntry(
        name=one.name,
        partner=one.partner,
        account_id=one.account_id,
        version=one.version,
        live=one.live,
        target=one.target,
        function=one.function,
        url=one.url,
        sha256=one.sha256,
        published_by=one.published_by,
        published_at=one.published_at,
    )


class TenantsUsedOperations:
    """Implements UsedOperations."""

    def __init__(self, tenants: TenantsService) -> None:
        self._store = tenants.used_operations

    async def note(self, environment_id: str, used: list[UsedDocument]) -> None:
        if used:
            forget_before = max(one.last_used for one in used) - timedelta(days=DAYS)
            found = [UsedOperation(one.document, one.last_used) for one in used]
            await self._store.note(environment_id, found, forget_before=forget_before)

    async def since(self, environment_id: str, day: date, after: str, limit: int) -> list[UsedDocument]:
        found = await self._store.since(environment_id, day, after=after, limit=limit)
        return [UsedDocument(one.document, one.last_used) for one in found]


class NoPolicies:
    """Implements OverridePolicyDirectory: every override has the default policy."""

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        return {}
