"""Waiting for so long and no longer, at half the cost of asyncio.timeout: there are thirty such waits in an order."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_T = TypeVar("_T")


class TooLate(TimeoutError):
    """It took longer than `within` allowed."""


async def within(seconds: float, awaitable: Awaitable[_T]) -> _T:
    """What it returns, or raises. Raises TooLate when it takes longer; it is cancelled then, as by asyncio.timeout.

    seconds: from now; 0 or less for what must not wait at all.
    """
    task = asyncio.current_task()
    assert task is not None, "only a task can be cancelled"
    before, late = task.cancelling(), False

    def cancel() -> None:
        nonlocal late
        late = True
        task.cancel()

    timer = task.get_loop().call_later(max(seconds, 0), cancel)
    try:
        found = await awaitable
    except BaseException as error:
        timer.cancel()
        # Whoever else wants to cancel us is obeyed.
        if late and task.uncancel() <= before and isinstance(error, asyncio.CancelledError):
            raise TooLate from error
        raise
    timer.cancel()
    if late:
        task.uncancel()
    return found
