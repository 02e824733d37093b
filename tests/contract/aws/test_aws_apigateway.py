"""API Gateway v2 with real boto3: quick create, the parts of an API, and the routes the edge follows from them."""

from typing import Any

import pytest
from clients import refused


@pytest.fixture
def gateway(endpoint: Any, key: Any) -> Any:
    return endpoint.client("apigatewayv2", key)


async def routes_of(endpoint: Any, key: Any) -> list[Any]:
    routes: list[Any] = await endpoint.plane.routes.routes_of(key.environment_id)
    return routes


async def allow(lambda_: Any, **condition: str) -> None:
    await lambda_.add_permission(
        FunctionName="hello",
        StatementId="web",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        **condition,
    )


async def test_quick_create_makes_a_route_that_the_edge_can_follow(
    endpoint: Any, gateway: Any, lambda_: Any, function_arn: str, key: Any
) -> None:
    endpoint.placement.note = "Served at /ext/shop only: there is no grant for /api/search."
    api = await gateway.create_api(
        Name="shop", ProtocolType="HTTP", RouteKey="GET /api/search", Target=function_arn, Description="mine"
    )
    assert api["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert len(api["ApiId"]) == 10
    assert api["ApiEndpoint"] == "http://boeing.example/ext/shop"
    assert api["Warnings"] == [endpoint.placement.note]
    assert api["Description"] == "mine"
    read = await gateway.get_api(ApiId=api["ApiId"])
    assert (read["ApiEndpoint"], read["CreatedDate"]) == (api["ApiEndpoint"], api["CreatedDate"])
    [route] = (await gateway.get_routes(ApiId=api["ApiId"]))["Items"]
    [integration] = (await gateway.get_integrations(ApiId=api["ApiId"]))["Items"]
    [stage] = (await gateway.get_stages(ApiId=api["ApiId"]))["Items"]
    assert route["RouteKey"] == "GET /api/search"
    assert route["Target"] == f"integrations/{integration['IntegrationId']}"
    assert (integration["IntegrationUri"], integration["PayloadFormatVersion"]) == (function_arn, "2.0")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)

    [followed] = await routes_of(endpoint, key)
    assert (followed.route_key, followed.function_name, followed.permitted) == ("GET /api/search", "hello", False)
    await allow(lambda_)
    [followed] = await routes_of(endpoint, key)
    assert followed.permitted
    assert followed.function_arn == function_arn


@pytest.mark.parametrize(
    ("source", "permitted"),
    [
        ("{api}/*", True),
        ("{api}/*/*/api/search", True),
        ("{api}/*/GET/api/search", True),
        ("{api}/*/POST/api/search", False),
        ("{api}/*/*/api/other", False),
        ("zzzzzzzzzz/*", False),
    ],
)
async def test_the_source_arn_of_a_permission_is_honoured(
    endpoint: Any, gateway: Any, lambda_: Any, function_arn: str, key: Any, source: str, permitted: bool
) -> None:
    api = await gateway.create_api(Name="shop", ProtocolType="HTTP", RouteKey="GET /api/search", Target=function_arn)
    prefix = f"arn:aws:execute-api:eu-west-1:{key.account_id}:"
    await allow(lambda_, SourceArn=prefix + source.format(api=api["ApiId"]))
    assert [route.permitted for route in await routes_of(endpoint, key)] == [permitted]


async def test_the_plain_way_with_integration_route_and_stage(
    endpoint: Any, gateway: Any, function_arn: str, key: Any
) -> None:
    api = (await gateway.create_api(Name="shop", ProtocolType="HTTP"))["ApiId"]
    uri = f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{function_arn}/invocations"
    integration = await gateway.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=uri,
        PayloadFormatVersion="2.0",
        TimeoutInMillis=5000,
    )
    target = f"integrations/{integration['IntegrationId']}"
    route = await gateway.create_route(ApiId=api, RouteKey="ANY /a/{proxy+}", Target=target)
    await gateway.create_stage(ApiId=api, StageName="dev", AutoDeploy=True)
    assert (await gateway.get_route(ApiId=api, RouteId=route["RouteId"]))["Target"] == target
    assert (await gateway.get_stage(ApiId=api, StageName="dev"))["AutoDeploy"] is True
    found = await gateway.get_integration(ApiId=api, IntegrationId=integration["IntegrationId"])
    assert found["TimeoutInMillis"] == 5000
    [followed] = await routes_of(endpoint, key)
    assert (followed.route_key, followed.timeout_ms, followed.function_name) == ("ANY /a/{proxy+}", 5000, "hello")

    again = await refused(gateway.create_route(ApiId=api, RouteKey="ANY /a/{proxy+}", Target=target))
    assert again[:2] == ("ConflictException", 409)
    in_use = gateway.delete_integration(ApiId=api, IntegrationId=integration["IntegrationId"])
    assert (await refused(in_use))[:2] == ("ConflictException", 409)
    await gateway.delete_route(ApiId=api, RouteId=route["RouteId"])
    assert await routes_of(endpoint, key) == []
    await gateway.delete_integration(ApiId=api, IntegrationId=integration["IntegrationId"])
    await gateway.delete_stage(ApiId=api, StageName="dev")
    for call in (
        gateway.get_route(ApiId=api, RouteId=route["RouteId"]),
        gateway.get_stage(ApiId=api, StageName="dev"),
        gateway.delete_stage(ApiId=api, StageName="dev"),
        gateway.delete_route(ApiId=api, RouteId=route["RouteId"]),
    ):
        assert (await refused(call))[:2] == ("NotFoundException", 404)


async def test_a_deleted_api_is_gone_with_its_routes(
    endpoint: Any, gateway: Any, function_arn: str, key: Any
) -> None:
    api = await gateway.create_api(Name="shop", ProtocolType="HTTP", Target=function_arn)
    assert [route.route_key for route in await routes_of(endpoint, key)] == ["$default"]
    deleted = await gateway.delete_api(ApiId=api["ApiId"])
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert await routes_of(endpoint, key) == []
    assert (await refused(gateway.delete_api(ApiId=api["ApiId"])))[:2] == ("NotFoundException", 404)


async def test_deleting_a_function_leaves_its_routes_broken(
    endpoint: Any, gateway: Any, lambda_: Any, function_arn: str, key: Any
) -> None:
    await allow(lambda_)
    await gateway.create_api(Name="shop", ProtocolType="HTTP", Target=function_arn)
    await lambda_.delete_function(FunctionName="hello")
    assert [(route.function_name, route.permitted) for route in await routes_of(endpoint, key)] == [("hello", False)]


async def test_apis_are_listed_in_pages(gateway: Any) -> None:
    names = {(await gateway.create_api(Name=name, ProtocolType="HTTP"))["ApiId"] for name in ("a", "b", "c")}
    first = await gateway.get_apis(MaxResults="2")
    second = await gateway.get_apis(MaxResults="2", NextToken=first["NextToken"])
    assert {api["ApiId"] for api in first["Items"] + second["Items"]} == names
    assert "NextToken" not in second


async def test_a_route_that_another_holds_is_a_conflict_that_names_it(
    endpoint: Any, gateway: Any, function_arn: str, key: Any
) -> None:
    endpoint.placement.taken["GET /api/search"] = "search-plus of acme"
    request = {"Name": "shop", "ProtocolType": "HTTP", "RouteKey": "GET /api/search", "Target": function_arn}
    code, status, message = await refused(gateway.create_api(**request))
    assert (code, status) == ("ConflictException", 409)
    assert "search-plus of acme" in message
    assert (await gateway.get_apis())["Items"] == []
    assert await routes_of(endpoint, key) == []


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "websocket": ({"ProtocolType": "WEBSOCKET"}, "HTTP"),
    "route key": ({"RouteKey": "FETCH /x"}, "route key"),
    "relative path": ({"RouteKey": "GET x"}, "route key"),
    "url target": ({"Target": "https://example.com"}, "ARN of a Lambda function"),
    "empty target": ({"Target": ""}, "at 'target'"),
    "cors": ({"CorsConfiguration": {"AllowOrigins": ["*"]}}, "CORS"),
    "long name": ({"Name": "x" * 129}, "failed to satisfy constraint"),
}


async def test_a_timeout_out_of_bounds_is_refused(gateway: Any, function_arn: str) -> None:
    api = (await gateway.create_api(Name="shop", ProtocolType="HTTP"))["ApiId"]
    request = {"IntegrationType": "AWS_PROXY", "IntegrationUri": function_arn, "TimeoutInMillis": 30_001}
    refusal = await refused(gateway.create_integration(ApiId=api, **request))
    assert refusal[:2] == ("BadRequestException", 400)
    assert "less than or equal to 30000" in refusal[2]


@pytest.mark.parametrize("case", INVALID, ids=str)
async def test_an_api_that_cannot_be_is_refused(gateway: Any, function_arn: str, case: str) -> None:
    more, part = INVALID[case]
    request = {"Name": "shop", "ProtocolType": "HTTP", "Target": function_arn, **more}
    code, status, message = await refused(gateway.create_api(**request))
    assert (code, status) == ("BadRequestException", 400)
    assert part in message
    assert (await gateway.get_apis())["Items"] == []
