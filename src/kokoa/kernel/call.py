"""A call: who asks, for which environment, how deep, until when. Every hop inside Kokoa carries one."""

from typing import Literal

import msgspec

from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded, Invalid

DEPTH_MAX = 8
DEADLINE_DEFAULT_MS = 30_000

CallerKind = Literal["storefront", "server", "account", "operator", "service"]


class DepthExceeded(Invalid):
    """The store called itself too often; the message names the way it went."""


class Caller(msgspec.Struct, frozen=True):
    """kind: how the caller proved itself.  subject: the account id, the service name, or empty."""

    kind: CallerKind
    subject: str = ""
    scopes: frozenset[str] = frozenset()


class Call(msgspec.Struct, frozen=True):
    """deadline_ms: unix time.  depth: hops so far.  path: what was entered at each hop, outermost first.

    session: which visitor it is, where nobody is logged in; empty if that is not known.
    span_id: of the fetch that it is sent with, where requests are traced; it stays in this process.
    """

    environment_id: str
    caller: Caller
    correlation_id: str
    deadline_ms: int
    depth: int = 0
    path: tuple[str, ...] = ()
    session: str = ""
    span_id: str = ""

    def enter(self, hop: str) -> "Call":
        """The call one hop deeper. Raises DepthExceeded, which names the cycle, over DEPTH_MAX hops."""
        path = (*self.path, hop)
        if self.depth >= DEPTH_MAX:
            raise DepthExceeded(
                f"The call is nested deeper than {DEPTH_MAX} hops: {' → '.join(path)}. "
                "An override probably asks for the very thing that it overrides."
            )
        return msgspec.structs.replace(self, depth=self.depth + 1, path=path)

    def remaining_ms(self) -> int:
        """Milliseconds until the deadline. Raises DeadlineExceeded when none is left."""
        left = self.deadline_ms - now_ms()
        if left <= 0:
            raise DeadlineExceeded("The deadline of this call has passed.")
        return left

    def until(self, deadline_ms: int) -> "Call":
        """The same call with a deadline that is no later than this one's."""
        return msgspec.structs.replace(self, deadline_ms=min(deadline_ms, self.deadline_ms))
