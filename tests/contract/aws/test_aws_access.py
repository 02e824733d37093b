"""Who may: signatures, revoked keys, temporary credentials, call tokens; another account's key sees nothing."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from clients import refused, until

from kokoa.functions.host.model import LogRecord
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id


async def test_another_account_sees_and_changes_nothing(
    endpoint: Any, lambda_: Any, function_arn: str, other: Any
) -> None:
    stranger = endpoint.client("lambda", other)
    assert (await stranger.list_functions())["Functions"] == []
    calls: list[Callable[[], Any]] = [
        lambda: stranger.get_function(FunctionName="hello"),
        lambda: stranger.invoke(FunctionName="hello"),
        lambda: stranger.delete_function(FunctionName="hello"),
        lambda: stranger.update_function_configuration(FunctionName="hello", Timeout=9),
        lambda: stranger.get_policy(FunctionName="hello"),
        lambda: stranger.remove_permission(FunctionName="hello", StatementId="web"),
    ]
    for call in calls:
        assert (await refused(call()))[0] == "ResourceNotFoundException"
    for call in (
        lambda: stranger.get_function(FunctionName=function_arn),
        lambda: stranger.invoke(FunctionName=function_arn),
        lambda: stranger.tag_resource(Resource=function_arn, Tags={"a": "b"}),
    ):
        assert (await refused(call()))[:2] == ("AccessDeniedException", 403)
    assert endpoint.host.requests == []
    assert (await lambda_.get_function(FunctionName="hello"))["Configuration"]["Timeout"] == 3


async def test_apis_and_logs_of_another_account_are_not_there(
    endpoint: Any, key: Any, other: Any, function_arn: str
) -> None:
    mine, theirs = (endpoint.client("apigatewayv2", owner) for owner in (key, other))
    api = await mine.create_api(Name="shop", ProtocolType="HTTP", Target=function_arn)
    assert (await theirs.get_apis())["Items"] == []
    for call in (theirs.get_api, theirs.delete_api, theirs.get_routes, theirs.get_integrations, theirs.get_stages):
        assert (await refused(call(ApiId=api["ApiId"])))[:2] == ("NotFoundException", 404)
    refusal = await refused(theirs.create_api(Name="theft", ProtocolType="HTTP", Target=function_arn))
    assert refusal[:2] == ("AccessDeniedException", 403)
    logs = endpoint.client("logs", other)
    assert (await logs.describe_log_groups())["logGroups"] == []


async def test_every_table_shows_its_rows_to_one_environment_only(
    endpoint: Any, lambda_: Any, key: Any, function_arn: str
) -> None:
    """Row-level security, the second lock: even a statement that forgets the environment sees nothing else."""
    await lambda_.add_permission(
        FunctionName="hello", StatementId="web", Action="lambda:InvokeFunction", Principal="*"
    )
    gateway = endpoint.client("apigatewayv2", key)
    await gateway.create_api(Name="shop", ProtocolType="HTTP", Target=function_arn)
    line = LogRecord("i", key.environment_id, key.account_id, "/aws/lambda/hello", "s", 1, "m", "r", "c")
    await endpoint.plane.logs.append(key.environment_id, [line])
    tables = await endpoint.database.fetch_anywhere(
        "SELECT relname FROM pg_class WHERE relnamespace = 'functions'::regnamespace AND relkind = 'r'"
    )
    assert len(tables) >= 9
    for table in tables:
        count = "SELECT count(*) FROM " + table[0]
        careless = count + " WHERE $1::text IS NOT NULL"
        assert await endpoint.database.fetchval(key.environment_id, careless) > 0, table[0]
        assert await endpoint.database.fetchval(new_id(), careless) == 0, table[0]
        nowhere = await endpoint.database.fetch_anywhere(count)
        assert nowhere[0][0] == 0, table[0]


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("lambda", "list_functions", "UnrecognizedClientException"),
        ("apigatewayv2", "get_apis", "UnrecognizedClientException"),
        ("logs", "describe_log_groups", "UnrecognizedClientException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
    ],
)
async def test_an_unknown_key_is_refused(endpoint: Any, key: Any, service: str, operation: str, code: str) -> None:
    del endpoint.directory.keys[key.access_key_id]
    refusal = await refused(getattr(endpoint.client(service, key), operation)())
    assert refusal[:2] == (code, 403)


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("lambda", "list_functions", "InvalidSignatureException"),
        ("logs", "describe_log_groups", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
    ],
)
async def test_a_wrong_secret_is_refused(endpoint: Any, key: Any, service: str, operation: str, code: str) -> None:
    client = endpoint.client(service, key, secret="wrong" * 8)
    refusal = await refused(getattr(client, operation)())
    assert refusal[:2] == (code, 403)
    assert "does not match" in refusal[2]


async def test_an_unsigned_request_is_refused(endpoint: Any) -> None:
    url = f"{endpoint.url}/2015-03-31/functions"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 403
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


async def test_a_service_that_is_not_there_says_so(endpoint: Any, key: Any) -> None:
    code, status, message = await refused(endpoint.client("sqs", key).list_queues())
    assert (code, status) == ("NotImplementedException", 501)
    assert "lambda" in message
    code, status, _ = await refused(endpoint.client("cloudformation", key).list_stacks())
    assert (code, status) == ("NotImplementedException", 501)


async def test_a_changed_body_breaks_the_signature(endpoint: Any, key: Any, function_arn: str) -> None:
    url = f"{endpoint.url}/2015-03-31/functions/hello/invocations"
    headers = signed("POST", url, b'{"a":1}', key)
    async with aiohttp.ClientSession() as session:
        async with session.post(url, data=b'{"a":2}', headers=headers) as answer:
            assert answer.status == 403
            assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"
        async with session.post(url, data=b'{"a":1}', headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["x-amzn-requestid"]


async def test_a_checksum_is_compared_with_the_body(endpoint: Any, key: Any, function_arn: str) -> None:
    url = f"{endpoint.url}/2015-03-31/functions/hello/invocations"
    wrong = {"x-amz-checksum-crc32": base64.b64encode(b"\0\0\0\1").decode()}
    headers = signed("POST", url, b"{}", key, wrong)
    async with aiohttp.ClientSession() as session, session.post(url, data=b"{}", headers=headers) as answer:
        assert answer.status == 400
        assert "x-amz-checksum-crc32" in (await answer.json())["message"]


async def test_clients_that_expect_100_continue_get_it_or_the_refusal(
    endpoint: Any, key: Any, function_arn: str
) -> None:
    path = "/2015-03-31/functions/hello/invocations"
    body = b'{"a": 1}'
    for length, expected in ((len(body), b"HTTP/1.1 100 Continue"), (7_000_000, b"HTTP/1.1 413")):
        headers = signed("POST", endpoint.url + path, body, key)
        headers |= {"Host": f"127.0.0.1:{endpoint.port}", "Content-Length": str(length), "Expect": "100-continue"}
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(expected)
            if length == len(body):
                await reader.readline()
                writer.write(body)
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
    assert [request.payload for request in endpoint.host.requests] == [body]


def signed(method: str, url: str, body: bytes, key: Any, headers: dict[str, str] | None = None) -> dict[str, str]:
    request = AWSRequest(method=method, url=url, data=body, headers=headers or {})
    SigV4Auth(Credentials(key.access_key_id, key.secret), "lambda", "eu-west-1").add_auth(request)
    return dict(request.headers)


async def test_temporary_credentials_work_until_they_expire(endpoint: Any, key: Any, function_arn: str) -> None:
    issued = endpoint.sessions.issue(key.account, at_ms=now_ms()).credentials
    inside = as_key(key, issued)
    client = endpoint.client("sts", inside, token=issued.session_token)
    assert (await client.get_caller_identity())["Account"] == key.account_id
    client = endpoint.client("lambda", inside, token=issued.session_token)
    assert len((await client.list_functions())["Functions"]) == 1

    stale = endpoint.sessions.issue(key.account, at_ms=now_ms() - 13 * 3_600_000).credentials
    client = endpoint.client("lambda", as_key(key, stale), token=stale.session_token)
    assert (await refused(client.list_functions()))[:2] == ("ExpiredTokenException", 403)


async def test_a_forged_session_token_is_refused(endpoint: Any, key: Any) -> None:
    issued = endpoint.sessions.issue(key.account, at_ms=now_ms()).credentials
    raw = bytearray(base64.b64decode(issued.session_token))
    raw[-12] ^= 1
    forged = base64.b64encode(bytes(raw)).decode()
    for token in (forged, "", "nonsense"):
        client = endpoint.client("lambda", as_key(key, issued), token=token)
        assert (await refused(client.list_functions()))[0] == "UnrecognizedClientException"


def as_key(key: Any, issued: Any) -> Any:
    return type(key)(
        access_key_id=issued.access_key_id,
        secret=issued.secret_access_key,
        account_id=key.account_id,
        environment_id=key.environment_id,
        partner=key.partner,
        tenant=key.tenant,
        environment=key.environment,
    )


async def test_a_functions_own_call_goes_on_in_depth_and_correlation(
    endpoint: Any, lambda_: Any, function_arn: str, key: Any
) -> None:
    outer = Call(key.environment_id, Caller("account", key.account_id), new_correlation_id(), now_ms() + 20_000)
    nested = outer.enter("function outer")
    with_call(lambda_, endpoint.calls.sign(nested, 30))
    await lambda_.invoke(FunctionName="hello")
    asked = endpoint.host.requests[0]
    assert (asked.depth, asked.correlation_id) == (1, outer.correlation_id)
    inner = endpoint.calls.verify(asked.token)
    assert (inner.depth, inner.path) == (2, ("function outer", "function hello"))
    assert inner.deadline_ms <= outer.deadline_ms


async def test_the_ninth_nested_call_is_refused_and_names_the_way(
    endpoint: Any, lambda_: Any, function_arn: str, key: Any
) -> None:
    call = Call(key.environment_id, Caller("account", key.account_id), new_correlation_id(), now_ms() + 20_000)
    for _ in range(8):
        call = call.enter("function hello")
    with_call(lambda_, endpoint.calls.sign(call, 30))
    code, status, message = await refused(lambda_.invoke(FunctionName="hello"))
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert "function hello → function hello" in message
    assert endpoint.host.requests == []


async def test_a_call_token_of_another_account_or_of_nobody_is_refused(
    endpoint: Any, lambda_: Any, function_arn: str, key: Any, other: Any
) -> None:
    theirs = Call(other.environment_id, Caller("account", other.account_id), new_correlation_id(), now_ms() + 9000)
    for token in (endpoint.calls.sign(theirs, 30), "nonsense"):
        with_call(lambda_, token)
        assert (await refused(lambda_.invoke(FunctionName="hello")))[:2] == ("AccessDeniedException", 403)
    assert endpoint.host.requests == []


def with_call(client: Any, token: str) -> None:
    """Attach a call token as a function's relay does: after signing, outside of the signature."""
    with_header(client, "X-Kokoa-Call", token)


def with_header(client: Any, name: str, value: str) -> None:
    def attach(request: Any, **_: Any) -> None:
        request.headers[name] = value

    client.boto.meta.events.register("before-send.lambda", attach)


async def test_a_function_changed_elsewhere_is_seen_within_a_second(
    endpoint: Any, lambda_: Any, function_arn: str, key: Any
) -> None:
    await lambda_.invoke(FunctionName="hello")
    # As another process does it: the row changes, and nobody tells this process.
    changed = "UPDATE functions SET timeout_s = 77 WHERE environment_id = $1"
    await endpoint.database.execute(key.environment_id, changed)
    started = now_ms()

    async def seen() -> bool:
        await lambda_.invoke(FunctionName="hello")
        return bool(endpoint.host.requests[-1].function.timeout_s == 77)

    await until(seen)
    assert now_ms() - started < 2000


async def test_answers_carry_request_and_correlation_ids(
    endpoint: Any, key: Any, lambda_: Any, function_arn: str
) -> None:
    correlation_id = new_correlation_id()
    with_header(lambda_, "X-Correlation-Id", correlation_id)
    answer = await lambda_.invoke(FunctionName="hello")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-correlation-id"] == correlation_id == endpoint.host.requests[0].correlation_id
    assert headers["x-amzn-requestid"] == endpoint.host.requests[0].request_id
