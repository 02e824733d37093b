"""An extension's route in the place of a native one, as the store's policy wants it.

    no policy   the extension answers, and its failures are the answer
    percent     the others get the native answer
    fallback    the native answer when the extension fails, is late or answers nonsense, or has no room
    shadow      the native answer; the extension is asked afterwards, and what differs is reported

Fallback and shadow are for native routes without side effects: of others nobody knows what was done already. What
became of an override is noted for its owner, and no customer waits for that.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

import msgspec
import structlog
from starlette.types import Receive

from kokoa.edge.differences import difference
from kokoa.edge.errors import BadFunctionAnswer, ExtensionNotReady, FunctionBusy, FunctionFailed, FunctionTimeout
from kokoa.edge.extensions import Extensions
from kokoa.edge.model import ExtensionRoute
from kokoa.edge.routes import Match
from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.overrides import Observation, Outcome, OverridePolicy, OverrideReports, is_on
from kokoa.web.errors import PayloadTooLarge
from kokoa.web.http import Request, Response
from kokoa.web.problem import problem_of

log = structlog.get_logger(__name__)

SHADOWS_MAX = 32
SHADOWS_OF_ENVIRONMENT_MAX = 8
SAFE_METHODS = frozenset({"GET", "HEAD"})
_SERVER_ERROR = 500
_SHARE_OF_TIME = 75  # percent of what is left of the call that an override with a fallback may take
_DIVIDED = ("vary", "cookie, x-session-id")
_FAILURES = (FunctionFailed, FunctionTimeout, FunctionBusy, BadFunctionAnswer, ExtensionNotReady)

Native = Callable[[], Awaitable[Response]]
"""Asks the native route. Raises what it raises."""


class Asked(NamedTuple):
    """One request to an override."""

    request: Request
    receive: Receive
    call: Call
    match: Match
    route: ExtensionRoute


class Shadows:
    """Overrides that are asked beside what is served: few at once, and of one environment fewer still."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._of: Counter[str] = Counter()

    def has_room(self, environment_id: str) -> bool:
        return len(self._tasks) < SHADOWS_MAX and self._of[environment_id] < SHADOWS_OF_ENVIRONMENT_MAX

    def start(self, environment_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin it, unless there is no room any more."""
        if not self.has_room(environment_id):
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        self._of[environment_id] += 1
        task.add_done_callback(lambda done: self._ended(done, environment_id))

    async def close(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None], environment_id: str) -> None:
        self._tasks.discard(task)
        self._of[environment_id] -= 1
        if not self._of[environment_id]:
            del self._of[environment_id]
        if not task.cancelled() and task.exception() is not None:
            log.error("shadow_failed", exc_info=task.exception())


class Overriding:
    """Serves overrides of native routes."""

    def __init__(self, extensions: Extensions, shadows: Shadows, reports: OverrideReports) -> None:
        self._extensions = extensions
        self._shadows = shadows
        self._reports = reports

    async def serve(self, asked: Asked, policy: OverridePolicy | None, native: Native) -> Response:
        """Raises what Extensions.serve and the native route raise."""
        if policy is None:
            return await self._served(asked, None)
        response = await self._ruled(asked, policy, native)
        if not 0 < policy.percent < 100:
            return response
        # Both answers: whoever keeps one must not give it to the other kind of customer.
        return msgspec.structs.replace(response, headers=(*response.headers, _DIVIDED))

    async def _ruled(self, asked: Asked, policy: OverridePolicy, native: Native) -> Response:
        if not is_on(policy.percent, asked.match.subject, asked.call):
            return await native()
        if not is_safe(asked.match):
            return await self._served(asked, policy.deadline_ms)
        if policy.shadow:
            return await self._shadowed(asked, policy, native)
        if policy.fallback:
            return await self._served_or_native(asked, policy, native)
        return await self._served(asked, policy.deadline_ms)

    async def _served(self, asked: Asked, deadline_ms: int | None) -> Response:
        try:
            response = await self._extensions.serve(*asked, deadline_ms=deadline_ms)
        except _FAILURES as error:
            self._note(asked, *_judged(error))
            raise
        self._note(asked, *_judged_answer(response))
        return response

    async def _served_or_native(self, asked: Asked, policy: OverridePolicy, native: Native) -> Response:
        # The native answer comes afterwards, and must have time for it.
        deadline_ms = max(1, min(policy.deadline_ms, asked.call.remaining_ms() * _SHARE_OF_TIME // 100))
        try:
            response = await self._extensions.serve(*asked, deadline_ms=deadline_ms)
        except _FAILURES as error:
            outcome, reason = _judged(error)
            detail = error.detail
        else:
            outcome, reason = _judged_answer(response)
            detail = reason
        self._note(asked, outcome, reason)
        if outcome == "answered":
            return response
        log.warning("override_fell_back", subject=asked.match.subject, outcome=outcome, detail=detail)
        return await native()

    async def _shadowed(self, asked: Asked, policy: OverridePolicy, native: Native) -> Response:
        environment_id = asked.call.environment_id
        if not self._shadows.has_room(environment_id):
            return await native()
        try:
            event = await self._extensions.event_of(asked.request, asked.receive, asked.match, asked.route)
        except (ExtensionNotReady, PayloadTooLarge) as error:
            self._note(asked, *_judged(error))
            return await native()
        try:
            response = await native()
        except KokoaError as error:
            problem = problem_of(error, asked.call.correlation_id)
            self._shadows.start(environment_id, self._compare(asked, policy, event, problem))
            raise
        self._shadows.start(environment_id, self._compare(asked, policy, event, response))
        return response

    async def _compare(self, asked: Asked, policy: OverridePolicy, event: bytes, native: Response) -> None:
        try:
            other = await self._extensions.ask(asked.call, asked.route, event, deadline_ms=policy.deadline_ms)
        except KokoaError as error:
            self._note(asked, *_judged(error))
            return
        found = difference(native, other, head_only=asked.request.method == "HEAD")
        if found is None:
            self._note(asked, "equal")
        else:
            self._note(asked, "different", found.reason, found.native, found.other)

    def _note(
        self, asked: Asked, outcome: Outcome, reason: str = "", native: object = None, other: object = None
    ) -> None:
        call = asked.call
        subject = asked.match.subject
        self._reports.note(
            [Observation(call.environment_id, subject, outcome, call.correlation_id, 1, reason, native, other)]
        )


def is_safe(match: Match) -> bool:
    """Whether the native route may be asked beside the extension's."""
    return match.overridden is not None and match.overridden.key.method in SAFE_METHODS


def _judged(error: KokoaError) -> tuple[Outcome, str]:
    """What became of an override that raised, and why, for its owner."""
    match error:
        case FunctionTimeout():
            return "late", error.detail
        case BadFunctionAnswer():
            return "invalid", error.detail
        case FunctionFailed():
            return "failed", error.reason or error.detail
        case FunctionBusy():
            cause = error.__cause__  # of its message anybody may know, of our detail only the operator
            return "failed", f"no room: {cause.message}" if isinstance(cause, KokoaError) else "no room"
        case _:
            return "failed", error.detail or error.message


def _judged_answer(response: Response) -> tuple[Outcome, str]:
    """A whole answer that says of itself that it failed is a failure: frameworks make one of every exception."""
    if response.status >= _SERVER_ERROR:
        return "failed", f"status {response.status}"
    return "answered", ""
