"""The environment's graph behind one seam, in this process or in a gateway's."""

from collections.abc import Mapping
from typing import Any, Protocol

from kokoa.gateway.app import Gateway
from kokoa.graphql import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError, Unavailable


class GraphFailed(Unavailable):
    """The graph answered with errors where we needed data."""


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


class LocalGraph:
    """A gateway in this process. Answers both the edge and, as GraphSeam, other processes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        read_only: bool = False,
    ) -> ExecutionResult:
        return await self._gateway.execute(document, variables, call, operation_name, read_only=read_only)


class RemoteGraph:
    """A gateway in another process, as the edge wants its graph. The schema is not known here."""

    def __init__(self, seam: GraphSeam) -> None:
        self._seam = seam

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


class Executes(Protocol):
    """A graph as the edge wants it."""

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> ExecutionResult: ...


class DataOrError:
    """A graph for services: the data, or an error; never half of both."""

    def __init__(self, graph: Executes) -> None:
        self._graph = graph

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Raises GraphFailed with the first error's message in its detail."""
        result = await self._graph.execute(document, variables, call, read_only=True)
        if result.errors or not isinstance(result.data, dict):
            raise _failed(result)
        return result.data


def _failed(result: ExecutionResult) -> KokoaError:
    messages = "; ".join(str(error.get("message")) for error in result.errors[:3])
    return GraphFailed("The graph did not answer completely.", detail=messages)
