"""AWS Lambda with real boto3: every operation that Kokoa has, and AWS's own errors."""

import base64
import hashlib
import json
from typing import Any

import pytest
from clients import ROLE, refused, zipped

from kokoa.functions.host.errors import HostUnavailable, TooManyRequests
from kokoa.functions.host.model import Invocation


async def create(client: Any, package: bytes, name: str = "hello", **more: Any) -> Any:
    request = {"Runtime": "python3.11", "Handler": "handler.handler", "Role": ROLE, **more}
    return await client.create_function(FunctionName=name, Code={"ZipFile": package}, **request)


async def test_a_function_can_be_created_read_and_invoked(
    endpoint: Any, lambda_: Any, key: Any, package: bytes
) -> None:
    settings = {"Timeout": 7, "MemorySize": 256, "Environment": {"Variables": {"MODE": "fast"}}}
    created = await create(lambda_, package, **settings)
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert created["FunctionArn"] == f"arn:aws:lambda:eu-west-1:{key.account_id}:function:hello"
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
    assert created["CodeSize"] == len(package)
    read = await lambda_.get_function(FunctionName="hello")
    assert read["Configuration"]["State"] == "Active"
    assert read["Configuration"]["LastUpdateStatus"] == "Successful"
    assert read["Configuration"]["Environment"] == {"Variables": {"MODE": "fast"}}

    context = base64.b64encode(b'{"custom": {"x": 1}}').decode()
    answer = await lambda_.invoke(FunctionName="hello", Payload=b'{"a": 1}', LogType="Tail", ClientContext=context)
    assert json.load(answer["Payload"]) == {"echo": {"a": 1}}
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert base64.b64decode(answer["LogResult"]) == b"START\nEND\n"
    asked = endpoint.host.requests[0]
    assert asked.function.environment == {"MODE": "fast"}
    assert (asked.function.timeout_s, asked.function.memory_mb) == (7, 256)
    assert asked.client_context == '{"custom": {"x": 1}}'
    assert await endpoint.code.fetch(asked.function.code_sha256) == package


async def test_the_waiters_of_the_sdk_are_content(lambda_: Any, function_arn: str) -> None:
    for waiter in ("function_active_v2", "function_updated_v2", "function_exists"):
        await lambda_.wait_for(waiter, FunctionName=function_arn)


async def test_a_name_is_taken_once(lambda_: Any, function_arn: str, package: bytes) -> None:
    assert await refused(create(lambda_, package)) == (
        "ResourceConflictException",
        409,
        "Function already exist: hello",
    )


async def test_what_is_not_there_is_not_found(lambda_: Any) -> None:
    for operation in ("get_function", "get_function_configuration", "delete_function", "get_policy", "invoke"):
        code, status, message = await refused(getattr(lambda_, operation)(FunctionName="nobody"))
        assert (code, status) == ("ResourceNotFoundException", 404)
        assert "nobody" in message


async def test_functions_are_listed_in_pages(lambda_: Any, package: bytes) -> None:
    for name in ("b", "a", "c"):
        await create(lambda_, package, name)
    first = await lambda_.list_functions(MaxItems=2)
    assert [function["FunctionName"] for function in first["Functions"]] == ["a", "b"]
    second = await lambda_.list_functions(MaxItems=2, Marker=first["NextMarker"])
    assert [function["FunctionName"] for function in second["Functions"]] == ["c"]
    assert "NextMarker" not in second


async def test_new_code_serves_the_very_next_invoke(endpoint: Any, lambda_: Any, function_arn: str) -> None:
    await lambda_.invoke(FunctionName="hello")
    newer = zipped(handler__py="def handler(event, context):\n    return 2\n")
    updated = await lambda_.update_function_code(FunctionName="hello", ZipFile=newer)
    await lambda_.invoke(FunctionName="hello")
    before, after = (request.function for request in endpoint.host.requests)
    assert before.revision_id != after.revision_id == updated["RevisionId"]
    assert after.code_sha256 == hashlib.sha256(newer).hexdigest()


async def test_a_dry_run_of_new_code_changes_nothing(lambda_: Any, function_arn: str) -> None:
    before = await lambda_.get_function_configuration(FunctionName="hello")
    newer = zipped(handler__py="x = 1")
    dry = await lambda_.update_function_code(FunctionName="hello", ZipFile=newer, DryRun=True)
    after = await lambda_.get_function_configuration(FunctionName="hello")
    assert dry["CodeSha256"] != before["CodeSha256"] == after["CodeSha256"]
    assert before["RevisionId"] == after["RevisionId"]


async def test_only_what_is_named_changes_in_the_configuration(endpoint: Any, lambda_: Any, package: bytes) -> None:
    await create(lambda_, package, Description="old", Environment={"Variables": {"MODE": "fast"}})
    updated = await lambda_.update_function_configuration(FunctionName="hello", Timeout=30)
    assert (updated["Timeout"], updated["Description"]) == (30, "old")
    assert updated["Environment"] == {"Variables": {"MODE": "fast"}}
    emptied = await lambda_.update_function_configuration(FunctionName="hello", Environment={"Variables": {}})
    assert "Environment" not in emptied
    await lambda_.invoke(FunctionName="hello")
    assert endpoint.host.requests[-1].function.timeout_s == 30


async def test_a_stale_revision_is_refused(lambda_: Any, function_arn: str, package: bytes) -> None:
    stale = "00000000-0000-4000-8000-000000000000"
    changes = [
        lambda_.update_function_code(FunctionName="hello", ZipFile=package, RevisionId=stale),
        lambda_.update_function_configuration(FunctionName="hello", Timeout=9, RevisionId=stale),
        lambda_.remove_permission(FunctionName="hello", StatementId="web", RevisionId=stale),
    ]
    for change in changes:
        code, status, message = await refused(change)
        assert (code, status) == ("PreconditionFailedException", 412)
        assert "Revision Id" in message
    current = (await lambda_.get_function_configuration(FunctionName="hello"))["RevisionId"]
    await lambda_.update_function_configuration(FunctionName="hello", Timeout=9, RevisionId=current)


async def test_a_deleted_function_is_gone_at_once(lambda_: Any, function_arn: str) -> None:
    await lambda_.invoke(FunctionName="hello")
    deleted = await lambda_.delete_function(FunctionName="hello")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (await refused(lambda_.invoke(FunctionName="hello")))[0] == "ResourceNotFoundException"


async def test_the_policy_of_a_function(lambda_: Any, function_arn: str, key: Any) -> None:
    api = f"arn:aws:execute-api:eu-west-1:{key.account_id}:abcdefghij/*/*"
    added = await lambda_.add_permission(
        FunctionName="hello",
        StatementId="web",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=api,
        SourceAccount=key.account_id,
    )
    expected = {
        "Sid": "web",
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": function_arn,
        "Condition": {
            "ArnLike": {"AWS:SourceArn": api},
            "StringEquals": {"AWS:SourceAccount": key.account_id},
        },
    }
    assert json.loads(added["Statement"]) == expected
    policy = await lambda_.get_policy(FunctionName="hello")
    assert json.loads(policy["Policy"])["Statement"] == [expected]
    again = lambda_.add_permission(
        FunctionName="hello", StatementId="web", Action="lambda:InvokeFunction", Principal="*"
    )
    assert (await refused(again))[:2] == ("ResourceConflictException", 409)
    await lambda_.remove_permission(FunctionName="hello", StatementId="web")
    for call in (
        lambda_.get_policy(FunctionName="hello"),
        lambda_.remove_permission(FunctionName="hello", StatementId="web"),
    ):
        assert (await refused(call))[:2] == ("ResourceNotFoundException", 404)


async def test_a_policy_has_a_bound(lambda_: Any, function_arn: str) -> None:
    source = "arn:aws:execute-api:eu-west-1:123456789012:" + "x" * 900
    statement = {"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "SourceArn": source}
    for number in range(17):
        await lambda_.add_permission(FunctionName="hello", StatementId=f"s{number}", **statement)
    refusal = await refused(lambda_.add_permission(FunctionName="hello", StatementId="last", **statement))
    assert refusal[:2] == ("PolicyLengthExceededException", 400)


async def test_a_function_goes_by_name_partial_arn_and_arn(
    lambda_: Any, function_arn: str, key: Any, other: Any
) -> None:
    partial = f"{key.account_id}:function:hello"
    for name in ("hello", partial, function_arn, f"{function_arn}:$LATEST", "hello:$LATEST"):
        assert (await lambda_.get_function_configuration(FunctionName=name))["FunctionName"] == "hello"
    foreign = function_arn.replace(key.account_id, other.account_id)
    code, status, _ = await refused(lambda_.get_function(FunctionName=foreign))
    assert (code, status) == ("AccessDeniedException", 403)
    code, _, message = await refused(lambda_.get_function(FunctionName="hello", Qualifier="7"))
    assert code == "ResourceNotFoundException"
    assert "$LATEST" in message


INVALID = {
    "runtime": ({"Runtime": "nodejs20.x"}, "InvalidParameterValueException", "python3.11"),
    "handler": ({"Handler": "a b"}, "ValidationException", "at 'handler' failed to satisfy constraint"),
    "timeout": ({"Timeout": 901}, "ValidationException", "less than or equal to 900"),
    "memory": ({"MemorySize": 20000}, "ValidationException", "less than or equal to 10240"),
    "variables": ({"Environment": {"Variables": {"BIG": "x" * 5000}}}, "InvalidParameterValueException", "4KB"),
    "NUL": ({"Environment": {"Variables": {"LC_ALL": "x\0--share-net"}}}, "InvalidParameterValueException", "NUL"),
    "reserved": ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "AWS_REGION"),
    "layers": (
        {"Layers": ["arn:aws:lambda:eu-west-1:123456789012:layer:x:1"]},
        "InvalidParameterValueException",
        "layers yet",
    ),
    "image": ({"PackageType": "Image"}, "InvalidParameterValueException", "container images"),
    "publish": ({"Publish": True}, "InvalidParameterValueException", "publishing versions"),
    "name": ({"name": "a b"}, "ValidationException", "regular expression pattern"),
    "long name": ({"name": "x" * 65}, "InvalidParameterValueException", "at most 64"),
}


@pytest.mark.parametrize("case", INVALID, ids=str)
async def test_a_function_that_cannot_be_is_refused(lambda_: Any, package: bytes, case: str) -> None:
    more, code, part = INVALID[case]
    refusal = await refused(create(lambda_, package, **more))
    assert refusal[:2] == (code, 400)
    assert part in refusal[2]


PACKAGES = {
    "nonsense": (b"this is no zip", "Could not unzip"),
    "cut off": (zipped(handler__py="x" * 5000)[:-30], "Could not unzip"),
    "traversal": (zipped(**{"../../etc/passwd": "x"}), "outside"),
    "absolute": (zipped(**{"/etc/passwd": "x"}), "outside"),
}


@pytest.mark.parametrize("case", PACKAGES, ids=str)
async def test_a_package_that_cannot_be_unpacked_is_refused(lambda_: Any, case: str) -> None:
    content, part = PACKAGES[case]
    refusal = await refused(create(lambda_, content))
    assert refusal[:2] == ("InvalidParameterValueException", 400)
    assert part in refusal[2]
    assert (await lambda_.list_functions())["Functions"] == []


async def test_code_from_s3_says_that_it_is_not_there_yet(lambda_: Any, function_arn: str) -> None:
    refusal = await refused(lambda_.update_function_code(FunctionName="hello", S3Bucket="bucket", S3Key="key"))
    assert refusal[0] == "InvalidParameterValueException"
    assert "code from S3" in refusal[2]


async def test_kinds_of_invocation(endpoint: Any, lambda_: Any, function_arn: str) -> None:
    dry = await lambda_.invoke(FunctionName="hello", InvocationType="DryRun")
    assert dry["StatusCode"] == 204
    refusal = await refused(lambda_.invoke(FunctionName="hello", InvocationType="Event"))
    assert refusal[0] == "InvalidParameterValueException"
    assert "asynchronous" in refusal[2]
    assert endpoint.host.requests == []
    await lambda_.invoke(FunctionName="hello")
    assert endpoint.host.requests[0].payload == b"{}"


async def test_a_functions_own_failure_is_an_answer(endpoint: Any, lambda_: Any, function_arn: str) -> None:
    body = b'{"errorType":"ValueError","errorMessage":"no"}'
    endpoint.host.answer = lambda request: Invocation(body, "Unhandled", b"", 1.0, "$LATEST", False)
    answer = await lambda_.invoke(FunctionName="hello")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert answer["Payload"].read() == body


async def test_a_busy_host_is_a_throttle_with_its_reason(endpoint: Any, lambda_: Any, function_arn: str) -> None:
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    endpoint.host.answer = lambda request: TooManyRequests(reason=reason, retry_after_s=2)
    with pytest.raises(lambda_.boto.exceptions.TooManyRequestsException) as caught:
        await lambda_.invoke(FunctionName="hello")
    response = caught.value.response
    assert (response["Reason"], response["Error"]["Message"]) == (reason, "Rate Exceeded.")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "2"


async def test_concurrency_is_reserved_within_what_the_account_has(
    endpoint: Any, lambda_: Any, function_arn: str
) -> None:
    assert "ReservedConcurrentExecutions" not in await lambda_.get_function_concurrency(FunctionName="hello")
    put = await lambda_.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=5)
    assert put["ReservedConcurrentExecutions"] == 5
    assert (await lambda_.get_function(FunctionName="hello"))["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    limits = (await lambda_.get_account_settings())["AccountLimit"]
    assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (32, 27)
    await lambda_.invoke(FunctionName="hello")
    assert endpoint.host.requests[-1].function.reserved_concurrency == 5
    code, status, message = await refused(
        lambda_.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=30)
    )
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert "below its minimum value of [3]" in message
    await lambda_.delete_function_concurrency(FunctionName="hello")
    assert "Concurrency" not in await lambda_.get_function(FunctionName="hello")
    await lambda_.invoke(FunctionName="hello")
    assert endpoint.host.requests[-1].function.reserved_concurrency == -1


async def test_concurrency_of_a_function_that_is_not_there(lambda_: Any) -> None:
    for call in (
        lambda_.get_function_concurrency(FunctionName="absent"),
        lambda_.put_function_concurrency(FunctionName="absent", ReservedConcurrentExecutions=1),
        lambda_.delete_function_concurrency(FunctionName="absent"),
    ):
        assert (await refused(call))[:2] == ("ResourceNotFoundException", 404)


async def test_a_host_that_is_down_is_a_service_exception(endpoint: Any, lambda_: Any, function_arn: str) -> None:
    endpoint.host.answer = lambda request: HostUnavailable("The function host does not answer.", detail="secret")
    code, status, message = await refused(lambda_.invoke(FunctionName="hello"))
    assert (code, status) == ("ServiceException", 503)
    assert "secret" not in message


async def test_a_bug_of_ours_shows_a_correlation_id_and_nothing_else(
    endpoint: Any, lambda_: Any, function_arn: str
) -> None:
    def broken(request: object) -> Invocation:
        raise RuntimeError("the secret of the house")

    endpoint.host.answer = broken
    code, status, message = await refused(lambda_.invoke(FunctionName="hello"))
    assert (code, status) == ("ServiceException", 500)
    assert "secret" not in message
    assert "correlation id" in message


async def test_payloads_that_are_not_taken(endpoint: Any, lambda_: Any, function_arn: str) -> None:
    refusal = await refused(lambda_.invoke(FunctionName="hello", Payload=b"{not json"))
    assert refusal[:2] == ("InvalidRequestContentException", 400)
    refusal = await refused(lambda_.invoke(FunctionName="hello", Payload=b'"' + b"x" * 6_291_456 + b'"'))
    assert refusal[:2] == ("RequestEntityTooLargeException", 413)
    assert "6291456 bytes" in refusal[2]
    refusal = await refused(lambda_.invoke(FunctionName="hello", ClientContext="%%%"))
    assert refusal[0] == "InvalidRequestContentException"
    assert endpoint.host.requests == []


async def test_tags_and_account_settings(lambda_: Any, function_arn: str) -> None:
    await lambda_.tag_resource(Resource=function_arn, Tags={"team": "search", "old": "1"})
    await lambda_.untag_resource(Resource=function_arn, TagKeys=["old"])
    assert (await lambda_.list_tags(Resource=function_arn))["Tags"] == {"team": "search"}
    assert (await lambda_.get_function(FunctionName="hello"))["Tags"] == {"team": "search"}
    settings = await lambda_.get_account_settings()
    assert settings["AccountUsage"]["FunctionCount"] == 1
    assert settings["AccountLimit"]["CodeSizeZipped"] == 52_428_800


async def test_an_operation_that_is_not_there_yet_is_named(lambda_: Any, function_arn: str) -> None:
    code, status, message = await refused(lambda_.publish_version(FunctionName="hello"))
    assert (code, status) == ("NotImplementedException", 501)
    assert "PublishVersion" in message


async def test_every_change_is_an_event_in_the_outbox(
    endpoint: Any, lambda_: Any, key: Any, function_arn: str
) -> None:
    await lambda_.update_function_configuration(FunctionName="hello", Timeout=9)
    permission = {"StatementId": "web", "Action": "lambda:InvokeFunction", "Principal": "*"}
    await lambda_.add_permission(FunctionName="hello", **permission)
    await refused(lambda_.add_permission(FunctionName="hello", **permission))
    await lambda_.delete_function(FunctionName="hello")
    rows = await endpoint.database.fetch(
        key.environment_id, "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"
    )
    assert [row["event_type"] for row in rows] == [
        "FunctionCreated",
        "FunctionUpdated",
        "PermissionChanged",
        "FunctionDeleted",
    ]
