"""From API Gateway's requests to integrations and routes; what Kokoa does not have yet is refused by name."""

from collections.abc import Mapping
from typing import Any, Final

from kokoa.functions.control.errors import FeatureMissing, InvalidApi, InvalidFunction
from kokoa.functions.control.model import TIMEOUT_DEFAULT_MS, Integration, new_part_id
from kokoa.functions.control.names import FunctionRef, parse_target

PAGE_MAX: Final = 500

_MISSING: Final[Mapping[str, str]] = {
    "CorsConfiguration": "CORS answers of API Gateway (let the function answer OPTIONS)",
    "CredentialsArn": "calling functions with a role (use lambda add-permission)",
    "DisableExecuteApiEndpoint": "APIs without an endpoint",
    "ApiKeyRequired": "API keys",
    "AuthorizerId": "authorizers",
    "AuthorizationScopes": "authorizers",
    "RequestParameters": "parameter mapping",
    "ResponseParameters": "parameter mapping",
    "RequestTemplates": "mapping templates",
    "ConnectionId": "VPC links",
    "TlsConfig": "TLS settings of integrations",
    "StageVariables": "stage variables",
    "AccessLogSettings": "access logs",
    "RouteSettings": "settings of single routes",
    "ClientCertificateId": "client certificates",
}
# Member → the one value that it may have.
_ONLY: Final[Mapping[str, str]] = {
    "ProtocolType": "HTTP",
    "RouteSelectionExpression": "$request.method $request.path",
    "IntegrationType": "AWS_PROXY",
    "AuthorizationType": "NONE",
    "ConnectionType": "INTERNET",
    "IntegrationMethod": "POST",
}


def refuse_missing(request: Mapping[str, Any]) -> None:
    """Raises FeatureMissing for the first member that asks for what Kokoa does not have."""
    for member, feature in _MISSING.items():
        if request.get(member):
            raise FeatureMissing(f"{member}: Kokoa does not have {feature} yet.", field=member)
    for member, value in _ONLY.items():
        if request.get(member, value) != value:
            raise FeatureMissing(
                f"{member}: Kokoa has {value}, and not {str(request[member])[:80]!r} yet.", field=member
            )


def target_function(target: str, account_id: str) -> FunctionRef:
    """The function behind a target. Raises InvalidApi, OtherAccount, FunctionNotFound."""
    try:
        return parse_target(target, account_id=account_id)
    except InvalidFunction as error:
        raise InvalidApi(error.message, field="target") from None


def integration_from(request: Mapping[str, Any], account_id: str) -> Integration:
    """The integration that CreateIntegration describes. Raises InvalidApi, FeatureMissing."""
    refuse_missing(request)
    uri = request.get("IntegrationUri", "")
    version = request.get("PayloadFormatVersion", "1.0")
    if version not in ("1.0", "2.0"):
        raise InvalidApi("PayloadFormatVersion must be 1.0 or 2.0.", field="payloadFormatVersion")
    return Integration(
        integration_id=new_part_id(),
        function_name=target_function(uri, account_id).name,
        integration_uri=uri,
        description=request.get("Description", ""),
        payload_format_version=version,
        timeout_ms=request.get("TimeoutInMillis", TIMEOUT_DEFAULT_MS),
    )


def quick_integration(target: str, account_id: str) -> Integration:
    """The integration that quick create makes. Raises InvalidApi."""
    name = target_function(target, account_id).name
    return Integration(new_part_id(), name, target, managed=True)


def integration_id_of(target: str) -> str:
    """The integration behind a route's target, `integrations/<id>`; empty for a route without one."""
    prefix, _, integration_id = target.partition("/")
    if target and (prefix != "integrations" or not integration_id):
        raise InvalidApi("Target must be integrations/<integration id>.", field="target")
    return integration_id


def page_of(request: Mapping[str, Any]) -> tuple[str, int]:
    """Where a page begins and how long it is. Raises InvalidApi."""
    text = request.get("MaxResults", str(PAGE_MAX))
    if not text.isdecimal() or not 1 <= int(text[:6]) <= PAGE_MAX:
        raise InvalidApi(f"MaxResults must be between 1 and {PAGE_MAX}.", field="maxResults")
    return request.get("NextToken", ""), int(text)
