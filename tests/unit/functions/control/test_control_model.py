"""Rules of functions, policies and names."""

import pytest

from kokoa.functions.control.errors import (
    FunctionNotFound,
    InvalidApi,
    InvalidFunction,
    InvalidLogQuery,
    InvalidPermission,
    OtherAccount,
)
from kokoa.functions.control.logs import Pattern, parse_pattern
from kokoa.functions.control.model import (
    Api,
    Permission,
    Settings,
    arn_like,
    permits_api,
    require_permission,
    require_route_key,
    require_settings,
    require_tags,
)
from kokoa.functions.control.names import parse_function, parse_target
from kokoa.kernel.clock import to_datetime

ACCOUNT = "123456789012"
ARN = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:hello"
API = Api("abcdefghij", ACCOUNT, "shop", "", "", "eu-west-1", "http://x", "", {}, to_datetime(0))


@pytest.mark.parametrize(
    "text",
    ["hello", "hello:$LATEST", "function:hello", f"{ACCOUNT}:function:hello", ARN, f"{ARN}:$LATEST"],
)
def test_a_function_has_many_names(text: str) -> None:
    assert parse_function(text, account_id=ACCOUNT).name == "hello"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", InvalidFunction),
        ("a/b", InvalidFunction),
        ("a" * 65, InvalidFunction),
        ("hello\n", InvalidFunction),
        ("arn:aws:s3:::bucket", InvalidFunction),
        ("arn:aws:lambda:eu-west-1:hello", InvalidFunction),
        (ARN.replace(ACCOUNT, "210987654321"), OtherAccount),
        ("210987654321:function:hello", OtherAccount),
        ("hello:7", FunctionNotFound),
        (f"{ARN}:live", FunctionNotFound),
    ],
)
def test_what_names_no_function_of_the_account(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_function(text, account_id=ACCOUNT)


def test_two_qualifiers_must_agree() -> None:
    with pytest.raises(InvalidFunction, match="derived qualifier"):
        parse_function("hello:$LATEST", account_id=ACCOUNT, qualifier="7")


def test_targets_of_apis() -> None:
    around = f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{ARN}/invocations"
    assert parse_target(ARN, account_id=ACCOUNT) == parse_target(around, account_id=ACCOUNT)
    with pytest.raises(InvalidFunction, match="cannot be reached"):
        parse_target("https://example.com", account_id=ACCOUNT)
    with pytest.raises(OtherAccount):
        parse_target(around, account_id="210987654321")


def gateway(**more: str) -> Permission:
    fields = {"action": "lambda:InvokeFunction", "principal": "apigateway.amazonaws.com", **more}
    return Permission(statement_id="s", **fields)


PREFIX = f"arn:aws:execute-api:eu-west-1:{ACCOUNT}:abcdefghij"


@pytest.mark.parametrize(
    ("permission", "route_key", "permitted"),
    [
        (gateway(), "GET /a", True),
        (gateway(principal="*"), "GET /a", True),
        (gateway(principal="events.amazonaws.com"), "GET /a", False),
        (gateway(action="lambda:GetFunction"), "GET /a", False),
        (gateway(source_account=ACCOUNT), "GET /a", True),
        (gateway(source_account="210987654321"), "GET /a", False),
        (gateway(source_arn=f"{PREFIX}/*/*/a"), "GET /a", True),
        (gateway(source_arn=f"{PREFIX}/*/*/a"), "ANY /a", True),
        (gateway(source_arn=f"{PREFIX}/*/GET/a"), "ANY /a", False),
        (gateway(source_arn=f"{PREFIX}/*/*/a/{{proxy+}}"), "ANY /a/{proxy+}", True),
        (gateway(source_arn=f"{PREFIX}/*/$default"), "$default", True),
        (gateway(source_arn=f"{PREFIX}/*"), "$default", True),
        (gateway(source_arn=f"{PREFIX}/*".replace("eu-west-1", "us-east-1")), "GET /a", False),
        (gateway(source_arn="*"), "GET /a", False),
    ],
)
def test_which_policies_let_an_api_in(permission: Permission, route_key: str, permitted: bool) -> None:
    assert permits_api([permission], API, route_key) is permitted
    assert permits_api([], API, route_key) is False


def test_wildcards_stay_inside_their_part_of_an_arn() -> None:
    assert arn_like("arn:aws:x:*:1:a?c*", "arn:aws:x:eu:1:abc/d:e")
    assert not arn_like("arn:aws:x:*:a", "arn:aws:x:eu:1:a")
    assert not arn_like("arn:aws:x:y:1:[a]", "arn:aws:x:y:1:a")
    # Many stars must not take long.
    assert not arn_like("arn:aws:x:y:1:" + "*a" * 200, "arn:aws:x:y:1:" + "a" * 199 + "b" * 2000)


@pytest.mark.parametrize("key", ["GET /", "ANY /a/{id}", "$default", "POST /a-b/{proxy+}"])
def test_route_keys(key: str) -> None:
    assert require_route_key(key) == key


@pytest.mark.parametrize(
    "key", ["", "GET", "get /a", "GET a", "GET  /a", "FETCH /a", "GET /a b", "$connect", "GET /\n"]
)
def test_route_keys_that_are_none(key: str) -> None:
    with pytest.raises(InvalidApi):
        require_route_key(key)


def test_settings_that_cannot_be() -> None:
    require_settings(Settings("python3.11", "a.b"))
    for settings, told in (
        (Settings("", "a.b"), "mandatory"),
        (Settings("python3.11", ""), "mandatory"),
        (Settings("cobol", "a.b"), "python3.11"),
        (Settings("python3.11", "a.b", variables={"K": "x" * 4096}), "4KB"),
        (Settings("python3.11", "a.b", variables={"PYTHONPATH": "x\0--bind\0/\0/host"}), "NUL"),
        (Settings("python3.11", "a.b", variables={"A\0B": "x"}), "NUL"),
        (Settings("python3.11", "a.b", variables={"A=B": "x"}), "no '='"),
        (Settings("python3.11", "a.b", variables={"AWS_ACCESS_KEY_ID": "x"}), "AWS_ACCESS_KEY_ID"),
    ):
        with pytest.raises(InvalidFunction, match=told):
            require_settings(settings)
    with pytest.raises(InvalidFunction, match="50"):
        require_tags({str(number): "" for number in range(51)})
    with pytest.raises(InvalidFunction, match="aws:"):
        require_tags({"aws:mine": "x"})


@pytest.mark.parametrize("principal", ["", "somebody", "apigateway.evil.com", "12345", "arn:aws:s3:::x"])
def test_principals_that_are_none(principal: str) -> None:
    with pytest.raises(InvalidPermission):
        require_permission(gateway(principal=principal))


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", Pattern()),
        ("ERROR", Pattern(("ERROR",))),
        ('"not found" -retry', Pattern(("not found",), (), ("retry",))),
        ("?a ?b", Pattern((), ("a", "b"))),
        ('-"a b" ?"c d"', Pattern((), ("c d",), ("a b",))),
        (r'"say \"hi\""', Pattern(('say "hi"',))),
    ],
)
def test_filter_patterns(text: str, pattern: Pattern) -> None:
    assert parse_pattern(text) == pattern


@pytest.mark.parametrize("text", ["{ $.a = 1 }", "[ip, user]", "%regex%", " ".join("abcdefghijklmnopqrstuvwxyz")])
def test_filter_patterns_that_are_not_there_yet(text: str) -> None:
    with pytest.raises(InvalidLogQuery):
        parse_pattern(text)
