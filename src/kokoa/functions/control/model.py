"""Functions, their policies and HTTP APIs: frozen types and the rules about them. Pure."""

import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec
import orjson

from kokoa.functions.control.errors import InvalidApi, InvalidFunction, InvalidPermission

RUNTIMES: Final = ("python3.11", "python3.12", "python3.13", "python3.14")
NAME_LENGTH_MAX: Final = 64
TIMEOUT_MAX_S: Final = 900
MEMORY_MIN_MB: Final = 128
MEMORY_MAX_MB: Final = 10_240
VARIABLES_BYTES_MAX: Final = 4096
TAGS_MAX: Final = 50
POLICY_BYTES_MAX: Final = 20_480
CODE_STORAGE_BYTES_MAX: Final = 75 * 1024**3
APIS_MAX: Final = 600
ROUTES_MAX: Final = 300
INTEGRATIONS_MAX: Final = 300
STAGES_MAX: Final = 10
TIMEOUT_DEFAULT_MS: Final = 30_000

ARCHITECTURES: Final[Mapping[str, str]] = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64"}
"""What a machine calls itself → what AWS calls it."""

# What Lambda sets by itself (AWS, "Defined runtime environment variables"), and what leads to this store.
RESERVED_VARIABLES: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "APP_LOAD_BALANCER_URL",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)

State = Literal["Pending", "Active", "Inactive", "Failed"]
UpdateStatus = Literal["Successful", "Failed", "InProgress"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROUTE_KEY = re.compile(r"(\$default)|((?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|ANY) /\S*)")
_PRINCIPAL = re.compile(r"\*|\d{12}|[a-z0-9.-]+\.amazonaws\.com|arn:aws:(?:iam|sts)::\d{12}:\S+")
_API_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class Settings(msgspec.Struct, frozen=True):
    """What a deployer configures.  variables: the function's environment."""

    runtime: str
    handler: str
    role: str = ""
    description: str = ""
    timeout_s: int = 3
    memory_mb: int = 128
    architecture: str = "x86_64"
    variables: Mapping[str, str] = {}


class Code(msgspec.Struct, frozen=True):
    """A deployment package.  sha256: lower-case hex of the zip.  size: of the zip, in bytes."""

    sha256: str
    size: int


class Function(msgspec.Struct, frozen=True):
    """One function of an account.  reserved_concurrency: the most that may run at once; None = as the account's."""

    environment_id: str
    account_id: str
    name: str
    settings: Settings
    code: Code
    tags: Mapping[str, str]
    state: State
    last_update_status: UpdateStatus
    revision_id: str
    created_at: datetime
    modified_at: datetime
    reserved_concurrency: int | None = None


class Permission(msgspec.Struct, frozen=True):
    """A statement of a function's resource policy. Empty source_arn and source_account mean any."""

    statement_id: str
    action: str
    principal: str
    source_arn: str = ""
    source_account: str = ""


class Api(msgspec.Struct, frozen=True):
    """An HTTP API.  endpoint: the URL that works.  note: what its deployer should know about the placement."""

    api_id: str
    account_id: str
    name: str
    description: str
    version: str
    region: str
    endpoint: str
    note: str
    tags: Mapping[str, str]
    created_at: datetime


class Integration(msgspec.Struct, frozen=True):
    """What a route leads to: a function of the same account.  managed: made by quick create."""

    integration_id: str
    function_name: str
    integration_uri: str
    description: str = ""
    payload_format_version: str = "2.0"
    timeout_ms: int = TIMEOUT_DEFAULT_MS
    managed: bool = False


class Route(msgspec.Struct, frozen=True):
    """A route of an API.  route_key: `GET /path` or `$default`.  integration_id: empty without a target."""

    route_id: str
    route_key: str
    integration_id: str = ""
    managed: bool = False


class Stage(msgspec.Struct, frozen=True):
    """A stage: only a name inside the account, because the key decides the environment."""

    name: str
    description: str
    auto_deploy: bool
    managed: bool
    created_at: datetime
    modified_at: datetime


def require_name(name: str) -> str:
    """A function's name. Raises InvalidFunction."""
    if not _NAME.fullmatch(name):
        raise InvalidFunction(
            f"{name[:80]!r} is not a function name: letters, digits, hyphens and underscores, at most 64.",
            field="functionName",
        )
    return name


def require_settings(settings: Settings) -> Settings:
    """The settings, checked as AWS checks them. Raises InvalidFunction."""
    if not settings.runtime or not settings.handler:
        raise InvalidFunction(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    if settings.runtime not in RUNTIMES:
        raise InvalidFunction(
            f"Value {settings.runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value "
            f"set: [{', '.join(RUNTIMES)}] or be a valid ARN",
            field="runtime",
        )
    _require_variables(settings.variables)
    return settings


def _require_variables(variables: Mapping[str, str]) -> None:
    text = orjson.dumps(dict(variables))
    if len(text) > VARIABLES_BYTES_MAX:
        raise InvalidFunction(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit: {len(text)} bytes were measured.",
            field="environment",
        )
    unset = sorted(name for name, value in variables.items() if "\0" in name + value or "=" in name or not name)
    if unset:
        raise InvalidFunction(
            "Lambda was unable to configure your environment variables because no process can be given these: "
            f"{', '.join(map(repr, unset))}. A name is not empty and has no '=', and there is no NUL in either.",
            field="environment",
        )
    reserved = sorted(RESERVED_VARIABLES.intersection(variables))
    if reserved:
        raise InvalidFunction(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used "
            f"in this request: {', '.join(reserved)}",
            field="environment",
        )


def unreserved_min(limit: int) -> int:
    """What an account must leave unreserved of its concurrency limit, as AWS asks for a tenth of the usual one."""
    return max(1, limit // 10)


def require_reserved(reserved: int, *, by_others: int, limit: int) -> int:
    """The concurrency that a function reserves, beside what others of the account have. Raises InvalidFunction."""
    if reserved + by_others > limit - unreserved_min(limit):
        raise InvalidFunction(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{unreserved_min(limit)}]. The account may run {limit} at once, and "
            f"{by_others} of them are reserved by other functions.",
            field="reservedConcurrentExecutions",
        )
    return reserved


def require_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Raises InvalidFunction."""
    if len(tags) > TAGS_MAX:
        raise InvalidFunction(f"A function has at most {TAGS_MAX} tags, not {len(tags)}.", field="tags")
    if any(name.startswith("aws:") and not name.startswith("aws:cloudformation:") for name in tags):
        raise InvalidFunction("Tag keys that begin with aws: are reserved.", field="tags")
    return tags


def require_permission(permission: Permission) -> Permission:
    """Raises InvalidPermission."""
    if not _PRINCIPAL.fullmatch(permission.principal):
        raise InvalidPermission(
            "The provided principal was invalid. Please check the principal and try again.", field="principal"
        )
    return permission


def permits_api(permissions: Iterable[Permission], api: Api, route_key: str) -> bool:
    """Whether a resource policy lets API Gateway invoke the function for a route of an API."""
    method, _, path = route_key.partition(" ")
    resource = f"$default/{route_key}" if not path else f"$default/{'*' if method == 'ANY' else method}{path}"
    arn = f"arn:aws:execute-api:{api.region}:{api.account_id}:{api.api_id}/{resource}"
    return any(
        permission.principal in ("apigateway.amazonaws.com", "*")
        and permission.action in ("lambda:InvokeFunction", "lambda:*", "*")
        and permission.source_account in ("", api.account_id)
        and (not permission.source_arn or arn_like(permission.source_arn, arn))
        for permission in permissions
    )


def arn_like(pattern: str, arn: str) -> bool:
    """AWS's ArnLike: `*` and `?` match within each of the six parts of an ARN."""
    wanted, given = pattern.split(":", 5), arn.split(":", 5)
    return len(wanted) == len(given) == 6 and all(
        fnmatchcase(part, want.replace("[", "[[]")) for part, want in zip(given, wanted, strict=True)
    )


def require_route_key(route_key: str) -> str:
    """`GET /path`, `ANY /path/{proxy+}` or `$default`. Raises InvalidApi."""
    if not _ROUTE_KEY.fullmatch(route_key):
        raise InvalidApi(
            f"The provided route key is not formatted properly for HTTP protocol: {route_key[:80]!r}. "
            'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default".',
            field="routeKey",
        )
    return route_key


def new_api_id() -> str:
    """Ten characters, as AWS makes them."""
    return "".join(secrets.choice(_API_ALPHABET) for _ in range(10))


def new_part_id() -> str:
    """The id of a route or an integration: seven characters."""
    return "".join(secrets.choice(_API_ALPHABET) for _ in range(7))
