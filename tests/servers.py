"""What tests say about the real servers that tests/conftest.py starts."""

import asyncio
from collections.abc import Awaitable, Callable

from kokoa.postgres import Database

SERVICE_PASSWORD = "for-tests-only"

# connect_service(name, migrations folder) → the service's database, migrated
ConnectService = Callable[..., Awaitable[Database]]


async def until(condition: Callable[[], bool], *, within_s: float = 60) -> None:
    """Wait for a condition. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)
