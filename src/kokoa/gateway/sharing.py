"""Equal queries of a storefront that are under way at the same moment are executed once.

Only queries, only of shoppers who are not signed in, and only an answer without errors: an error carries the id of
the request that it was made for. Nothing is kept when it is done. What a shopper reads may so be as old as the query
that was under way when theirs came; whoever changes a store (servers, accounts, customers) reads on their own, and so
does everybody what a subgraph marks as one caller's (`@cacheControl(scope: PRIVATE)`), such as a cart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any

import orjson

from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call

WAITING_MAX = 10_000
_VARIABLES_BYTES_MAX = 16_384


def is_shareable(call: Call) -> bool:
    """Whether the answer to this caller may be that to another one."""
    return call.caller.kind == "storefront" and not call.caller.subject


def shared_key(part: Hashable, variables: Mapping[str, Any], call: Call) -> Hashable | None:
    """What equal queries have in common.  part: their plan and document. None for one that is not to be shared."""
    try:
        given = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS) if variables else b""
    except TypeError:
        return None
    if len(given) > _VARIABLES_BYTES_MAX:
        return None
    return part, given, call.environment_id, call.caller.scopes, call.session, call.depth


class SharedQueries:
    """What is under way, by key."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Future[ExecutionResult | None]] = {}

    async def run(
        self, key: Hashable, call: Call, execute: Callable[[], Awaitable[ExecutionResult]]
    ) -> ExecutionResult:
        """The answer of an equal query that is under way, or that of this one.

        Who waits for one that fails, or whose caller goes away, executes on their own, all at once. Raises
        DeadlineExceeded.
        """
        other = self._under_way.get(key)
        if other is not None:
            await asyncio.wait([other], timeout=call.remaining_ms() / 1000)
            answer = other.result() if other.done() and not other.cancelled() else None
            return answer if answer is not None else await execute()
        if len(self._under_way) >= WAITING_MAX:
            return await execute()
        mine = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            result = await execute()
            mine.set_result(None if result.errors else result)
            return result
        finally:
            mine.cancel()
            del self._under_way[key]
