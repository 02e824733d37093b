"""Functions that fail or attack: the deployer sees AWS's error, the shopper a problem, the log has the reason."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from partners import Environment, Partner, new_environment, problem
from running import Answer, RunningStore, until

FAILING = '''
"""One function with many ways to fail; the event or the query string says which."""
import json, os, sys
from time import sleep

def handler(event, context):
    way = (event.get("queryStringParameters") or event)["way"]
    print("asked for", way)
    return globals()[way]()

def raises(): raise ValueError("the reason why")
def sleeps(): sleep(30)
def exits(): sys.exit(7)
def vanishes(): os._exit(3)
def crashes(): os.kill(os.getpid(), 11)
def recurses():
    sys.setrecursionlimit(10**9)
    return recurses()
def eats():
    hoard = []
    while True: hoard.append(bytearray(8_000_000))
def fills():
    with open("/tmp/full", "wb") as file:
        while True: file.write(bytes(8_000_000))
def no_json(): return {1, 2}
def too_large(): return "x" * 7_000_000
def half_a_character(): return {"statusCode": 200, "body": "\\ud800"}
def no_number(): return {"statusCode": 200, "body": float("nan")}
def bad_status(): return {"statusCode": "many"}
def early_status(): return {"statusCode": 101}
def bad_body(): return {"statusCode": 200, "body": {"an": "object"}}
def bad_base64(): return {"statusCode": 200, "body": "***", "isBase64Encoded": True}
def bad_headers(): return {"statusCode": 200, "headers": ["X-A", "b"]}
def injects(): return {"statusCode": 200, "headers": {"X-A": "b\\r\\nSet-Cookie: stolen=1"}}
def injects_name(): return {"statusCode": 200, "headers": {"X-A: b\\r\\nX-B": "c"}}
def injects_cookie(): return {"statusCode": 200, "cookies": ["a=b\\r\\nX-A: b"]}
def forges():
    names = ("X-Correlation-Id", "RateLimit-Remaining", "Content-Length", "Server", "X-Kokoa-Call", "Date")
    headers = {name: "0" for name in names} | {"Transfer-Encoding": "chunked", "X-Mine": "kept"}
    return {"statusCode": 200, "headers": headers, "cookies": ["kokoa_session=forged", "own=1"], "body": "whole"}
def floods():
    for _ in range(60_000): print("x" * 100)
    return {"statusCode": 200, "body": "flooded"}
'''

CURIOUS = '''
"""Tries what a hostile partner would."""
import json, os, socket, urllib.error, urllib.request

def handler(event, context):
    asked = event if "way" in event else event["queryStringParameters"]
    answer = globals()[asked["way"]](event)
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(answer)}

def echo(event): return event

def ask(event):
    request = urllib.request.Request(
        os.environ["APP_LOAD_BALANCER_URL"] + event["path"],
        headers=event.get("headers", {}), data=event["body"].encode() if "body" in event else None)
    try:
        with urllib.request.urlopen(request) as response:
            return [response.status, response.read().decode("utf-8", "replace")]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode("utf-8", "replace")]

def circle(event): return ask({"path": "/api/search?q=lamp&way=circle"})

def aws(event):
    import boto3, botocore.exceptions
    try:
        answer = getattr(boto3.client(event["service"]), event["operation"])(**event.get("arguments", {}))
    except botocore.exceptions.ClientError as error:
        return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
    answer.pop("ResponseMetadata")
    return json.loads(json.dumps(answer, default=str))

def connect(event):
    found = {}
    for family, address in event["to"]:
        with socket.socket(getattr(socket, family)) as client:
            client.settimeout(2)
            try:
                client.connect(tuple(address) if isinstance(address, list) else address)
                found[str(address)] = "connected"
            except OSError as error:
                found[str(address)] = error.strerror or "timed out"
    return found
'''


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    """A tenant of this module's own."""
    return new_environment(store)


@pytest.fixture(scope="module")
def acme(shop: Environment) -> Partner:
    """A partner whose functions `failing` and `curious` serve routes of the shop."""
    acme = shop.partner("acme", "/api/*")
    acme.route("failing", "GET /api/failing", acme.deploy("failing", FAILING, Timeout=4, MemorySize=128))
    acme.route("curious", "GET /api/search", acme.deploy("curious", CURIOUS, Timeout=10, MemorySize=256))
    return acme


@pytest.fixture(scope="module")
def rival(shop: Environment) -> Partner:
    """Another partner of the same environment, with a function."""
    rival = shop.partner("rival")
    rival.deploy("theirs", "def handler(event, context):\n    return 'theirs'\n")
    return rival


def log_of(partner: Partner, function: str, pattern: str = "") -> str:
    """The log events of a function that a filter pattern finds; empty when nothing was logged yet."""
    logs = partner.client("logs")
    group = f"/aws/lambda/{function}"
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return ""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=pattern)
    return "".join(event["message"] for page in pages for event in page["events"])


def whole_log_of(partner: Partner, function: str, correlation_id: str) -> str:
    """What a request wrote, once its last line is there."""

    def written() -> str:
        text = log_of(partner, function, f'"{correlation_id}"')
        return text if "REPORT RequestId:" in text else ""

    return str(until(written, within_s=30, what="the log"))


# AWS's errorType, a part of its message, the shopper's status and code, a part of the log
FAILURES: dict[str, tuple[str, str, int, str]] = {
    "raises": ("ValueError", "the reason why", 502, "FUNCTION_FAILED"),
    "missing": ("KeyError", "missing", 502, "FUNCTION_FAILED"),
    "sleeps": ("Sandbox.Timedout", "Task timed out after 4.00 seconds", 504, "FUNCTION_TIMEOUT"),
    "exits": ("Runtime.ExitError", "exit status 7", 502, "FUNCTION_FAILED"),
    "vanishes": ("Runtime.ExitError", "exit status 3", 502, "FUNCTION_FAILED"),
    "crashes": ("Runtime.ExitError", "signal: segmentation fault", 502, "FUNCTION_FAILED"),
    "recurses": ("Runtime.OutOfMemory", "signal: killed", 502, "FUNCTION_FAILED"),
    "eats": ("Runtime.OutOfMemory", "signal: killed", 502, "FUNCTION_FAILED"),
    "fills": ("", "", 502, "FUNCTION_FAILED"),
    "no_json": ("Runtime.MarshalError", "not JSON serializable", 502, "FUNCTION_FAILED"),
    "too_large": ("Function.ResponseSizeTooLarge", "6291556 bytes", 502, "FUNCTION_FAILED"),
}


@pytest.mark.parametrize("way", FAILURES)
def test_a_function_that_fails(shop: Environment, acme: Partner, way: str) -> None:
    error_type, part, status, code = FAILURES[way]
    answer, function_error = acme.invoke("failing", {"way": way})
    assert function_error == "Unhandled"
    assert error_type in answer["errorType"]
    assert part in answer["errorMessage"]
    shown = shop.get(f"/api/failing?way={way}")
    detail = problem(shown, status, code)
    assert part == "" or part not in detail, "a shopper is not told the partner's reasons"
    assert acme.name not in shown.body.decode()
    assert shop.get("/api/failing?way=forges").body == b"whole", "the next request is served"


NONSENSE = (
    "half_a_character",
    "no_number",
    "bad_status",
    "early_status",
    "bad_body",
    "bad_base64",
    "bad_headers",
    "injects",
    "injects_name",
    "injects_cookie",
)


@pytest.mark.parametrize("way", NONSENSE)
def test_an_answer_that_is_no_http_response(shop: Environment, acme: Partner, way: str) -> None:
    _, function_error = acme.invoke("failing", {"way": way})
    assert function_error is None, "for Lambda any JSON is an answer"
    shown = shop.get(f"/api/failing?way={way}")
    assert problem(shown, 502, "BAD_FUNCTION_ANSWER")
    assert not {"x-a", "x-b", "set-cookie"} & shown.headers.keys()


def test_a_function_cannot_forge_what_is_the_edges_own(shop: Environment, acme: Partner) -> None:
    shown = shop.get("/api/failing?way=forges")
    assert (shown.status, shown.body) == (200, b"whole")
    assert shown.headers["content-length"] == "5"
    assert shown.headers["x-correlation-id"] != "0"
    assert shown.headers["ratelimit-remaining"] != "0"
    assert shown.headers["server"] != "0"
    assert shown.headers["x-mine"] == "kept"
    assert shown.headers["set-cookie"] == "own=1"
    assert not {"transfer-encoding", "x-kokoa-call"} & shown.headers.keys()


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("raises", "ValueError: the reason why"),
        ("sleeps", "Task timed out after 4.00 seconds"),
        ("vanishes", "Runtime exited with error: exit status 3"),
        ("bad_status", "asked for bad_status"),
    ],
)
def test_the_shoppers_correlation_id_finds_the_reason_in_the_log(
    shop: Environment, acme: Partner, way: str, reason: str
) -> None:
    correlation_id = shop.get(f"/api/failing?way={way}").json["correlation_id"]
    log = whole_log_of(acme, "failing", correlation_id)
    assert reason in log
    assert f"asked for {way}" in log
    assert log.count("START RequestId:") == log.count("REPORT RequestId:") == 1
    assert f"CorrelationId: {correlation_id}" in log


def test_the_kokoa_command_prints_that_log(store: RunningStore, shop: Environment, acme: Partner) -> None:
    correlation_id = shop.get("/api/failing?way=raises").json["correlation_id"]
    whole_log_of(acme, "failing", correlation_id)
    keys = f"AWS_ACCESS_KEY_ID={acme.key_id} AWS_SECRET_ACCESS_KEY={acme.secret}"
    printed = store.run(f"{keys} kokoa logs failing --correlation-id {correlation_id}").stdout
    assert "[ERROR] ValueError: the reason why" in printed
    assert printed.count("REPORT RequestId:") == 1


def test_a_log_flood_is_cut_and_stops_nobody_elses_logs(shop: Environment, acme: Partner) -> None:
    flooded = shop.get("/api/failing?way=floods")
    other = new_environment(shop.store).partner("quiet")
    other.deploy("quiet", "def handler(event, context):\n    print('I was heard')\n")
    other.invoke("quiet")
    until(lambda: "I was heard" in log_of(other, "quiet"), within_s=30, what="the other tenant's log")
    assert "log lines were dropped" in whole_log_of(acme, "failing", flooded.headers["x-correlation-id"])


HANDLERS = {
    "elsewhere.handler": ("Runtime.ImportModuleError", "No module named 'elsewhere'"),
    "handler.elsewhere": ("Runtime.HandlerNotFound", "Handler 'elsewhere' missing on module 'handler'"),
    "handler": ("Runtime.MalformedHandlerName", "Bad handler 'handler'"),
}


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_that_is_not_there(shop: Environment, acme: Partner, handler: str) -> None:
    name = f"lost-{handler.replace('.', '-')}"
    acme.route(name, f"GET /api/{name}", acme.deploy(name, "def other(event, context): pass\n", Handler=handler))
    answer, function_error = acme.invoke(name)
    assert function_error == "Unhandled"
    error_type, part = HANDLERS[handler]
    assert answer["errorType"] == error_type
    assert part in answer["errorMessage"]
    assert problem(shop.get(f"/api/{name}"), 502, "FUNCTION_FAILED")


# what a function sees, and what it reaches


def from_inside(acme: Partner, way: str, **event: Any) -> Any:
    """What `curious` found out."""
    answer, function_error = acme.invoke("curious", {"way": way, **event})
    assert function_error is None, answer
    return json.loads(answer["body"])


def test_secrets_of_others_never_reach_an_event(shop: Environment, acme: Partner) -> None:
    secrets = {
        **shop.secrets,
        "Authorization": "Bearer kokoa_operator",
        "X-Amz-Security-Token": "token",
        "Proxy-Authorization": "Basic eDp5",
        "X-Kokoa-Thing": "inner",
        "Cookie": "kokoa_session=secret; mine=1; __Host-kokoa=secret",
    }
    shown = shop.store.request("/api/search?q=x&way=echo", headers=secrets)
    event = shown.json
    assert event["cookies"] == ["mine=1"]
    assert event["headers"]["x-tenant-id"] == shop.tenant
    hidden = ("x-tenant-secret", "x-graphql-secret", "authorization", "x-amz-security-token", "proxy-authorization")
    assert not {*hidden, "cookie", "x-kokoa-thing", "x-kokoa-call"} & event["headers"].keys()
    for secret in (shop.secrets["X-Tenant-Secret"], shop.secrets["X-GraphQL-Secret"], "kokoa_", "inner"):
        assert secret not in shown.body.decode()
    own = shop.get("/api/search?way=echo", Authorization="Bearer customers-own")
    assert own.json["headers"]["authorization"] == "Bearer customers-own"


def test_a_function_that_asks_for_its_own_override_is_stopped_by_an_error_that_names_the_circle(
    shop: Environment, acme: Partner
) -> None:
    shown = shop.get("/api/search?q=lamp&way=circle")
    assert shown.status == 200, "the function answers what it was told"
    depth, innermost = 0, [shown.status, shown.body.decode()]
    while innermost[0] == 200:
        depth, innermost = depth + 1, json.loads(innermost[1])
    assert depth == 8
    refusal = Answer(
        innermost[0],
        {"content-type": "application/problem+json", "x-correlation-id": shown.headers["x-correlation-id"]},
        innermost[1].encode(),
    )
    detail = problem(refusal, 400, "DEPTH_EXCEEDED")
    assert "function curious → function curious" in detail
    assert "asks for the very thing that it overrides" in detail


def test_temporary_credentials_are_the_accounts_own(acme: Partner, rival: Partner) -> None:
    identity = from_inside(acme, "aws", service="sts", operation="get_caller_identity")
    assert identity["Account"] == acme.account_id
    assert identity["Arn"].endswith("/acme")
    listed = from_inside(acme, "aws", service="lambda", operation="list_functions")["Functions"]
    assert {"failing", "curious"} <= {function["FunctionName"] for function in listed}
    assert "theirs" not in {function["FunctionName"] for function in listed}
    theirs = rival.lambda_.get_function(FunctionName="theirs")["Configuration"]["FunctionArn"]
    for operation in ("get_function", "invoke", "delete_function"):
        arguments = {"FunctionName": theirs}
        code, message = from_inside(acme, "aws", service="lambda", operation=operation, arguments=arguments)
        assert code == "AccessDeniedException"
        assert "another account" in message
    arguments = {"logGroupName": "/aws/lambda/theirs"}
    found = from_inside(acme, "aws", service="logs", operation="filter_log_events", arguments=arguments)
    assert found[0] == "ResourceNotFoundException"
    assert rival.invoke("theirs") == ("theirs", None)


def test_from_inside_only_the_store_can_be_reached(store: RunningStore, acme: Partner) -> None:
    servers = json.loads((store.state_dir / "servers.json").read_text())
    nats_port = urlsplit(servers["nats_url"]).port
    store_port = urlsplit(store.url).port
    socket_folder = servers["database_url"].partition("host=")[2].partition("&")[0]
    places: list[tuple[str, Any]] = [
        ("AF_INET", ["127.0.0.1", nats_port]),
        ("AF_INET", ["127.0.0.1", store_port]),
        ("AF_INET", ["127.0.0.1", 5432]),
        ("AF_INET", ["1.1.1.1", 443]),
        ("AF_INET", ["169.254.169.254", 80]),
        ("AF_INET6", ["::1", store_port]),
        ("AF_UNIX", f"{socket_folder}/.s.PGSQL.5432"),
        ("AF_UNIX", str(store.state_dir / "host" / "host.sock")),
    ]
    found = from_inside(acme, "connect", to=places)
    assert len(found) == len(places)
    assert "connected" not in found.values(), found


def test_from_inside_no_name_but_the_accounts_own_is_taken(shop: Environment, acme: Partner) -> None:
    asked = from_inside(
        acme,
        "ask",
        path="/graphql",
        headers={"Content-Type": "application/json", "X-Tenant-ID": "demo", "X-Environment": "dev", **forged()},
        body=json.dumps({"query": "{ store { alias environment } }"}),
    )
    assert asked[0] == 200
    assert json.loads(asked[1]) == {"data": {"store": {"alias": shop.tenant, "environment": "prod"}}}


def forged() -> Mapping[str, str]:
    return {"X-Kokoa-Call": "forged", "X-Tenant-Secret": "forged", "X-Forwarded-Host": "demo.example.com"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/_kokoa/operator/tenants", 401, "OPERATOR_TOKEN_WRONG"),
        ("/_kokoa/rpc/administration/keys", 405, "METHOD_NOT_ALLOWED"),
        ("/metrics", 403, "METRICS_FORBIDDEN"),
        ("/../../etc/passwd", 400, "INVALID_PATH"),
    ],
)
def test_from_inside_the_platforms_own_addresses_are_closed(acme: Partner, path: str, status: int, code: str) -> None:
    answered, body = from_inside(acme, "ask", path=path)
    assert (answered, json.loads(body)["code"]) == (status, code)


def test_from_inside_our_own_processes_calls_cannot_be_made(acme: Partner) -> None:
    """The call token that the relay adds proves an account, and those calls need a process of Kokoa."""
    answered, body = from_inside(acme, "ask", path="/_kokoa/rpc/administration/environments", body="x")
    assert answered == 422
    assert "RpcRefused" in body


def test_a_function_without_concurrency_is_turned_off(shop: Environment) -> None:
    partner = shop.partner("switch")
    partner.deploy("off", "def handler(event, context):\n    return 1\n")
    partner.lambda_.put_function_concurrency(FunctionName="off", ReservedConcurrentExecutions=0)
    with pytest.raises(partner.lambda_.exceptions.TooManyRequestsException) as refused:
        partner.invoke("off")
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    partner.lambda_.delete_function_concurrency(FunctionName="off")
    assert partner.invoke("off") == (1, None)
