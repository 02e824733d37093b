"""The environment's graph behind one seam, in this process or in a gateway's."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from kokoa.edge.graph import Graph
from kokoa.gateway.app import Gateway
from kokoa.gateway.app import Graph as BuiltGraph
from kokoa.gateway.execute.clients import HttpClient
from kokoa.graphql import ExecutionResult
from kokoa.graphql.errors import ErrorEntry
from kokoa.graphql.result import refusal
from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError, Unavailable
from kokoa.kernel.overrides import GraphAnswer


class GraphFailed(Unavailable):
    """The graph answered with errors where we needed data."""


class GraphUnavailable(Unavailable):
    """Parts of the graph are away; of what they would have answered nothing is known."""


_MISFITS = frozenset({"GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"})


class GraphSeam(Protocol):
    """What a gateway process answers to the others."""

    async def execute(
        self,
        document: str,
        variables: dict[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        read_only: bool = False,
    ) -> ExecutionResult: ...

    async def check(self, document: str, environment_id: str) -> list[ErrorEntry]: ...

    async def explain(
        self, document: str, variables: dict[str, Any] | None, call: Call, operation_name: str | None = None
    ) -> str: ...


class GraphsOfEnvironments(Protocol):
    """Which graph an environment has, if not the common one."""

    async def of(self, environment_id: str) -> BuiltGraph | None:
        """None for the common one. Raises Unavailable: it cannot be told right now."""

    async def newer(self, environment_id: str, seen: BuiltGraph | None) -> bool:
        """Whether `of` has another one than was seen, after a look. Raises nothing."""


class Usage(Protocol):
    """Where it is noted which documents were answered."""

    def note(self, environment_id: str, text: str) -> None: ...


class LocalGraph:
    """A gateway in this process. Answers both the edge and, as GraphSeam, other processes.

    graphs: of environments that have one of their own; without it, all have the common one.
    """

    def __init__(
        self, gateway: Gateway, graphs: GraphsOfEnvironments | None = None, usage: Usage | None = None
    ) -> None:
        self._gateway = gateway
        self._graphs = graphs
        self._usage = usage
        self.metrics = gateway.metrics

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        read_only: bool = False,
    ) -> ExecutionResult:
        execute = self._gateway.execute
        try:
            graph = await self._graphs.of(call.environment_id) if self._graphs is not None else None
            result = await execute(document, variables, call, operation_name, read_only=read_only, graph=graph)
            if result.refused and await self._is_behind(call.environment_id, graph, result.errors):
                graph = await self._graph_of(call.environment_id)
                result = await execute(document, variables, call, operation_name, read_only=read_only, graph=graph)
        except KokoaError as error:
            return refusal(error)
        if self._usage is not None and not result.refused:
            self._usage.note(call.environment_id, document)
        return result

    async def stream(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> AsyncGenerator[ExecutionResult, None]:
        again = True
        while again:
            again = False
            try:
                graph = await self._graph_of(call.environment_id)
            except KokoaError as error:
                yield refusal(error)
                return
            found = self._gateway.stream(document, variables, call, operation_name, read_only=read_only, graph=graph)
            async with aclosing(found):
                async for result in found:
                    again = result.refused and await self._is_behind(call.environment_id, graph, result.errors)
                    if again:
                        break
                    if self._usage is not None and not result.refused:
                        self._usage.note(call.environment_id, document)
                    yield result

    async def check(self, document: str, environment_id: str) -> list[ErrorEntry]:
        graph = await self._graph_of(environment_id)
        misfits = self._gateway.check(document, environment_id, graph=graph)
        if misfits and await self._is_behind(environment_id, graph, misfits):
            return self._gateway.check(document, environment_id, graph=await self._graph_of(environment_id))
        return misfits

    async def explain(
        self, document: str, variables: Mapping[str, Any] | None, call: Call, operation_name: str | None = None
    ) -> str:
        graph = await self._graph_of(call.environment_id)
        return await self._gateway.explain(document, variables, call, operation_name, graph=graph)

    async def _graph_of(self, environment_id: str) -> BuiltGraph | None:
        return await self._graphs.of(environment_id) if self._graphs is not None else None

    async def _is_behind(
        self, environment_id: str, graph: BuiltGraph | None, misfits: Sequence[Mapping[str, Any]]
    ) -> bool:
        """Whether a graph refused what does not fit it, and there is a newer one that it may fit."""
        if self._graphs is None or not any(one.get("extensions", {}).get("code") in _MISFITS for one in misfits):
            return False
        return await self._graphs.newer(environment_id, graph)


class RemoteGraph:
    """A gateway in another process, as the edge wants its graph. The schema is not known here.

    streams: asks the same gateway as a GraphQL server, for what has more than one answer.
    """

    def __init__(self, seam: GraphSeam, streams: HttpClient) -> None:
        self._seam = seam
        self._streams = streams

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> ExecutionResult:
        return await self._seam.execute(document, dict(variables or {}), call, operation_name, read_only)

    async def stream(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> AsyncGenerator[ExecutionResult, None]:
        try:
            async with aclosing(
                self._streams.stream(document, variables or {}, call, operation_name, read_only=read_only)
            ) as found:
                async for result in found:
                    yield result
        except KokoaError as error:
            yield refusal(error)

    async def check(self, document: str, environment_id: str) -> list[ErrorEntry]:
        return await self._seam.check(document, environment_id)

    async def explain(
        self, document: str, variables: Mapping[str, Any] | None, call: Call, operation_name: str | None = None
    ) -> str:
        return await self._seam.explain(document, dict(variables or {}), call, operation_name)


class GraphToCome:
    """The graph of a process whose services are made before it. Until it is set nobody is served, and nobody asks."""

    def __init__(self) -> None:
        self.graph: Graph | None = None

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """As DataOrError. Raises GraphUnavailable before there is a graph."""
        if self.graph is None:
            raise GraphUnavailable("This process has no graph to ask.")
        return await DataOrError(self.graph).query(document, variables, call)

    async def answer(self, document: str, variables: Mapping[str, Any], call: Call) -> GraphAnswer:
        """The same, and who answered what partners have taken over."""
        if self.graph is None:
            raise GraphUnavailable("This process has no graph to ask.")
        return await DataOrError(self.graph).answer(document, variables, call)

    async def execute(self, document: str, variables: Mapping[str, Any], call: Call) -> ExecutionResult:
        """Queries and mutations, with their errors. Raises GraphUnavailable before there is a graph."""
        if self.graph is None:
            raise GraphUnavailable("This process has no graph to ask.")
        return await self.graph.execute(document, variables, call)


class DataOrError:
    """A graph for services: the data, or an error; never half of both."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Raises GraphFailed, GraphUnavailable with the first errors' messages in the detail."""
        return (await self.answer(document, variables, call)).data

    async def answer(self, document: str, variables: Mapping[str, Any], call: Call) -> GraphAnswer:
        """The same, and who answered what partners have taken over."""
        result = await self._graph.execute(document, variables, call, read_only=True)
        if result.errors or not isinstance(result.data, dict):
            raise _failed(result)
        return GraphAnswer(result.data, result.answered or {})


def _failed(result: ExecutionResult) -> KokoaError:
    messages = "; ".join(str(error.get("message")) for error in result.errors[:3])
    if result.errors and all(_is_outage(error) for error in result.errors):
        return GraphUnavailable("Parts of the graph do not answer.", detail=messages)
    return GraphFailed("The graph did not answer completely.", detail=messages)


def _is_outage(error: Mapping[str, Any]) -> bool:
    return str(error.get("extensions", {}).get("code", "")).endswith("UNAVAILABLE")
