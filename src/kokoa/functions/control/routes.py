"""The read model that the edge follows: which routes the extensions of an environment have, and what they lead to."""

from typing import Final

import msgspec

from kokoa.functions.control.model import Permission, permits_api
from kokoa.functions.control.store import api_of, permission_of, q
from kokoa.postgres import Database

EXTENSION_ROUTES_MAX: Final = 20_000


class ExtensionRoute(msgspec.Struct, frozen=True):
    """route_key: `GET /api/search` or `$default`.  permitted: the function's policy lets API Gateway invoke it."""

    api_id: str
    api_name: str
    account_id: str
    route_key: str
    function_arn: str
    function_name: str
    permitted: bool
    created_ms: int
    payload_format_version: str
    timeout_ms: int


class ExtensionRoutes:
    """Reads the routes of an environment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def routes_of(self, environment_id: str) -> list[ExtensionRoute]:
        """All of them, those of the oldest API first."""
        rows = await self._database.fetch(environment_id, q.extension_routes, EXTENSION_ROUTES_MAX)
        permissions = await self._permissions(environment_id)
        routes = []
        for row in rows:
            api = api_of(row)
            policy = permissions.get((api.account_id, row["function_name"]), [])
            routes.append(
                ExtensionRoute(
                    api_id=api.api_id,
                    api_name=api.name,
                    account_id=api.account_id,
                    route_key=row["route_key"],
                    function_arn=f"arn:aws:lambda:{api.region}:{api.account_id}:function:{row['function_name']}",
                    function_name=row["function_name"],
                    permitted=permits_api(policy, api, row["route_key"]),
                    created_ms=int(api.created_at.timestamp() * 1000),
                    payload_format_version=row["payload_format_version"],
                    timeout_ms=row["timeout_ms"],
                )
            )
        return routes

    async def _permissions(self, environment_id: str) -> dict[tuple[str, str], list[Permission]]:
        found: dict[tuple[str, str], list[Permission]] = {}
        for row in await self._database.fetch(environment_id, q.api_permissions):
            found.setdefault((row["account_id"], row["function_name"]), []).append(permission_of(row))
        return found
