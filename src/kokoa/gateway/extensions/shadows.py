"""Overrides in shadow: asked beside the native subgraph, compared with it, never waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog

from kokoa.gateway.extensions.answers import Judgement, Place
from kokoa.gateway.extensions.works import OWN_PREFIX, Site
from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.overrides import Observation, Outcome, OverrideReports

log = structlog.get_logger(__name__)

SHADOWS_MAX = 32
Judged = Mapping[tuple[Site, Place], Judgement]


class Shadows:
    """At most SHADOWS_MAX at once; what comes on top is not asked."""

    def __init__(self, reports: OverrideReports) -> None:
        self._reports = reports
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self,
        ask: Callable[[Call], Awaitable[Judged]],
        native: Awaitable[Judged],
        call: Call,
        patience_ms: int,
    ) -> None:
        """Ask, and compare with the native answer when both are there. It may end after the client's call."""
        if len(self._tasks) >= SHADOWS_MAX:
            return
        bounded = msgspec.structs.replace(call, deadline_ms=now_ms() + patience_ms)
        task = asyncio.ensure_future(self._compare(ask, native, bounded))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait for all that are being asked."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _compare(self, ask: Callable[[Call], Awaitable[Judged]], native: Awaitable[Judged], call: Call) -> None:
        try:
            answered = await ask(call)
            # The native answer belongs to the client's request, which may be given up.
            known = await asyncio.shield(native)
            self._reports.note(comparisons(known, answered, call))
        except asyncio.CancelledError:
            return
        except Exception as error:
            log.error("shadow failed", exc_info=error, environment_id=call.environment_id)


def comparisons(native: Judged, answered: Judged, call: Call) -> list[Observation]:
    """One for each field and outcome, with one sample of a difference. What native could not tell is not compared."""
    found: dict[tuple[str, Outcome], Observation] = {}
    for where, judgement in answered.items():
        known = native.get(where)
        if known is None or known.entry is not None:
            continue
        outcome = judgement.outcome
        if judgement.entry is None:
            outcome = "equal" if is_equal(known.value, judgement.value) else "different"
        key = (where[0].coordinate, outcome)
        if key in found:
            found[key] = msgspec.structs.replace(found[key], count=found[key].count + 1)
            continue
        sample = {"native": _plain(known.value), "other": _plain(judgement.value)} if outcome == "different" else {}
        found[key] = Observation(
            call.environment_id, key[0], outcome, call.correlation_id, 1, judgement.reason, **sample
        )
    return list(found.values())


def is_equal(one: Any, other: Any) -> bool:
    """Deep equality of JSON values: true is not 1, and 1.0 is 1. What the gateway asked for itself does not count."""
    if isinstance(one, dict) and isinstance(other, dict):
        one, other = _plain(one), _plain(other)
        return one.keys() == other.keys() and all(is_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _plain(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: one for key, one in value.items() if not key.startswith(OWN_PREFIX)}
