"""Running a subscription's plan: its root fetch is a stream, and each event of it is a run of the whole plan."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.execute.executor import Clients, Gathered, run_plan
from kokoa.gateway.plan.model import Plan
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import DEADLINE_DEFAULT_MS, Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError


class _EventGiven:
    """A subgraph whose answer to the root fetch is there already: one event, or the failure that ends the stream."""

    def __init__(self, client: SubgraphClient, document: str, event: ExecutionResult | KokoaError) -> None:
        self._client = client
        self._document = document
        self._event = event
        self.trusted, self.punctual = client.trusted, client.punctual

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        if document != self._document:
            return await self._client.execute(document, variables, call, operation_name)
        if isinstance(self._event, KokoaError):
            raise self._event
        return self._event

    def stream(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        return self._client.stream(document, variables, call, operation_name)


async def stream_plan(
    plan: Plan, clients: Clients, variables: Mapping[str, Any], call: Call
) -> AsyncGenerator[Gathered, None]:
    """What the plan gathers for each event, each with a deadline of its own. Ends when the root fetch ends."""
    root = next(fetch for fetch in plan.fetches if not fetch.groups)
    client = clients[root.subgraph]

    async def gather(event: ExecutionResult | KokoaError) -> Gathered:
        fresh = msgspec.structs.replace(call, deadline_ms=now_ms() + DEADLINE_DEFAULT_MS)
        given = {**clients, root.subgraph: _EventGiven(client, root.document, event)}
        return await run_plan(plan, given, variables, fresh)

    own = {name: variables[name] for name in root.variables if name in variables}
    try:
        async with aclosing(client.stream(root.document, own, call, None)) as events:
            async for event in events:
                yield await gather(event)
    except KokoaError as error:
        yield await gather(error)
