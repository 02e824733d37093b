"""Work that several ask for at the same moment is done once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Once(Generic[Result]):
    """What is under way, by key. Nothing is kept when it is done."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Future[Result]] = {}

    async def do(self, key: Hashable, work: Callable[[], Awaitable[Result]]) -> Result:
        """The result of the work, or of the same work that is under way.

        Only success is shared: whoever waited for work that failed, or whose caller went away, does it itself.
        """
        while (other := self._under_way.get(key)) is not None:
            await asyncio.wait([other])
            if not other.cancelled():
                return other.result()
        mine = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            result = await work()
            mine.set_result(result)
            return result
        finally:
            mine.cancel()
            del self._under_way[key]
