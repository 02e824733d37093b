"""What the edge knows: environments, routes of extensions, native routes, grants. Pure."""

import msgspec

STOREFRONT_SCOPES = frozenset({"storefront"})
SERVER_SCOPES = frozenset({"storefront", "management"})


class RatePolicy(msgspec.Struct, frozen=True):
    """At most `requests` in any `window_s` seconds."""

    requests: int = 600
    window_s: int = 10


class Environment(msgspec.Struct, frozen=True):
    """secret digests: SHA-256 in hex of random 256-bit secrets.  domains: lower case, without port."""

    id: str
    tenant_alias: str
    name: str
    tenant_secret_digest: str
    graphql_secret_digest: str
    domains: frozenset[str] = frozenset()
    rate: RatePolicy = RatePolicy()


class Grant(msgspec.Struct, frozen=True):
    """The owner lets an account's extensions take paths at the root of the domain.

    pattern: a path (`/api/search`), everything below one (`/api/*`, `/*`), or a catch-all by its own
    name (`/`, `/{proxy+}`, `$default`), which no wider pattern includes.
    """

    account_id: str
    pattern: str


class ExtensionRoute(msgspec.Struct, frozen=True):
    """A route of an HTTP API that a partner has deployed.

    route_key: as API Gateway v2 writes it (`GET /api/search`, `$default`).
    permitted: the function's resource policy lets API Gateway invoke it.
    """

    api_id: str
    api_name: str
    account_id: str
    partner: str
    route_key: str
    function_arn: str
    function_name: str
    permitted: bool
    created_ms: int
    payload_format_version: str = "2.0"
    timeout_ms: int = 30_000


class NativeRoute(msgspec.Struct, frozen=True):
    """A route that Kokoa serves itself.  operation: the name of the GraphQL operation behind it."""

    method: str
    path: str
    operation: str


class RouteTableInput(msgspec.Struct, frozen=True):
    """Everything that decides an environment's routes, apart from the native ones."""

    extension_routes: tuple[ExtensionRoute, ...] = ()
    grants: tuple[Grant, ...] = ()
