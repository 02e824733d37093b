"""The policies of each environment's overrides, on every process within a second of a change.

As with route tables: a notice (`forget`) makes the next request read again at once; notices may be lost, so policies
are read again after a second anyway; when their source does not answer, the last ones serve for a minute.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
import structlog

from kokoa.edge.cache import FreshCache
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.overrides import OverridePolicy, digest_of_fields

log = structlog.get_logger(__name__)

TTL_S = 1.0
STALE_MAX_S = 60.0
ENVIRONMENTS_MAX = 2_000


class PolicySource(Protocol):
    """Reads the policies of an environment, by subject. Raises Unavailable."""

    async def policies(self, environment_id: str) -> Mapping[str, OverridePolicy]: ...


class EnvironmentPolicies(msgspec.Struct, frozen=True):
    """divides: some override is for a share of customers only.  field_digest: of fields' policies, else empty."""

    by_subject: Mapping[str, OverridePolicy]
    divides: bool
    field_digest: str


class Policies:
    """Remembers them until a notice or TTL_S says otherwise."""

    def __init__(self, source: PolicySource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._fresh: FreshCache[EnvironmentPolicies] = FreshCache(
            ttl_s=TTL_S, entries_max=ENVIRONMENTS_MAX, clock=clock
        )
        self._last: OrderedDict[str, tuple[float, EnvironmentPolicies]] = OrderedDict()

    async def of(self, environment_id: str) -> EnvironmentPolicies:
        """At most TTL_S old while the source answers. Raises Unavailable."""
        found = self._fresh.peek(environment_id)
        if found is not None:
            return found
        return await self._fresh.get(environment_id, lambda: self._load(environment_id))

    def forget(self, environment_id: str) -> None:
        """The environment's policies changed."""
        self._fresh.forget(environment_id)

    async def _load(self, environment_id: str) -> EnvironmentPolicies:
        last = self._last.get(environment_id)
        read_at = self._clock()
        try:
            by_subject = await self._source.policies(environment_id)
        except Unavailable as error:
            if last is None or read_at - last[0] > STALE_MAX_S:
                raise
            log.warning("override_policies_are_stale", environment_id=environment_id, reason=error.message)
            return last[1]
        found = last[1] if last is not None and last[1].by_subject == by_subject else _made(by_subject)
        self._last[environment_id] = (read_at, found)
        self._last.move_to_end(environment_id)
        while len(self._last) > ENVIRONMENTS_MAX:
            self._last.popitem(last=False)
        return found


def _made(by_subject: Mapping[str, OverridePolicy]) -> EnvironmentPolicies:
    divides = any(policy.percent < 100 for policy in by_subject.values())
    return EnvironmentPolicies(by_subject, divides, digest_of_fields(by_subject))
