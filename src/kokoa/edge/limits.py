"""Rate limits of environments, shared by all web processes without asking anybody during a request.

Each process counts what it admits and every 100 ms tells the others how much that was (a notice over NATS, which may
be lost). A request is admitted when the sliding window, made of this window's count and the share of the last one's
that is still inside, has room. Windows are aligned to the clock, so that all processes mean the same one.

How far it can be exceeded: by what the other processes admit in one gossip interval, so at most
(processes - 1) x requests admitted in 100 ms; and with NATS away, each process holds the limit on its own.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Protocol

import msgspec
import structlog

from kokoa.edge.errors import RateLimited
from kokoa.edge.model import RatePolicy
from kokoa.kernel.clock import Clock, now_ms
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.ids import new_id

log = structlog.get_logger(__name__)

NOTICE = "edge.consumption"
GOSSIP_INTERVAL_S = 0.1
KEYS_MAX = 50_000
POLICIES_KNOWN_MAX = 1_000
_KEYS_PER_NOTICE_MAX = 5_000
_COUNT_MAX = 1_000_000


class Gossip(Protocol):
    """Notices to all processes, at most once each (kokoa.messaging.Bus is one)."""

    async def notify(self, name: str, payload: bytes = b"") -> None: ...
    async def listen(self, name: str, handler: Callable[[str, bytes], Awaitable[None]]) -> None: ...


class Consumption(msgspec.Struct, frozen=True):
    """What one process admitted since its last notice.  counts: (key, window_s, window number, admitted)."""

    process: str
    counts: list[tuple[str, int, int, int]]


class Allowance(msgspec.Struct, frozen=True):
    """What a request is told about its environment's limit.  admitted: whether it may go on."""

    policy: RatePolicy
    admitted: bool
    remaining: int
    reset_s: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """RateLimit-* as in draft-ietf-httpapi-ratelimit-headers-07, for an ASGI answer."""
        limit, policy = _headers_of(self.policy)
        return [
            limit,
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset_s),
            policy,
        ]

    def require(self) -> None:
        """Raises RateLimited, which says when to come back, unless the request was admitted."""
        if not self.admitted:
            raise RateLimited(
                f"This store has used up its {self.policy.requests} requests in {self.policy.window_s} seconds. "
                f"Try again in {self.reset_s} s.",
                retry_after_s=self.reset_s,
            )


@lru_cache(POLICIES_KNOWN_MAX)
def _headers_of(policy: RatePolicy) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    return (
        (b"ratelimit-limit", b"%d" % policy.requests),
        (b"ratelimit-policy", b"%d;w=%d" % (policy.requests, policy.window_s)),
    )


class _Window:
    """Counts of the current and the last window of one key.  untold: what the other processes do not know of yet."""

    __slots__ = ("current", "last", "number", "untold", "untold_of_last")

    def __init__(self, number: int) -> None:
        self.number = number
        self.current = 0
        self.last = 0
        self.untold = 0
        self.untold_of_last = 0

    def roll_to(self, number: int) -> None:
        # One back is the same window: clocks are adjusted by a little. A clock that was set back by more begins anew,
        # else a store that has used up its limit would be refused until the clock is where it was.
        if number in (self.number, self.number - 1):
            return
        follows = number == self.number + 1
        self.last, self.untold_of_last = (self.current, self.untold) if follows else (0, 0)
        self.current = self.untold = 0
        self.number = number

    def told(self, number: int, count: int) -> None:
        """The others know of `count` that were admitted in that window, which may be the last one by now."""
        if number == self.number:
            self.untold = max(0, self.untold - count)
        elif number == self.number - 1:
            self.untold_of_last = max(0, self.untold_of_last - count)


class RateLimits:
    """Counts in this process; `run` keeps it in step with the others."""

    def __init__(self, gossip: Gossip, *, clock: Clock = now_ms) -> None:
        self._gossip = gossip
        self._clock = clock
        self._process = new_id()
        self._windows: dict[tuple[str, int], _Window] = {}

    def take(self, key: str, policy: RatePolicy) -> Allowance:
        """Count one request, if there is room for it.  key: an environment, say."""
        time_ms = self._clock()
        window_ms = policy.window_s * 1000
        window = self._window(key, policy.window_s, time_ms)
        passed = (time_ms % window_ms) / window_ms
        free = int(policy.requests - window.current - window.last * (1 - passed))
        reset_s = max(1, math.ceil((window_ms - time_ms % window_ms) / 1000))
        if free < 1:
            return Allowance(policy, False, 0, reset_s)
        window.current += 1
        window.untold += 1
        return Allowance(policy, True, free - 1, reset_s)

    async def run(self) -> None:
        """Tell the others and listen to them until cancelled."""
        await self._gossip.listen(NOTICE, self._hear)
        while True:
            await asyncio.sleep(GOSSIP_INTERVAL_S)
            with contextlib.suppress(Unavailable):  # each process then holds the limit on its own
                await self.tell()

    async def tell(self) -> None:
        """One notice with what was admitted since the last one. Raises what the gossip raises, and counts on."""
        counts: list[tuple[str, int, int, int]] = []
        told: list[tuple[_Window, int, int]] = []
        for (key, window_s), window in self._windows.items():
            for number, count in ((window.number - 1, window.untold_of_last), (window.number, window.untold)):
                if count and len(counts) < _KEYS_PER_NOTICE_MAX:
                    counts.append((key, window_s, number, count))
                    told.append((window, number, count))
        if not counts:
            return
        await self._gossip.notify(NOTICE, msgspec.msgpack.encode(Consumption(self._process, counts)))
        for window, number, count in told:
            window.told(number, count)

    async def _hear(self, _: str, payload: bytes) -> None:
        try:
            told = msgspec.msgpack.decode(payload, type=Consumption)
        except msgspec.DecodeError:
            log.warning("consumption_notice_unreadable", size_bytes=len(payload))
            return
        if told.process == self._process:
            return
        time_ms = self._clock()
        for key, window_s, number, count in told.counts[:_KEYS_PER_NOTICE_MAX]:
            if window_s <= 0 or not 0 <= count <= _COUNT_MAX:
                continue
            window = self._window(key, window_s, time_ms)
            if number == window.number:
                window.current += count
            elif number == window.number - 1:
                window.last += count

    def _window(self, key: str, window_s: int, time_ms: int) -> _Window:
        number = time_ms // (window_s * 1000)
        window = self._windows.get((key, window_s))
        if window is None:
            if len(self._windows) >= KEYS_MAX:
                self._prune(time_ms)
            window = self._windows[(key, window_s)] = _Window(number)
        window.roll_to(number)
        return window

    def _prune(self, time_ms: int) -> None:
        """Forget windows that no longer count; when all still do, the ones that were used least."""
        living = {
            place: window
            for place, window in self._windows.items()
            if window.number >= time_ms // (place[1] * 1000) - 1
        }
        if len(living) >= KEYS_MAX:
            most_used = sorted(living.items(), key=lambda item: item[1].current, reverse=True)
            living = dict(most_used[: KEYS_MAX // 2])
        self._windows = living
