"""How an override behaves, and what became of it: fields of the graph and routes alike.

A *subject* is what is overridden: a field (`Product.price`) or a route (`GET /api/search`).
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol
from zlib import crc32

import msgspec

from kokoa.kernel.call import Call

_SHARES = 1_000_000

Outcome = Literal["answered", "failed", "late", "invalid", "equal", "different"]
"""answered: it was served.  failed, late, invalid: the native answer was served instead, or an error.
equal, different: in shadow, against the native answer."""


class OverridePolicy(msgspec.Struct, frozen=True):
    """percent: of customers who get the override, 0 to 100.  deadline_ms: for its answer.

    fallback: serve the native answer when it fails, is late or answers nonsense.  shadow: ask it, serve the native
    answer, and report where the two differ.
    """

    percent: float = 100.0
    deadline_ms: int = 1_000
    fallback: bool = True
    shadow: bool = False


class Observation(msgspec.Struct, frozen=True):
    """One answer of an override. reason: for its owner, empty when it was served.

    count: how many answers were alike (the objects of one level).  native, other: a sample of a difference.
    """

    environment_id: str
    subject: str
    outcome: Outcome
    correlation_id: str
    count: int = 1
    reason: str = ""
    native: Any = None
    other: Any = None


class OverrideReports(Protocol):
    """Where observations go. It never waits and never fails: what it has no room for is counted as lost."""

    def note(self, observations: Sequence[Observation]) -> None: ...


def who_of(call: Call) -> str:
    """By what a share of customers is divided: the customer, else the session, else the request alone."""
    return call.caller.subject or call.session or call.correlation_id


def is_on(percent: float, salt: str, call: Call) -> bool:
    """Whether the call is among the `percent` of 100. salt: what is divided; customers fall alike for equal salts."""
    share = crc32(f"{salt}/{call.environment_id}/{who_of(call)}".encode()) % _SHARES
    return share < percent / 100 * _SHARES
