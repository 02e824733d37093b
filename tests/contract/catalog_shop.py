"""A catalog and one environment in it, asked through the service's subgraph, as tests of catalog need it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from kokoa.graphql import ExecutionResult
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database, ServiceSchema, migrate, service_dsn
from kokoa.services.catalog.service import CatalogService
from servers import SERVICE_PASSWORD
from told_events import check_told

MANAGEMENT = frozenset({"storefront", "management"})
STOREFRONT = frozenset({"storefront"})

CREATE = """mutation Create($input: CreateProductInput!) {
  createProduct(input: $input) { id name slug price currency version variants { sku price priceMinor currency } }
}"""


class Shop:
    """A catalog and one environment in it."""

    def __init__(self, service: CatalogService, environment_id: str = "") -> None:
        self.service = service
        self.environment_id = environment_id or new_id()

    def call(self, scopes: frozenset[str] = MANAGEMENT) -> Call:
        kind = "server" if scopes == MANAGEMENT else "storefront"
        return Call(self.environment_id, Caller(kind, scopes=scopes), new_correlation_id(), now_ms() + 60_000)

    async def ask(
        self, document: str, scopes: frozenset[str] = MANAGEMENT, variables: Any = None, **more: Any
    ) -> ExecutionResult:
        return await self.service.subgraph.execute(document, {**(variables or {}), **more}, self.call(scopes))

    async def data(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> Any:
        result = await self.ask(document, scopes, variables)
        assert not result.errors, result.errors
        return result.data

    async def code(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> str:
        return (await self.error(document, scopes, **variables))[0]

    async def error(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> tuple[str, str]:
        """Code and message of the first error."""
        result = await self.ask(document, scopes, variables)
        assert result.errors, result.data
        first = result.errors[0]
        return first["extensions"]["code"], first["message"]

    async def create(self, name: str, **more: Any) -> Any:
        variants = [{"sku": f"{name}-1", "priceMinor": 8990, "currency": "EUR"}]
        variants += [{"sku": f"{name}-2", "priceMinor": 7990, "currency": "EUR"}]
        wanted = {"name": name, "variants": variants, **more}
        return (await self.data(CREATE, input=wanted))["createProduct"]


@asynccontextmanager
async def open_database(admin_dsn: str, service: str, folder: Path) -> AsyncIterator[Database]:
    """A database of its own with one service's schema, for all tests of a file; what it told must be as published."""
    name = f"t{secrets.token_hex(6)}"
    admin = await asyncpg.connect(admin_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    dsn = admin_dsn.replace("/postgres?", f"/{name}?")
    await migrate(dsn, [ServiceSchema(service, folder, SERVICE_PASSWORD)])
    database = await Database.connect(service_dsn(dsn, service, SERVICE_PASSWORD), service=service, pool_size=4)
    yield database
    await database.close()
    await check_told(dsn, service)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
