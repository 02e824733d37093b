"""Who asks, and for which environment: from headers, domain or call token to a `Call`.

Internal calls   `X-Kokoa-Call` alone decides; other credentials beside it are refused.
Servers          `X-Tenant-ID`, `X-Tenant-Secret`, `X-GraphQL-Secret` together; the secrets decide the environment.
Storefronts      the domain, or `X-Tenant-ID` and `X-Environment` (default prod); no secrets, storefront scope; and
                 `Authorization: Bearer` with a customer's token, if one is signed in.

Whatever else the request says about the environment must agree; what contradicts is a 400, never a choice of ours.
"""

import hashlib
import hmac
import math
import re
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec
import orjson

from kokoa.edge.cache import FreshCache
from kokoa.edge.customers import SignedInCustomers, bearer_of
from kokoa.edge.errors import (
    CredentialsMissing,
    CredentialsMixed,
    CredentialsWrong,
    TenantContradiction,
    TenantMissing,
    TenantNotFound,
)
from kokoa.edge.model import SERVER_SCOPES, STOREFRONT_SCOPES, Environment
from kokoa.edge.sessions import named_session, session_of
from kokoa.graphql.lru import Lru
from kokoa.kernel.call import DEADLINE_DEFAULT_MS, Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.web.http import Request

CALL_HEADER = "x-kokoa-call"
ENVIRONMENT_DEFAULT = "prod"
CACHE_TTL_S = 1.0
CACHE_ENTRIES_MAX = 10_000
# All that says which environment a request is for, apart from a call token.
_DECIDING = frozenset({"host", "x-tenant-id", "x-environment", "x-tenant-secret", "x-graphql-secret"})
_SERVER = Caller(kind="server", scopes=SERVER_SCOPES)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST = re.compile(r"[a-z0-9.-]{1,253}")
_SECRET_LENGTH_MAX = 256


class EnvironmentDirectory(Protocol):
    """Finds environments. Answers may be a second old, so that revocation works within one."""

    async def by_alias(self, tenant_alias: str, environment_name: str) -> Environment | None: ...
    async def by_secrets(self, tenant_alias: str, tenant_secret_digest: str) -> Environment | None: ...
    async def by_domain(self, host: str) -> Environment | None: ...
    async def by_id(self, environment_id: str) -> Environment | None: ...


class TokenVerifier(Protocol):
    """Turns a call token into its call. Raises an Unauthenticated kind."""

    def verify(self, token: str) -> Call: ...


class Asker(msgspec.Struct, frozen=True):
    """internal: the call came from inside, with a token: from a function or another process."""

    environment: Environment
    call: Call
    internal: bool = False


class _Found(NamedTuple):
    """until: by the clock; all that it was found by is fresh until then."""

    environment: Environment
    until: float


class Environments:
    """Identifies requests. clock: seconds."""

    def __init__(
        self,
        directory: EnvironmentDirectory,
        tokens: TokenVerifier,
        customers: SignedInCustomers,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._customers = customers
        self._clock = clock
        self._cache: FreshCache[Environment | None] = FreshCache(
            ttl_s=CACHE_TTL_S, entries_max=CACHE_ENTRIES_MAX, clock=clock
        )
        # What requests with the same deciding headers were found to be for; by a digest, so that no secret is kept.
        self._found: Lru[bytes, _Found] = Lru(CACHE_ENTRIES_MAX)
        self._digest_key = secrets.token_bytes(32)

    async def identify(self, request: Request) -> Asker:
        """Raises TenantMissing, TenantNotFound, TenantContradiction, Credentials*, CallToken*, InvalidSession,
        CustomerToken*, SessionEnded.
        """
        token = request.only(CALL_HEADER)
        if token is not None:
            return await self._by_token(request, token)
        tenant_secret, graphql_secret = request.only("x-tenant-secret"), request.only("x-graphql-secret")
        if tenant_secret is not None or graphql_secret is not None:
            environment = await self._environment_of(request, tenant_secret, graphql_secret)
            if bearer_of(request) is not None:
                raise CredentialsMixed(
                    "A server's secrets and a customer's token do not go together.", field="authorization"
                )
            caller = _SERVER
            session = named_session(request)
        else:
            environment = await self._environment_of(request, None, None)
            who = await self._customers.who(request, environment)
            caller = Caller("storefront", who.customer_id if who else "", STOREFRONT_SCOPES)
            session = who.session_id if who else session_of(request)
        deadline_ms = now_ms() + DEADLINE_DEFAULT_MS
        call = Call(environment.id, caller, request.correlation_id, deadline_ms, session=session)
        return Asker(environment, call)

    async def _by_token(self, request: Request, token: str) -> Asker:
        for name in ("x-tenant-secret", "x-graphql-secret", "authorization"):
            if request.header(name) is not None:
                raise CredentialsMixed(f"A call with a call token must not carry {name} as well.", field=name)
        call = self._tokens.verify(token)
        environment = await self._cache.get(
            f"id/{call.environment_id}", lambda: self._directory.by_id(call.environment_id)
        )
        if environment is None:
            raise CredentialsWrong("The environment of this call token no longer exists.")
        _require_names(request, environment)
        return Asker(environment, call, internal=True)

    async def _environment_of(
        self, request: Request, tenant_secret: str | None, graphql_secret: str | None
    ) -> Environment:
        """By secrets, else by names; looked for again as soon as anything that it was found by is no longer fresh."""
        deciding = [header for header in request.headers if header[0] in _DECIDING]
        key = hashlib.blake2s(orjson.dumps(deciding), key=self._digest_key).digest()
        known = self._found.get(key)
        if known is not None and known.until > self._clock():
            return known.environment
        if tenant_secret is None and graphql_secret is None:
            found = await self._by_names(request)
        else:
            found = await self._by_secrets(request, tenant_secret, graphql_secret)
        if found.until:
            self._found.put(key, found)
        return found.environment

    async def _by_secrets(self, request: Request, tenant_secret: str | None, graphql_secret: str | None) -> _Found:
        alias = request.only("x-tenant-id")
        given = {"X-Tenant-ID": alias, "X-Tenant-Secret": tenant_secret, "X-GraphQL-Secret": graphql_secret}
        missing = [name for name, value in given.items() if not value]
        if missing or not (alias and tenant_secret and graphql_secret):
            raise CredentialsMissing(
                f"The header {missing[0]} is missing. X-Tenant-ID, X-Tenant-Secret and X-GraphQL-Secret "
                "belong together; a storefront sends neither secret."
            )
        tenant_digest = _digest(tenant_secret)
        environment = await self._matching(alias, tenant_digest, _digest(graphql_secret))
        if environment is None:
            raise CredentialsWrong(
                f"No environment of tenant {_shown(alias)} has these secrets. Check X-Tenant-ID, X-Tenant-Secret "
                "and X-GraphQL-Secret; each environment has secrets of its own."
            )
        _require_names(request, environment)
        at_domain = await self._at_domain(request)
        if at_domain is not None and at_domain.id != environment.id:
            raise TenantContradiction(
                f"These secrets belong to {environment.tenant_alias}/{environment.name}, but the domain "
                f"{_host(request)} leads to another environment. Ask at that environment's own domain.",
                field="host",
            )
        until = self._cache.until(_secret_key(alias, tenant_digest), environment)
        return _Found(environment, min(until, self._domain_until(request, at_domain)))

    async def _matching(self, alias: str, tenant_digest: str, graphql_digest: str) -> Environment | None:
        """The environment if both digests are its own. The comparison takes the same time wherever they differ."""
        if not _NAME.fullmatch(alias):
            return None
        key = _secret_key(alias, tenant_digest)
        environment = await self._cache.get(key, lambda: self._directory.by_secrets(alias, tenant_digest))
        if environment is None:
            return None
        same_tenant = hmac.compare_digest(environment.tenant_secret_digest, tenant_digest)
        same_graphql = hmac.compare_digest(environment.graphql_secret_digest, graphql_digest)
        return environment if same_tenant and same_graphql and environment.tenant_alias == alias else None

    async def _by_names(self, request: Request) -> _Found:
        alias = request.only("x-tenant-id")
        at_domain = await self._at_domain(request)
        if at_domain is not None:
            _require_names(request, at_domain)
            return _Found(at_domain, self._domain_until(request, at_domain))
        if not alias:
            raise TenantMissing(
                f"Which store? No store has the domain {_host(request) or '(none)'}. Send the header X-Tenant-ID "
                "(and X-Environment for another environment than prod), or ask at the store's own domain."
            )
        name = request.only("x-environment") or ENVIRONMENT_DEFAULT
        environment = None
        key = f"name/{alias}/{name}"
        if _NAME.fullmatch(alias) and _NAME.fullmatch(name):
            environment = await self._cache.get(key, lambda: self._directory.by_alias(alias, name))
        if environment is None:
            raise TenantNotFound(f"There is no tenant {_shown(alias)} with an environment {_shown(name)}.")
        until = self._cache.until(key, environment)
        return _Found(environment, min(until, self._domain_until(request, at_domain)))

    async def _at_domain(self, request: Request) -> Environment | None:
        host = _host(request)
        if not _HOST.fullmatch(host):
            return None
        return await self._cache.get(_domain_key(host), lambda: self._directory.by_domain(host))

    def _domain_until(self, request: Request, at_domain: Environment | None) -> float:
        """Until when what `_at_domain` said is fresh."""
        host = _host(request)
        return self._cache.until(_domain_key(host), at_domain) if _HOST.fullmatch(host) else math.inf


def _secret_key(alias: str, tenant_digest: str) -> str:
    return f"secret/{alias}/{tenant_digest}"


def _domain_key(host: str) -> str:
    return f"domain/{host}"


def _require_names(request: Request, environment: Environment) -> None:
    for header, actual in (("x-tenant-id", environment.tenant_alias), ("x-environment", environment.name)):
        named = request.only(header)
        if named and named != actual:
            raise TenantContradiction(
                f"The header {header} says {_shown(named)}, but this request is for "
                f"{environment.tenant_alias}/{environment.name}. Leave the header out, or make it agree.",
                field=header,
            )


def _host(request: Request) -> str:
    host = (request.only("host") or "").lower()
    return host.rpartition(":")[0].rstrip(".") if ":" in host and "]" not in host else host.rstrip(".")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret[:_SECRET_LENGTH_MAX].encode("latin-1")).hexdigest()


def _shown(text: str) -> str:
    """What a caller sent, safe and short enough to be shown in a message."""
    return repr(text[:64])
