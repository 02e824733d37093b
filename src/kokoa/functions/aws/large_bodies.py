"""Room for large bodies: code packages are read, hashed and parsed in memory, so only a few may be at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from kokoa.functions.aws.http import RequestHead
from kokoa.kernel.errors import Throttled

LARGE_BYTES: Final = 8 * 1024 * 1024
WAIT_S: Final = 60
SLOTS_AHEAD_MAX: Final = 16
"""How many uploads may wait for each slot."""


class LargeBodiesBusy(Throttled):
    """Too many large uploads at the same time."""


class LargeBodies:
    """Hands out slots; small bodies pass freely."""

    def __init__(self, slots: int) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._slots_of_account_max = max(1, slots // 2)
        self._of_account: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._waiting = 0
        self._waiting_max = slots * SLOTS_AHEAD_MAX

    @asynccontextmanager
    async def room_for(self, head: RequestHead, account_id: str, *, limit_bytes: int) -> AsyncIterator[None]:
        """Hold a slot while a large body is handled. Raises LargeBodiesBusy when none gets free in time.

        One account holds half of the slots at most, so that its slow uploads never stop another's.
        """
        declared = head.header(b"content-length")
        size = int(declared) if declared.isdecimal() else limit_bytes
        if min(size, limit_bytes) <= LARGE_BYTES:
            yield
            return
        of_account = self._of_account.get(account_id) or asyncio.Semaphore(self._slots_of_account_max)
        self._of_account[account_id] = of_account
        async with self._slot(of_account), self._slot(self._slots):
            yield

    @asynccontextmanager
    async def _slot(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        if self._waiting >= self._waiting_max:
            raise LargeBodiesBusy("Rate Exceeded.", retry_after_s=10, detail="too many uploads wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await slots.acquire()
        except TimeoutError:
            raise LargeBodiesBusy("Rate Exceeded.", retry_after_s=10, detail="no slot got free") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            slots.release()
