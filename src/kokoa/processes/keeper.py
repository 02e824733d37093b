"""Keeps a child running: when it ends by itself it is started again, with a growing pause between attempts."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from kokoa.processes.child import Child, ChildFailed

_log = structlog.get_logger(__name__)

_PAUSES_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
_HEALTHY_AFTER_S = 30.0


class Keeper:
    """start: starts the child and returns once it serves; it is called again after each crash."""

    def __init__(self, name: str, start: Callable[[], Awaitable[Child]]) -> None:
        self._name = name
        self._start = start
        self._task: asyncio.Task[None] | None = None
        self.child: Child | None = None

    async def start(self) -> None:
        """Start the child and begin watching. Raises what the first start raises."""
        self.child = await self._start()
        self._task = asyncio.create_task(self._watch(), name=f"keeper:{self._name}")

    async def release(self) -> Child | None:
        """Stop watching, so that the child may be stopped. Returns the child that runs now."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        return self.child

    async def _watch(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            assert self.child is not None
            begun_s = loop.time()
            status = await self.child.wait()
            failures = 1 if loop.time() - begun_s > _HEALTHY_AFTER_S else failures + 1
            pause_s = _PAUSES_S[min(failures - 1, len(_PAUSES_S) - 1)]
            _log.warning("child_ended", child=self._name, status=status, restart_in_s=pause_s)
            await asyncio.sleep(pause_s)
            try:
                self.child = await self._start()
            except ChildFailed as error:
                _log.error("child_not_restarted", child=self._name, error=error.message, detail=error.detail)
            except Exception as error:
                # Whatever kept it from starting (a full disk, say): we are the only one who tries again.
                _log.error("child_not_restarted", child=self._name, error=repr(error))
