"""Who answers for a partner's subgraph. A server elsewhere is asked only where the environment's allowlist has it,
and learns nothing of the platform: no token, no cookie, no address.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import aiohttp

from kokoa.edge.cache import FreshCache
from kokoa.gateway.execute.clients import HttpClient, SubgraphUnavailable
from kokoa.gateway.extension import Extension
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.services.tenants.subgraphs.model import destination_of

TTL_S = 1.0
ENVIRONMENTS_MAX = 10_000


class EgressDirectory(Protocol):
    """What an environment allows."""

    async def egress(self, environment_id: str) -> tuple[str, ...]:
        """Where its extensions may be, as host:port."""


class Allowlists:
    """The environments' allowlists, at most a second old."""

    def __init__(self, directory: EgressDirectory) -> None:
        self._directory = directory
        self._known: FreshCache[frozenset[str]] = FreshCache(ttl_s=TTL_S, entries_max=ENVIRONMENTS_MAX)

    async def has(self, environment_id: str, destination: str) -> bool:
        """destination: host:port."""
        allowed = self._known.peek(environment_id)
        if allowed is None:
            allowed = await self._known.get(environment_id, lambda: self._load(environment_id))
        return destination in allowed

    async def _load(self, environment_id: str) -> frozenset[str]:
        return frozenset(await self._directory.egress(environment_id))


class AllowlistedClient:
    """A GraphQL server elsewhere, which must be allowed at the time of each request."""

    trusted = False

    def __init__(self, extension: Extension, session: aiohttp.ClientSession, allowlists: Allowlists) -> None:
        self._name = extension.name
        self._destination = str(destination_of(extension.url))
        self._client = HttpClient(extension.name, extension.url, session, None)
        self._allowlists = allowlists

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        await self._require_allowed(call)
        return await self._client.execute(document, variables, call, operation_name)

    async def stream(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        await self._require_allowed(call)
        found = self._client.stream(document, variables, call, operation_name)
        async with aclosing(found):
            async for result in found:
                yield result

    async def _require_allowed(self, call: Call) -> None:
        if not await self._allowlists.has(call.environment_id, self._destination):
            raise SubgraphUnavailable(
                f"The subgraph {self._name} is not asked: this store does not allow {self._destination}. Its owner "
                f"can: kokoa egress allow {self._destination}"
            )


class NobodyYet:
    """For targets that nobody answers for."""

    trusted = False

    def __init__(self, extension: Extension) -> None:
        self._message = f"The subgraph {extension.name} is answered by a function, which cannot be asked yet."

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        raise SubgraphUnavailable(self._message)

    async def stream(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        if self._message:  # always: it has to be a generator, as the seam wants it
            raise SubgraphUnavailable(self._message)
        yield ExecutionResult(None)
