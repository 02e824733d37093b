"""The current route table of each environment, on every process within a second of a change.

A notice (`invalidate`) makes the next request read again at once. Notices may be lost, so a table is read again after
a second anyway. When the source does not answer, the last table serves for a minute: a store's routes change rarely,
and a store that is down sells nothing; but a revoked grant must not live on for long.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from kokoa.edge.cache import FreshCache
from kokoa.edge.model import NativeRoute, RouteTableInput
from kokoa.edge.routes import RouteTable
from kokoa.kernel.errors import Unavailable
from kokoa.processes.steps import reached

log = structlog.get_logger(__name__)

TTL_S = 1.0
STALE_MAX_S = 60.0
ENVIRONMENTS_MAX = 2_000


class RouteSource(Protocol):
    """Reads what decides an environment's routes. Raises Unavailable."""

    async def load(self, environment_id: str) -> RouteTableInput: ...


class RouteTables:
    """native: the routes that every environment has."""

    def __init__(
        self, source: RouteSource, native: Iterable[NativeRoute], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._native = tuple(native)
        # Most environments have no routes of partners: they share one table, of which there would be thousands.
        self._plain = RouteTable.of(self._native, RouteTableInput())
        self._clock = clock
        self._fresh: FreshCache[RouteTable] = FreshCache(ttl_s=TTL_S, entries_max=ENVIRONMENTS_MAX, clock=clock)
        # The last input and its table: most reads find nothing changed and keep the table.
        self._built: OrderedDict[str, tuple[float, RouteTableInput, RouteTable]] = OrderedDict()

    async def of(self, environment_id: str) -> RouteTable:
        """The environment's table, at most TTL_S old while the source answers. Raises Unavailable."""
        table = self._fresh.peek(environment_id)
        if table is not None:
            return table
        return await self._fresh.get(environment_id, lambda: self._load(environment_id))

    def invalidate(self, environment_id: str) -> None:
        """The environment's routes or grants changed."""
        self._fresh.forget(environment_id)

    async def _load(self, environment_id: str) -> RouteTable:
        known = self._built.get(environment_id)
        read_at = self._clock()
        try:
            source = await self._source.load(environment_id)
        except Unavailable as error:
            if known is None or read_at - known[0] > STALE_MAX_S:
                raise
            log.warning("routes_are_stale", environment_id=environment_id, reason=error.message)
            return known[2]
        table = known[2] if known is not None and known[1] == source else self._table_of(source)
        if known is not None and table is not known[2]:
            reached("override.noticed")
        self._built[environment_id] = (read_at, source, table)
        self._built.move_to_end(environment_id)
        while len(self._built) > ENVIRONMENTS_MAX:
            self._built.popitem(last=False)
        return table

    def _table_of(self, source: RouteTableInput) -> RouteTable:
        return RouteTable.of(self._native, source) if source.extension_routes else self._plain
