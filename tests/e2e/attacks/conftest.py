"""One host for all attacks of a test process."""

from collections.abc import AsyncIterator

import pytest
from attacks.arena import Arena, open_arena


@pytest.fixture(scope="session")
async def arena(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    async with open_arena(tmp_path_factory.mktemp("arena")) as arena:
        yield arena
