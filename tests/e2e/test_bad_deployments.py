"""Deployments that are wrong: signatures, packages, settings, targets and routes that the AWS API must refuse."""

import datetime
import io
import json
import os
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from partners import (
    REGION,
    ROLE,
    Environment,
    Partner,
    line_to_each_process,
    new_environment,
    package,
    problem,
    refused,
)
from running import RunningStore, until

HELLO = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'hello'}\n"
ZIP_BYTES_MAX = 52_428_800
UNZIPPED_BYTES_MAX = 262_144_000
FUNCTIONS = "/2015-03-31/functions"


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    """A tenant of this module's own."""
    return new_environment(store)


@pytest.fixture(scope="module")
def acme(shop: Environment) -> Partner:
    """A partner with one function, `hello`."""
    acme = shop.partner("acme")
    acme.deploy("hello", HELLO)
    return acme


@pytest.fixture(scope="module")
def rival(shop: Environment) -> Partner:
    """Another partner of the same environment."""
    return shop.partner("rival")


@pytest.fixture(autouse=True)
def nothing_changed(acme: Partner) -> Any:
    """After every test the one function is there, as it was deployed."""
    yield
    assert acme.functions == ["hello"]
    assert acme.invoke("hello") == ({"statusCode": 200, "body": "hello"}, None)


def arn_of(partner: Partner, name: str = "hello") -> str:
    return f"arn:aws:lambda:{REGION}:{partner.account_id}:function:{name}"


# who signs


def test_a_request_without_a_signature_is_refused(store: RunningStore, acme: Partner) -> None:
    for method in ("GET", "POST"):
        answer = store.request(f"{FUNCTIONS}/", method=method, body=b"{}" if method == "POST" else None)
        assert answer.status == 403
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
        assert answer.headers["x-correlation-id"]


def test_a_wrong_secret_and_an_unknown_key_are_refused(acme: Partner) -> None:
    wrong = acme.client("lambda", secret="x" * 40)
    assert refused(wrong.invoke, FunctionName="hello")[:2] == ("InvalidSignatureException", 403)
    unknown = acme.client("lambda", key_id="AKIAAAAAAAAAAAAAAAAA")
    assert refused(unknown.list_functions)[:2] == ("UnrecognizedClientException", 403)
    assert refused(acme.client("sts", secret="x" * 40).get_caller_identity)[:2] == ("SignatureDoesNotMatch", 403)


@pytest.mark.parametrize("off_minutes", [-16, 16])
def test_a_clock_that_is_off_is_refused(acme: Partner, monkeypatch: pytest.MonkeyPatch, off_minutes: int) -> None:
    now = botocore.auth.get_current_datetime
    off = datetime.timedelta(minutes=off_minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *given, **more: now(*given, **more) + off)
    code, status, message = refused(acme.lambda_.list_functions)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert "Signature" in message


def signed(acme: Partner, method: str, path: str, body: bytes = b"", key: dict[str, str] | None = None) -> Any:
    """Headers of a request that the partner signs.  key: another key of it, as the operator's API shows it."""
    pair = (key["access_key_id"], key["secret_access_key"]) if key else (acme.key_id, acme.secret)
    request = AWSRequest(method=method, url=acme.environment.store.url + path, data=body)
    SigV4Auth(Credentials(*pair), "lambda", REGION).add_auth(request)
    return dict(request.headers)


def test_a_changed_body_path_or_host_breaks_the_signature(store: RunningStore, acme: Partner) -> None:
    path, body = f"{FUNCTIONS}/hello/invocations", b'{"amount": 1}'
    headers = signed(acme, "POST", path, body)
    assert store.request(path, method="POST", body=body, headers=headers).status == 200
    signed_at = headers["X-Amz-Date"]
    another_second = f"{signed_at[:-3]}{(int(signed_at[-3:-1]) + 1) % 60:02}Z"
    for changed in (
        {"path": path, "body": b'{"amount": 9}'},
        {"path": f"{path}?Qualifier=x", "body": body},
        {"path": path, "body": body, "headers": {**headers, "Host": "elsewhere.example.com"}},
        {"path": path, "body": body, "headers": {**headers, "X-Amz-Date": another_second}},
    ):
        answer = store.request(method="POST", **{"headers": headers, **changed})
        assert answer.status == 403
        assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_a_revoked_key_ends_within_a_second_on_every_process(store: RunningStore, acme: Partner) -> None:
    key = acme.environment.operate("POST", f"/partners/{acme.name}/keys", {})
    headers = signed(acme, "GET", f"{FUNCTIONS}/hello", key=key)
    with line_to_each_process(store) as lines:

        def statuses() -> set[int]:
            return {line.request(f"{FUNCTIONS}/hello", headers=headers).status for line in lines}

        assert statuses() == {200}
        acme.environment.operate("DELETE", f"/keys/{key['access_key_id']}")
        begun = time.monotonic()
        until(lambda: statuses() == {403}, within_s=3, what="the refusal of a revoked key")
        assert time.monotonic() - begun < 1.5
        answer = lines[0].request(f"{FUNCTIONS}/hello", headers=headers)
        assert answer.headers["x-amzn-errortype"] == "UnrecognizedClientException"


def test_another_accounts_function_is_out_of_reach(acme: Partner, rival: Partner) -> None:
    arn = arn_of(acme)
    calls: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (rival.lambda_.get_function, {"FunctionName": arn}),
        (rival.lambda_.invoke, {"FunctionName": arn}),
        (rival.lambda_.delete_function, {"FunctionName": arn}),
        (rival.lambda_.update_function_code, {"FunctionName": arn, "ZipFile": package(handler__py="")}),
        (rival.lambda_.update_function_configuration, {"FunctionName": arn, "Timeout": 9}),
        (rival.gateway.create_api, {"Name": "theft", "ProtocolType": "HTTP", "Target": arn}),
    ]
    for call, arguments in calls:
        code, status, message = refused(call, **arguments)
        assert (code, status) == ("AccessDeniedException", 403)
        assert "another account" in message
        assert rival.account_id in message
    assert refused(rival.lambda_.invoke, FunctionName="hello")[:2] == ("ResourceNotFoundException", 404)
    assert rival.functions == []


# packages


def member(name: str, content: str, kind: int = stat.S_IFREG) -> bytes:
    """A zip with one entry of this kind of file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3  # Unix, so that the mode counts
        entry.external_attr = (kind | 0o777) << 16
        archive.writestr(entry, content)
    return buffer.getvalue()


def bomb(*, honest: bool) -> bytes:
    """300 kB that unpack to more than is allowed; a dishonest one declares 100 bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("big", "w") as file:
        for _ in range(UNZIPPED_BYTES_MAX // 1_000_000 + 1):
            file.write(bytes(1_000_000))
    content = bytearray(buffer.getvalue())
    if not honest:
        struct.pack_into("<L", content, content.rfind(b"PK\x01\x02") + 24, 100)
    return bytes(content)


PACKAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"this is no zip", "Could not unzip"),
    "damaged": (lambda: package(handler__py=HELLO)[:-10], "Could not unzip"),
    "empty": (lambda: b"", "non-empty zip"),
    "over 50 MB": (lambda: os.urandom(ZIP_BYTES_MAX + 1), f"at most {ZIP_BYTES_MAX}"),
    "a bomb": (lambda: bomb(honest=True), f"smaller than {UNZIPPED_BYTES_MAX}"),
    "a bomb in disguise": (lambda: bomb(honest=False), "cannot be unpacked"),
    "a path out of it": (lambda: member("../../evil.py", HELLO), "outside of its own folder"),
    "an absolute path": (lambda: member("/etc/evil.py", HELLO), "outside of its own folder"),
    "a link out of it": (lambda: member("handler.py", "../../etc/passwd", stat.S_IFLNK), "symbolic link out"),
    "an absolute link": (lambda: member("handler.py", "/etc/passwd", stat.S_IFLNK), "symbolic link out"),
    "a device": (lambda: member("handler.py", "", stat.S_IFCHR), "special file"),
}


@pytest.mark.parametrize("case", PACKAGES, ids=str)
def test_a_package_that_cannot_be_used_is_refused(acme: Partner, case: str) -> None:
    made, part = PACKAGES[case]
    content = made()
    for call, code in (
        (acme.lambda_.create_function, {"Code": {"ZipFile": content}, **settings()}),
        (acme.lambda_.update_function_code, {"ZipFile": content}),
    ):
        name = "hello" if "ZipFile" in code else "fresh"
        refusal = refused(call, FunctionName=name, **code)
        assert refusal[:2] == ("InvalidParameterValueException", 400)
        assert part in refusal[2]
        if len(content) > ZIP_BYTES_MAX:
            break  # once is enough for 70 MB on the wire


def test_a_request_over_the_bound_is_refused_unread(acme: Partner) -> None:
    refusal = refused(acme.lambda_.update_function_code, FunctionName="hello", ZipFile=bytes(60 * 1024 * 1024))
    assert refusal[:2] == ("RequestEntityTooLargeException", 413)
    assert "70167211 bytes" in refusal[2]


# settings


def settings(**changed: Any) -> dict[str, Any]:
    return {"Runtime": "python3.11", "Handler": "handler.handler", "Role": ROLE, **changed}


SETTINGS: dict[str, tuple[dict[str, Any], str, str]] = {
    "runtime": ({"Runtime": "cobol"}, "InvalidParameterValueException", "[python3.11, python3.12"),
    "handler": ({"Handler": "handler handler"}, "ValidationException", "at 'handler' failed to satisfy"),
    "no timeout": ({"Timeout": 0}, "ValidationException", "greater than or equal to 1"),
    "timeout": ({"Timeout": 901}, "ValidationException", "less than or equal to 900"),
    "memory": ({"MemorySize": 127}, "ValidationException", "greater than or equal to 128"),
    "variables": ({"Environment": {"Variables": {"BIG": "x" * 4096}}}, "InvalidParameterValueException", "4KB limit"),
    "reserved": (
        {"Environment": {"Variables": {"APP_LOAD_BALANCER_URL": "http://evil"}}},
        "InvalidParameterValueException",
        "APP_LOAD_BALANCER_URL",
    ),
    "hostile variable": ({"Environment": {"Variables": {"A=B": "x"}}}, "ValidationException", "environment"),
}


@pytest.mark.parametrize("case", SETTINGS, ids=str)
def test_settings_that_cannot_be_are_refused(acme: Partner, case: str) -> None:
    changed, code, part = SETTINGS[case]
    client = acme.client("lambda", parameter_validation=False)
    content = package(handler__py=HELLO)
    refusals = (
        refused(client.create_function, FunctionName="fresh", Code={"ZipFile": content}, **settings(**changed)),
        refused(client.update_function_configuration, FunctionName="hello", **changed),
    )
    for refusal in refusals:
        assert refusal[:2] == (code, 400)
        assert part in refusal[2]


def test_a_name_is_taken_once_and_what_is_missing_is_not_found(acme: Partner) -> None:
    content = {"ZipFile": package(handler__py="")}
    refusal = refused(acme.lambda_.create_function, FunctionName="hello", Code=content, **settings())
    assert refusal == ("ResourceConflictException", 409, "Function already exist: hello")
    calls: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (acme.lambda_.get_function, {}),
        (acme.lambda_.invoke, {}),
        (acme.lambda_.update_function_code, content),
        (acme.lambda_.update_function_configuration, {"Timeout": 9}),
        (acme.lambda_.delete_function, {}),
        (acme.lambda_.get_policy, {}),
    ]
    for call, arguments in calls:
        code, status, message = refused(call, FunctionName="gone", **arguments)
        assert (code, status) == ("ResourceNotFoundException", 404)
        assert f"{acme.account_id}:function:gone" in message
    missing = refused(
        acme.gateway.create_api, Name="gone", ProtocolType="HTTP", RouteKey="GET gone", Target=arn_of(acme)
    )
    assert missing[:2] == ("BadRequestException", 400)
    assert refused(acme.gateway.delete_api, ApiId="gone")[:2] == ("NotFoundException", 404)


def test_payloads_that_are_no_json_or_too_large_are_refused(acme: Partner) -> None:
    refusal = refused(acme.lambda_.invoke, FunctionName="hello", Payload=b"{")
    assert refusal[:2] == ("InvalidRequestContentException", 400)
    refusal = refused(acme.lambda_.invoke, FunctionName="hello", Payload=json.dumps("x" * 6_291_456))
    assert refusal[:2] == ("RequestEntityTooLargeException", 413)


def test_the_aws_command_shows_the_reason(store: RunningStore, acme: Partner) -> None:
    keys = f"AWS_ACCESS_KEY_ID={acme.key_id} AWS_SECRET_ACCESS_KEY={acme.secret}"
    done = store.run(f"{keys} aws lambda invoke --function-name gone /dev/null", check=False)
    assert done.returncode == 254
    assert "(ResourceNotFoundException)" in done.stderr
    assert f"Function not found: {acme.account_id}:function:gone" in done.stderr


# routes


def test_a_route_that_another_partner_holds_is_a_conflict_that_names_it(store: RunningStore) -> None:
    shop = new_environment(store)
    first, second = shop.partner("first", "/api/*"), shop.partner("second", "/api/*")
    first.route("hello", "GET /api/things/{id}", first.deploy("hello", HELLO))
    arn = second.deploy("mine", HELLO)
    for route_key in ("GET /api/things/{id}", "GET /api/things/{thing}"):
        code, status, message = refused(
            second.gateway.create_api, Name="mine", ProtocolType="HTTP", RouteKey=route_key, Target=arn
        )
        assert (code, status) == ("ConflictException", 409)
        assert "first/hello" in message
        assert "'GET /api/things/{id}'" in message
    assert second.gateway.get_apis()["Items"] == []
    until(lambda: shop.get("/api/things/1").body == b"hello", within_s=3)
    assert "Warnings" not in second.route("mine", "GET /api/others", arn)


def test_of_two_partners_who_claim_a_route_at_the_same_moment_one_gets_it(store: RunningStore) -> None:
    shop = new_environment(store)
    partners = [shop.partner(name, "/api/*") for name in ("first", "second")]
    arns = [partner.deploy("mine", HELLO) for partner in partners]

    def claim(number: int, path: str) -> str:
        try:
            partners[number].gateway.create_api(
                Name=f"api{path}", ProtocolType="HTTP", RouteKey=f"GET /api/{path}", Target=arns[number]
            )
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "claimed"

    with ThreadPoolExecutor(2) as pool:
        for path in ("a", "b", "c", "d", "e", "f"):
            outcomes = sorted(pool.map(claim, (0, 1), (path, path)))
            assert outcomes == ["ConflictException", "claimed"], path


def test_without_a_grant_a_route_answers_below_ext_only(store: RunningStore) -> None:
    shop = new_environment(store)
    stranger = shop.partner("stranger")
    answer = stranger.route("takeover", "GET /api/search", stranger.deploy("takeover", HELLO))
    endpoint = f"{store.url}/ext/takeover"
    assert answer["ApiEndpoint"] == endpoint
    (warning,) = answer["Warnings"]
    assert warning.startswith(f"Served below {endpoint} only. GET /api/search: Not granted")
    assert "/api/*" in warning
    until(lambda: shop.get("/ext/takeover/api/search").body == b"hello", within_s=3)
    assert shop.get("/api/search?q=lamp").json["total"] == 0, "native search answers"
    listed = store.run(f"kokoa routes list --tenant {shop.tenant}").stdout
    (row,) = (line for line in listed.splitlines() if "stranger/takeover" in line)
    assert "Not granted" in row
    # The owner may change their mind, both ways, without a new deployment.
    shop.operate("POST", "/grants", {"partner": "stranger", "pattern": "/api/search"})
    until(lambda: shop.get("/api/search?q=lamp").body == b"hello", within_s=3)
    shop.operate("DELETE", "/grants", {"partner": "stranger", "pattern": "/api/search"})
    until(lambda: shop.get("/api/search?q=lamp").body != b"hello", within_s=3)


def test_reserved_paths_and_catch_alls_are_not_taken_by_a_wide_grant(store: RunningStore) -> None:
    shop = new_environment(store)
    greedy = shop.partner("greedy", "/*")
    arn = greedy.deploy("hello", HELLO)
    greedy.permit("hello")

    def create(name: str, route_key: str) -> list[str]:
        answer = greedy.gateway.create_api(Name=name, ProtocolType="HTTP", RouteKey=route_key, Target=arn)
        warnings: list[str] = answer.get("Warnings", [])
        return warnings

    reserved = ("graphql", "healthz", "metrics", "ext", "console", "login", "git", "_kokoa", "openapi.json")
    for number, first in enumerate(reserved):
        (warning,) = create(f"reserved-{number}", f"ANY /{first}")
        assert f"/{first} is reserved" in warning
    for number, route_key in enumerate(("$default", "ANY /{proxy+}", "GET /")):
        (warning,) = create(f"all-{number}", route_key)
        path = route_key.rpartition(" ")[2]
        assert f"Catch-all: the owner must grant exactly {path}" in warning
    assert create("words", "ANY /{word}") == []
    until(lambda: shop.get("/anything").body == b"hello", within_s=3)
    for path in reserved:
        assert shop.get(f"/{path}").body != b"hello"
    assert problem(shop.get("/"), 404, "ROUTE_NOT_FOUND")
    assert problem(shop.get("/some/where"), 404, "ROUTE_NOT_FOUND")
    for pattern in ("$default", "/"):
        store.run(f"kokoa grants add greedy '{pattern}' --tenant {shop.tenant}")
    until(lambda: shop.get("/some/where").body == b"hello", within_s=3)
    until(lambda: shop.get("/").body == b"hello", within_s=3)
    assert shop.get("/healthz").json == {"status": "alive"}
    assert problem(shop.get("/console"), 404, "ROUTE_NOT_FOUND")


def test_a_route_whose_function_permits_nobody_is_not_ready(store: RunningStore) -> None:
    shop = new_environment(store)
    partner = shop.partner("shy", "/api/*")
    partner.route("hello", "GET /api/shy", partner.deploy("hello", HELLO), permit=False)
    detail = problem(shop.get("/api/shy"), 502, "EXTENSION_NOT_READY")
    assert "permission" not in detail, "the shopper is not told how the partner is set up"
    (row,) = (row for row in shop.routes() if row["served_by"] == "shy/hello")
    assert "does not permit apigateway.amazonaws.com" in row["note"]
    partner.permit("hello")
    until(lambda: shop.get("/api/shy").body == b"hello", within_s=3)
    partner.lambda_.remove_permission(FunctionName="hello", StatementId="web")
    until(lambda: shop.get("/api/shy").status == 502, within_s=3)
    partner.permit("hello")
    partner.lambda_.delete_function(FunctionName="hello")
    # Each process knows within a second, and who answers next may be either.
    until(lambda: all(shop.get("/api/shy").status == 502 for _ in range(10)), within_s=5)
    assert problem(shop.get("/api/shy"), 502, "EXTENSION_NOT_READY")


def test_a_service_that_is_not_there_is_named(acme: Partner) -> None:
    code, status, message = refused(acme.client("s3", s3={"addressing_style": "path"}).list_buckets)
    assert (code, status) == ("NotImplementedException", 501)
    assert "'s3'" in message
    assert refused(acme.lambda_.list_layers)[:2] == ("NotImplementedException", 501)
