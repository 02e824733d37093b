"""One function a mutation of HTTP APIs: one transaction and its events.

Where an API is served is asked before the transaction begins, because nothing leaves the process while one is open.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec
import orjson

from kokoa.functions.control import events
from kokoa.functions.control.access import Account
from kokoa.functions.control.errors import (
    ApiNotFound,
    IntegrationInUse,
    InvalidApi,
    RouteExists,
    StageExists,
    TooManyApis,
)
from kokoa.functions.control.model import (
    APIS_MAX,
    INTEGRATIONS_MAX,
    ROUTES_MAX,
    STAGES_MAX,
    Api,
    Integration,
    Route,
    Stage,
    new_api_id,
    new_part_id,
    require_route_key,
)
from kokoa.functions.control.placement import Placement, RoutePlacement
from kokoa.functions.control.store import api_not_found, api_of, q, stage_of
from kokoa.postgres import Database, Transaction
from kokoa.processes.steps import reached


class NewApi(msgspec.Struct, frozen=True):
    """What a deployer says of a new API.  region: the one that its ARNs carry."""

    name: str
    region: str
    description: str = ""
    version: str = ""
    tags: Mapping[str, str] = {}


class QuickCreate(msgspec.Struct, frozen=True):
    """API Gateway's quick create: one route to one function, and the stage $default."""

    route_key: str
    integration: Integration


class ApiActions:
    """Changes HTTP APIs."""

    def __init__(self, database: Database, placement: RoutePlacement) -> None:
        self._database = database
        self._placement = placement
        self._deploying = asyncio.Lock()

    async def create(self, account: Account, new: NewApi, quick: QuickCreate | None, *, correlation_id: str) -> Api:
        """An API, with quick create also its route. Raises InvalidApi, TooManyApis, what the placement refuses."""
        async with self._placing(account):
            return await self._create(account, new, quick, correlation_id=correlation_id)

    @asynccontextmanager
    async def _placing(self, account: Account) -> AsyncIterator[None]:
        """One deployment of routes at a time in an environment, so that two cannot both be the first to claim one.

        In this process first: a deployment that waits for the cluster's lock holds a connection.
        """
        async with self._deploying, self._database.locked(f"routes/{account.environment_id}"):
            yield

    async def _create(self, account: Account, new: NewApi, quick: QuickCreate | None, *, correlation_id: str) -> Api:
        api_id = new_api_id()
        route_keys = [require_route_key(quick.route_key)] if quick else []
        placement = await self._placement.place(account, api_id, new.name, route_keys)
        async with self._database.transaction(account.environment_id) as tx:
            if await tx.fetchval(q.api_count, account.account_id) >= APIS_MAX:
                raise TooManyApis(f"The account has {APIS_MAX} APIs, which is the most it may have.")
            row = await tx.fetchrow(
                q.insert_api,
                account.account_id,
                api_id,
                new.name,
                new.description,
                new.version,
                new.region,
                placement.endpoint,
                placement.note,
                orjson.dumps(dict(new.tags)).decode(),
            )
            if row is None:
                raise api_not_found(api_id)
            api = api_of(row)
            if quick is not None:
                await _insert_quick(tx, api, quick)
            event = events.ApiCreated(account_id=account.account_id, api_id=api_id, api_name=api.name)
            await tx.emit(event, correlation_id=correlation_id)
        reached("override.written")
        return api

    async def delete(self, account: Account, api_id: str, *, correlation_id: str) -> None:
        """Remove the API and all its parts. Raises ApiNotFound."""
        async with self._database.transaction(account.environment_id) as tx:
            name = await tx.fetchval(q.delete_api, account.account_id, api_id)
            if name is None:
                raise api_not_found(api_id)
            event = events.ApiDeleted(account_id=account.account_id, api_id=api_id, api_name=name)
            await tx.emit(event, correlation_id=correlation_id)

    async def add_route(
        self, account: Account, api: Api, route_key: str, integration_id: str, *, correlation_id: str
    ) -> Route:
        """A route more. Raises InvalidApi, RouteExists, ApiNotFound, TooManyApis, what the placement refuses."""
        require_route_key(route_key)
        async with self._placing(account):
            return await self._add_route(account, api, route_key, integration_id, correlation_id=correlation_id)

    async def _add_route(
        self, account: Account, api: Api, route_key: str, integration_id: str, *, correlation_id: str
    ) -> Route:
        rows = await self._database.fetch(account.environment_id, q.route_keys_of, api.account_id, api.api_id)
        route_keys = [*(row["route_key"] for row in rows), route_key]
        placement = await self._placement.place(account, api.api_id, api.name, route_keys)
        route = Route(new_part_id(), route_key, integration_id)
        async with self._database.transaction(account.environment_id) as tx:
            await _lock(tx, api)
            if len(route_keys) > ROUTES_MAX:
                raise TooManyApis(f"The API has {ROUTES_MAX} routes, which is the most it may have.")
            if integration_id:
                await _require_integration(tx, api, integration_id)
            if await _insert_route(tx, api, route) is None:
                raise RouteExists(f"Route with key {route_key} already exists for this API")
            await _placed(tx, api, placement)
            await _updated(tx, api, correlation_id)
        return route

    async def remove_route(self, account: Account, api: Api, route_id: str, *, correlation_id: str) -> None:
        """A route less. Raises ApiNotFound."""
        async with self._database.transaction(account.environment_id) as tx:
            if await tx.fetchval(q.delete_route, api.account_id, api.api_id, route_id) is None:
                raise ApiNotFound("Invalid Route identifier specified")
            await _updated(tx, api, correlation_id)

    async def add_integration(
        self, account: Account, api: Api, integration: Integration, *, correlation_id: str
    ) -> Integration:
        """An integration more. Raises TooManyApis, ApiNotFound."""
        async with self._database.transaction(account.environment_id) as tx:
            await _lock(tx, api)
            if await tx.fetchval(q.integration_count, api.account_id, api.api_id) >= INTEGRATIONS_MAX:
                raise TooManyApis(f"The API has {INTEGRATIONS_MAX} integrations, which is the most it may have.")
            await _insert_integration(tx, api, integration)
            await _updated(tx, api, correlation_id)
        return integration

    async def remove_integration(
        self, account: Account, api: Api, integration_id: str, *, correlation_id: str
    ) -> None:
        """An integration less. Raises IntegrationInUse, ApiNotFound."""
        async with self._database.transaction(account.environment_id) as tx:
            await _lock(tx, api)
            arguments = (api.account_id, api.api_id, integration_id)
            route_key = await tx.fetchval(q.integration_in_use, *arguments)
            if route_key is not None:
                raise IntegrationInUse(
                    f"Cannot delete Integration '{integration_id}' because it is referenced by Route '{route_key}'."
                )
            if await tx.fetchval(q.delete_integration, *arguments) is None:
                raise ApiNotFound("Invalid Integration identifier specified")
            await _updated(tx, api, correlation_id)

    async def add_stage(
        self, account: Account, api: Api, name: str, description: str, auto_deploy: bool, *, correlation_id: str
    ) -> Stage:
        """A stage more. Raises StageExists, TooManyApis."""
        async with self._database.transaction(account.environment_id) as tx:
            await _lock(tx, api)
            if await tx.fetchval(q.stage_count, api.account_id, api.api_id) >= STAGES_MAX:
                raise TooManyApis(f"The API has {STAGES_MAX} stages, which is the most it may have.")
            row = await tx.fetchrow(q.insert_stage, api.account_id, api.api_id, name, description, auto_deploy, False)
            if row is None:
                raise StageExists("Stage already exists")
            await _updated(tx, api, correlation_id)
        return stage_of(row)

    async def remove_stage(self, account: Account, api: Api, name: str, *, correlation_id: str) -> None:
        """A stage less. Raises ApiNotFound."""
        async with self._database.transaction(account.environment_id) as tx:
            if await tx.fetchval(q.delete_stage, api.account_id, api.api_id, name) is None:
                raise ApiNotFound("Invalid stage identifier specified")
            await _updated(tx, api, correlation_id)


async def _lock(tx: Transaction, api: Api) -> None:
    if await tx.fetchrow(q.lock_api, api.account_id, api.api_id) is None:
        raise api_not_found(api.api_id)


async def _require_integration(tx: Transaction, api: Api, integration_id: str) -> None:
    row = await tx.fetchrow(q.integration_by_id, api.account_id, api.api_id, integration_id)
    if row is None:
        raise InvalidApi(f"The API has no integration {integration_id[:40]!r}.", field="target")


async def _insert_quick(tx: Transaction, api: Api, quick: QuickCreate) -> None:
    await _insert_integration(tx, api, quick.integration)
    route = Route(new_part_id(), quick.route_key, quick.integration.integration_id, managed=True)
    await _insert_route(tx, api, route)
    await tx.fetchrow(q.insert_stage, api.account_id, api.api_id, "$default", "", True, True)


async def _insert_integration(tx: Transaction, api: Api, integration: Integration) -> None:
    await tx.execute(
        q.insert_integration,
        api.account_id,
        api.api_id,
        integration.integration_id,
        integration.function_name,
        integration.integration_uri,
        integration.description,
        integration.payload_format_version,
        integration.timeout_ms,
        integration.managed,
    )


async def _insert_route(tx: Transaction, api: Api, route: Route) -> str | None:
    inserted: str | None = await tx.fetchval(
        q.insert_route,
        api.account_id,
        api.api_id,
        route.route_id,
        route.route_key,
        route.integration_id,
        route.managed,
    )
    return inserted


async def _placed(tx: Transaction, api: Api, placement: Placement) -> None:
    await tx.execute(q.update_placement, api.account_id, api.api_id, placement.endpoint, placement.note)


async def _updated(tx: Transaction, api: Api, correlation_id: str) -> None:
    event = events.ApiUpdated(account_id=api.account_id, api_id=api.api_id, api_name=api.name)
    await tx.emit(event, correlation_id=correlation_id)
