"""The operations of API Gateway v2 that Kokoa has, for HTTP APIs in front of functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from kokoa.functions.aws.apigatewayv2.requests import (
    integration_from,
    integration_id_of,
    page_of,
    quick_integration,
    refuse_missing,
)
from kokoa.functions.aws.service import RequestContext
from kokoa.functions.control.api_actions import ApiActions, NewApi, QuickCreate
from kokoa.functions.control.errors import InvalidApi
from kokoa.functions.control.model import Api, Integration, Route, Stage
from kokoa.functions.control.store import ApiStore

T = TypeVar("T")

Request = Mapping[str, Any]
Output = Mapping[str, Any]
Shape = dict[str, Any]


class ApiGatewayProvider:
    """HTTP APIs."""

    def __init__(self, store: ApiStore, actions: ApiActions) -> None:
        self._store = store
        self._actions = actions

    async def create_api(self, context: RequestContext, request: Request) -> Output:
        """CreateApi; with Target also quick create. `Warnings` says what its deployer should know."""
        refuse_missing(request)
        quick = None
        if request.get("Target"):
            integration = quick_integration(request["Target"], context.account_id)
            quick = QuickCreate(request.get("RouteKey", "$default"), integration)
        elif request.get("RouteKey"):
            raise InvalidApi("Quick create needs a Target beside the RouteKey.", field="target")
        new = NewApi(
            name=request["Name"],
            region=context.region,
            description=request.get("Description", ""),
            version=request.get("Version", ""),
            tags=request.get("Tags", {}),
        )
        api = await self._actions.create(context.key.account, new, quick, correlation_id=context.call.correlation_id)
        return _api(api)

    async def get_api(self, context: RequestContext, request: Request) -> Output:
        """GetApi."""
        return _api(await self._api(context, request))

    async def get_apis(self, context: RequestContext, request: Request) -> Output:
        """GetApis."""
        after, limit = page_of(request)
        apis = await self._store.page(context.environment_id, context.account_id, after=after, limit=limit + 1)
        return _page(apis, limit, _api, lambda api: api.api_id)

    async def delete_api(self, context: RequestContext, request: Request) -> Output:
        """DeleteApi."""
        await self._actions.delete(context.key.account, request["ApiId"], correlation_id=context.call.correlation_id)
        return {}

    async def create_route(self, context: RequestContext, request: Request) -> Output:
        """CreateRoute."""
        refuse_missing(request)
        route = await self._actions.add_route(
            context.key.account,
            await self._api(context, request),
            request["RouteKey"],
            integration_id_of(request.get("Target", "")),
            correlation_id=context.call.correlation_id,
        )
        return _route(route)

    async def get_route(self, context: RequestContext, request: Request) -> Output:
        """GetRoute."""
        api = await self._api(context, request)
        return _route(await self._store.route(api, context.environment_id, request["RouteId"]))

    async def get_routes(self, context: RequestContext, request: Request) -> Output:
        """GetRoutes."""
        after, limit = page_of(request)
        api = await self._api(context, request)
        routes = await self._store.routes(api, context.environment_id, after=after, limit=limit + 1)
        return _page(routes, limit, _route, lambda route: route.route_id)

    async def delete_route(self, context: RequestContext, request: Request) -> Output:
        """DeleteRoute."""
        await self._actions.remove_route(
            context.key.account,
            await self._api(context, request),
            request["RouteId"],
            correlation_id=context.call.correlation_id,
        )
        return {}

    async def create_integration(self, context: RequestContext, request: Request) -> Output:
        """CreateIntegration, of type AWS_PROXY."""
        integration = await self._actions.add_integration(
            context.key.account,
            await self._api(context, request),
            integration_from(request, context.account_id),
            correlation_id=context.call.correlation_id,
        )
        return _integration(integration)

    async def get_integration(self, context: RequestContext, request: Request) -> Output:
        """GetIntegration."""
        api = await self._api(context, request)
        found = await self._store.integration(api, context.environment_id, request["IntegrationId"])
        return _integration(found)

    async def get_integrations(self, context: RequestContext, request: Request) -> Output:
        """GetIntegrations."""
        after, limit = page_of(request)
        api = await self._api(context, request)
        found = await self._store.integrations(api, context.environment_id, after=after, limit=limit + 1)
        return _page(found, limit, _integration, lambda integration: integration.integration_id)

    async def delete_integration(self, context: RequestContext, request: Request) -> Output:
        """DeleteIntegration."""
        await self._actions.remove_integration(
            context.key.account,
            await self._api(context, request),
            request["IntegrationId"],
            correlation_id=context.call.correlation_id,
        )
        return {}

    async def create_stage(self, context: RequestContext, request: Request) -> Output:
        """CreateStage. A stage is only a name: the key decides the environment."""
        refuse_missing(request)
        stage = await self._actions.add_stage(
            context.key.account,
            await self._api(context, request),
            request["StageName"],
            request.get("Description", ""),
            request.get("AutoDeploy", False),
            correlation_id=context.call.correlation_id,
        )
        return _stage(stage)

    async def get_stage(self, context: RequestContext, request: Request) -> Output:
        """GetStage."""
        api = await self._api(context, request)
        return _stage(await self._store.stage(api, context.environment_id, request["StageName"]))

    async def get_stages(self, context: RequestContext, request: Request) -> Output:
        """GetStages."""
        after, limit = page_of(request)
        api = await self._api(context, request)
        stages = await self._store.stages(api, context.environment_id, after=after, limit=limit + 1)
        return _page(stages, limit, _stage, lambda stage: stage.name)

    async def delete_stage(self, context: RequestContext, request: Request) -> Output:
        """DeleteStage."""
        await self._actions.remove_stage(
            context.key.account,
            await self._api(context, request),
            request["StageName"],
            correlation_id=context.call.correlation_id,
        )
        return {}

    async def _api(self, context: RequestContext, request: Request) -> Api:
        return await self._store.find(context.environment_id, context.account_id, request["ApiId"])


def _page(items: Sequence[T], limit: int, shape: Callable[[T], Shape], position: Callable[[T], str]) -> Output:
    """A page out of what was read, which is one more than the page when there are more."""
    page = items[:limit]
    return {
        "Items": [shape(item) for item in page],
        "NextToken": position(page[-1]) if len(items) > limit else None,
    }


def _api(api: Api) -> Shape:
    return {
        "ApiId": api.api_id,
        "ApiEndpoint": api.endpoint,
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "CreatedDate": api.created_at,
        "Description": api.description or None,
        "DisableExecuteApiEndpoint": False,
        "Name": api.name,
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": "$request.method $request.path",
        "Tags": dict(api.tags),
        "Version": api.version or None,
        "Warnings": [api.note] if api.note else None,
    }


def _route(route: Route) -> Shape:
    return {
        "ApiGatewayManaged": route.managed or None,
        "ApiKeyRequired": False,
        "AuthorizationType": "NONE",
        "RouteId": route.route_id,
        "RouteKey": route.route_key,
        "Target": f"integrations/{route.integration_id}" if route.integration_id else None,
    }


def _integration(integration: Integration) -> Shape:
    return {
        "ApiGatewayManaged": integration.managed or None,
        "ConnectionType": "INTERNET",
        "Description": integration.description or None,
        "IntegrationId": integration.integration_id,
        "IntegrationMethod": "POST",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": integration.integration_uri,
        "PayloadFormatVersion": integration.payload_format_version,
        "TimeoutInMillis": integration.timeout_ms,
    }


def _stage(stage: Stage) -> Shape:
    return {
        "ApiGatewayManaged": stage.managed or None,
        "AutoDeploy": stage.auto_deploy,
        "CreatedDate": stage.created_at,
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False},
        "Description": stage.description or None,
        "LastUpdatedDate": stage.modified_at,
        "RouteSettings": {},
        "StageName": stage.name,
        "StageVariables": {},
        "Tags": {},
    }
