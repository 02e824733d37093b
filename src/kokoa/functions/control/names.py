"""How a function is named: by name, partial ARN or ARN, with or without a qualifier (AWS Lambda, FunctionName)."""

import re
from typing import Final

import msgspec

from kokoa.functions.control.errors import FunctionNotFound, InvalidFunction, OtherAccount
from kokoa.functions.control.model import NAME_LENGTH_MAX

LATEST: Final = "$LATEST"

_FUNCTION = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?=\d{12}:function:))?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_-]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?"
)
_INTEGRATION = re.compile(
    r"arn:aws[a-zA-Z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(?P<arn>.+)/invocations"
)


class FunctionRef(msgspec.Struct, frozen=True):
    """A function of an account."""

    account_id: str
    name: str


def function_arn(region: str, account_id: str, name: str) -> str:
    """The function's ARN without a qualifier."""
    return f"arn:aws:lambda:{region}:{account_id}:function:{name}"


def parse_function(text: str, *, account_id: str, qualifier: str = "") -> FunctionRef:
    """What a name, partial ARN or ARN means to an account.

    Raises InvalidFunction, OtherAccount, and FunctionNotFound for any qualifier but $LATEST.
    """
    found = _FUNCTION.fullmatch(text)
    if found is None or len(found["name"]) > NAME_LENGTH_MAX:
        raise InvalidFunction(
            f"{text[:170]!r} is neither a function name (at most {NAME_LENGTH_MAX} letters, digits, hyphens and "
            "underscores) nor a function ARN.",
            field="functionName",
        )
    if found["account"] not in (None, account_id):
        raise OtherAccount(f"{text[:170]} belongs to another account than the access key ({account_id}).")
    if qualifier and found["qualifier"] and qualifier != found["qualifier"]:
        raise InvalidFunction(
            "The derived qualifier from the function name does not match the specified qualifier.",
            field="qualifier",
        )
    wanted = qualifier or found["qualifier"] or LATEST
    if wanted != LATEST:
        raise FunctionNotFound(
            f"Function not found: {account_id}:function:{found['name']}:{wanted}. "
            "Kokoa has no versions and aliases yet; use $LATEST or no qualifier."
        )
    return FunctionRef(account_id, found["name"])


def parse_target(text: str, *, account_id: str) -> FunctionRef:
    """The function that an API's target names: a function ARN, or API Gateway's URI around one.

    Raises InvalidFunction, OtherAccount, FunctionNotFound.
    """
    around = _INTEGRATION.fullmatch(text)
    arn = around["arn"] if around else text
    if not arn.startswith("arn:"):
        raise InvalidFunction(
            f"{text[:170]!r} is not the ARN of a Lambda function; other targets cannot be reached yet.",
            field="target",
        )
    return parse_function(arn, account_id=account_id)
