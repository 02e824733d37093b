"""queries.sql ⇄ model: reading functions, policies and APIs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from kokoa.functions.control.errors import ApiNotFound, FunctionNotFound
from kokoa.functions.control.model import (
    Api,
    Code,
    Function,
    Integration,
    Permission,
    Route,
    Settings,
    Stage,
)
from kokoa.postgres import Database, Row, load_queries
from kokoa.postgres.vault import Vault

SERVICE: Final = "functions"
MIGRATIONS: Final = Path(__file__).with_name("migrations")

q = load_queries(Path(__file__).with_name("queries.sql"))


class FunctionStore:
    """Reads functions and their policies.  vault: opens environment variables, which often hold secrets."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def find(self, environment_id: str, account_id: str, name: str) -> Function:
        """Raises FunctionNotFound."""
        row = await self._database.fetchrow(environment_id, q.function_by_name, account_id, name)
        if row is None:
            raise function_not_found(account_id, name)
        return function_of(row, self._vault)

    async def page(self, environment_id: str, account_id: str, *, after: str, limit: int) -> list[Function]:
        """By name, after the given one."""
        rows = await self._database.fetch(environment_id, q.functions_page, account_id, after, limit)
        return [function_of(row, self._vault) for row in rows]

    async def storage(self, environment_id: str, account_id: str) -> tuple[int, int]:
        """How many functions the account has, and how many bytes of packages."""
        row = await self._database.fetchrow(environment_id, q.code_storage, account_id, "")
        return (row["functions"], row["bytes"]) if row else (0, 0)

    async def reserved_concurrency(self, environment_id: str, account_id: str) -> int:
        """How much of its concurrency the account's functions have reserved together."""
        row = await self._database.fetchrow(environment_id, q.reserved_concurrency, account_id, "")
        return row[0] if row else 0

    async def permissions(self, environment_id: str, account_id: str, name: str) -> list[Permission]:
        """The function's policy, oldest statement first; empty when there is none."""
        rows = await self._database.fetch(environment_id, q.permissions_of, account_id, name)
        return [permission_of(row) for row in rows]


class ApiStore:
    """Reads HTTP APIs and their parts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, environment_id: str, account_id: str, api_id: str) -> Api:
        """Raises ApiNotFound."""
        row = await self._database.fetchrow(environment_id, q.api_by_id, account_id, api_id)
        if row is None:
            raise api_not_found(api_id)
        return api_of(row)

    async def page(self, environment_id: str, account_id: str, *, after: str, limit: int) -> list[Api]:
        """By id, after the given one."""
        rows = await self._database.fetch(environment_id, q.apis_page, account_id, after, limit)
        return [api_of(row) for row in rows]

    async def routes(self, api: Api, environment_id: str, *, after: str, limit: int) -> list[Route]:
        """By id, after the given one."""
        rows = await self._database.fetch(environment_id, q.routes_of, api.account_id, api.api_id, after, limit)
        return [route_of(row) for row in rows]

    async def route(self, api: Api, environment_id: str, route_id: str) -> Route:
        """Raises ApiNotFound."""
        row = await self._database.fetchrow(environment_id, q.route_by_id, api.account_id, api.api_id, route_id)
        if row is None:
            raise ApiNotFound("Invalid Route identifier specified")
        return route_of(row)

    async def integrations(self, api: Api, environment_id: str, *, after: str, limit: int) -> list[Integration]:
        """By id, after the given one."""
        rows = await self._database.fetch(environment_id, q.integrations_of, api.account_id, api.api_id, after, limit)
        return [integration_of(row) for row in rows]

    async def integration(self, api: Api, environment_id: str, integration_id: str) -> Integration:
        """Raises ApiNotFound."""
        row = await self._database.fetchrow(
            environment_id, q.integration_by_id, api.account_id, api.api_id, integration_id
        )
        if row is None:
            raise ApiNotFound("Invalid Integration identifier specified")
        return integration_of(row)

    async def stages(self, api: Api, environment_id: str, *, after: str, limit: int) -> list[Stage]:
        """By name, after the given one."""
        rows = await self._database.fetch(environment_id, q.stages_of, api.account_id, api.api_id, after, limit)
        return [stage_of(row) for row in rows]

    async def stage(self, api: Api, environment_id: str, name: str) -> Stage:
        """Raises ApiNotFound."""
        row = await self._database.fetchrow(environment_id, q.stage_by_name, api.account_id, api.api_id, name)
        if row is None:
            raise ApiNotFound("Invalid stage identifier specified")
        return stage_of(row)


def function_not_found(account_id: str, name: str) -> FunctionNotFound:
    """In AWS's words, without the ARN, because a region is the request's and not ours."""
    return FunctionNotFound(f"Function not found: {account_id}:function:{name}")


def api_not_found(api_id: str) -> ApiNotFound:
    """In AWS's words."""
    return ApiNotFound(f"Invalid API identifier specified {api_id[:40]}")


def variables_place(environment_id: str, account_id: str, name: str) -> str:
    """What the sealed environment variables of a function are bound to."""
    return f"functions/variables/{environment_id}/{account_id}/{name}"


def function_of(row: Row, vault: Vault) -> Function:
    """A function from a row of `functions`."""
    environment_id = str(row["environment_id"])
    place = variables_place(environment_id, row["account_id"], row["name"])
    return Function(
        environment_id=environment_id,
        account_id=row["account_id"],
        name=row["name"],
        settings=Settings(
            runtime=row["runtime"],
            handler=row["handler"],
            role=row["role"],
            description=row["description"],
            timeout_s=row["timeout_s"],
            memory_mb=row["memory_mb"],
            architecture=row["architecture"],
            variables=_texts(vault.open(row["variables_sealed"], place=place)),
        ),
        code=Code(row["code_sha256"], row["code_size"]),
        tags=_texts(row["tags"]),
        state=row["state"],
        last_update_status=row["last_update_status"],
        revision_id=str(row["revision_id"]),
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        reserved_concurrency=row["reserved_concurrency"],
    )


def permission_of(row: Row) -> Permission:
    """A statement from a row of `permissions`."""
    return Permission(row["statement_id"], row["action"], row["principal"], row["source_arn"], row["source_account"])


def api_of(row: Row) -> Api:
    """An API from a row of `apis`."""
    return Api(
        api_id=row["api_id"],
        account_id=row["account_id"],
        name=row["name"],
        description=row["description"],
        version=row["version"],
        region=row["region"],
        endpoint=row["endpoint"],
        note=row["note"],
        tags=_texts(row["tags"]),
        created_at=row["created_at"],
    )


def integration_of(row: Row) -> Integration:
    """An integration from a row of `integrations`."""
    return Integration(
        integration_id=row["integration_id"],
        function_name=row["function_name"],
        integration_uri=row["integration_uri"],
        description=row["description"],
        payload_format_version=row["payload_format_version"],
        timeout_ms=row["timeout_ms"],
        managed=row["managed"],
    )


def route_of(row: Row) -> Route:
    """A route from a row of `routes`."""
    return Route(row["route_id"], row["route_key"], row["integration_id"], row["managed"])


def stage_of(row: Row) -> Stage:
    """A stage from a row of `stages`."""
    return Stage(
        name=row["name"],
        description=row["description"],
        auto_deploy=row["auto_deploy"],
        managed=row["managed"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
    )


def _texts(encoded: str | bytes) -> Mapping[str, str]:
    return msgspec.json.decode(encoded, type=dict[str, str])
