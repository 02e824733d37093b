"""Liveness and readiness. Alive: the process answers. Ready: what it needs answers as well."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from kokoa.web.http import Response, json_response

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[object]]
_NO_STORE = ("cache-control", "no-store")


def liveness() -> Response:
    """200 as long as the process can answer at all."""
    return json_response(200, {"status": "alive"}, _NO_STORE)


async def readiness(checks: Mapping[str, Check], *, timeout_s: float = 2.0) -> Response:
    """200 when every check returns in time, else 503 that names the ones that do not. Reasons go to the log only."""
    names = list(checks)
    passed = await asyncio.gather(*(_passes(name, checks[name], timeout_s) for name in names))
    failing = sorted(name for name, ok in zip(names, passed, strict=True) if not ok)
    if failing:
        return json_response(503, {"status": "not ready", "failing": failing}, _NO_STORE, ("retry-after", "1"))
    return json_response(200, {"status": "ready", "checks": sorted(names)}, _NO_STORE)


async def _passes(name: str, check: Check, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await check()
    except Exception as error:
        log.warning("check_failed", check=name, reason=str(error) or type(error).__name__)
        return False
    return True
