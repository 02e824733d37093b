"""What several contract tests share."""

from collections.abc import AsyncIterator

import pytest

from contract.catalog_shop import open_catalog
from kokoa.messaging import EmbeddedNats
from kokoa.postgres import Database
from kokoa.services.catalog.service import CatalogService


@pytest.fixture(scope="module")
async def catalog(postgres: str, nats_server: EmbeddedNats) -> AsyncIterator[tuple[CatalogService, Database]]:
    """The service and its database, one for a test file: each test has environments of its own."""
    async with open_catalog(postgres, nats_server.url) as opened:
        yield opened
