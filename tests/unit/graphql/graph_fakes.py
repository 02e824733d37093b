"""Calls and small subgraphs for the tests of the engine and the gateway."""

from collections.abc import Mapping
from typing import Any

from kokoa.graphql import Subgraph, build_subgraph
from kokoa.kernel.call import Call, Caller, CallerKind
from kokoa.kernel.clock import now_ms

FEDERATION = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", '
    '"@external", "@requires", "@provides", "@override", "@inaccessible", "@requiresScopes", "@tag"])\n'
)
CORRELATION_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def make_call(
    *, scopes: tuple[str, ...] = (), kind: CallerKind = "server", deadline_in_ms: int = 20_000, depth: int = 0
) -> Call:
    caller = Caller(kind, "", frozenset(scopes))
    return Call("0190b6a0-0000-7000-8000-000000000001", caller, CORRELATION_ID, now_ms() + deadline_in_ms, depth)


def make_subgraph(sdl: str, resolvers: Mapping[str, Any], name: str = "test", **options: Any) -> Subgraph:
    return build_subgraph(name=name, sdl=sdl, resolvers=resolvers, **options)


async def run(
    subgraph: Subgraph,
    text: str,
    variables: Mapping[str, Any] | None = None,
    operation_name: str | None = None,
    call: Call | None = None,
) -> dict[str, Any]:
    """The response as a client would see it."""
    result = await subgraph.execute(text, variables, call or make_call(), operation_name)
    return result.response()
