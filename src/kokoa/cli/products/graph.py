"""The store's public GraphQL API, asked again while it cannot answer."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import aiohttp
import msgspec
import orjson

from kokoa.cli.api import Refused
from kokoa.cli.products.errors import ImportFailed, SecretsMissing
from kokoa.roles.settings import load_settings

PATIENCE_S = 120.0
_TIMEOUT_S = 90.0
_PAUSE_FIRST_S = 0.2
_PAUSE_MAX_S = 10.0
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
# Failures of the store's, not of the request's: the same request may succeed later, and is safe to repeat.
_RETRIED_CODES = frozenset(
    {
        "BAD_GATEWAY",
        "BATCH_CONTENDED",
        "BUS_UNAVAILABLE",
        "DATABASE_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "INTERNAL",
        "PEER_UNAVAILABLE",
        "RATE_LIMITED",
        "SCREENING_FAILED",
        "SUBGRAPH_UNAVAILABLE",
        "TOO_MANY_NEW_DOCUMENTS",
        "UPSTREAM_UNAVAILABLE",
    }
)

Tell = Callable[[str], None]


class StoreAddress(msgspec.Struct, frozen=True):
    """url: of the store.  The secrets decide the environment."""

    url: str
    tenant: str
    tenant_secret: str
    graphql_secret: str


def store_address() -> StoreAddress:
    """From KOKOA_URL and the tenant's variables, as demo.env exports them. Raises SecretsMissing."""
    names = ("KOKOA_TENANT_ID", "KOKOA_TENANT_SECRET", "KOKOA_GRAPHQL_SECRET")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise SecretsMissing(
            f"Set {', '.join(missing)}: which store, and its secrets, as `kokoa tenant create` or "
            "`rotate-secrets` printed them. KOKOA_URL says where it is."
        )
    url = os.environ.get("KOKOA_URL") or load_settings().url
    return StoreAddress(url.rstrip("/"), *(os.environ[name] for name in names))


class _TryAgain(Exception):
    """pause_s: what the store asked for, or None."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.pause_s = pause_s


class GraphClient:
    """Use it as an async context manager.  tell: of each failure that is tried again."""

    def __init__(self, address: StoreAddress, tell: Tell, patience_s: float = PATIENCE_S) -> None:
        self._url = f"{address.url}/graphql"
        self._tell = tell
        self._patience_s = patience_s
        self._headers = {
            "Content-Type": "application/json",
            "X-Tenant-ID": address.tenant,
            "X-Tenant-Secret": address.tenant_secret,
            "X-GraphQL-Secret": address.graphql_secret,
        }
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def query(self, document: str, variables: Mapping[str, Any]) -> Any:
        """The data. Raises Refused, ImportFailed."""
        return await self.ask(orjson.dumps({"query": document, "variables": variables}))

    async def ask(self, body: bytes) -> Any:
        """The data that answers a request's body; it must be safe to repeat. Raises Refused, ImportFailed."""
        end = time.monotonic() + self._patience_s
        pause_s = _PAUSE_FIRST_S
        while True:
            try:
                return await self._once(body)
            except _TryAgain as failure:
                wait_s = max(pause_s * random.uniform(0.5, 1.0), failure.pause_s or 0.0)
                if time.monotonic() + wait_s > end:
                    raise ImportFailed(f"{failure.message} Given up after {self._patience_s:.0f} s.") from None
                self._tell(f"{failure.message} Trying again in {wait_s:.1f} s.")
                await asyncio.sleep(wait_s)
                pause_s = min(pause_s * 2, _PAUSE_MAX_S)

    async def _once(self, body: bytes) -> Any:
        assert self._session is not None
        try:
            async with self._session.post(self._url, data=body) as response:
                raw, status = await response.read(), response.status
                retry_after = response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _TryAgain(f"The store at {self._url} does not answer ({type(error).__name__}).") from error
        if status in _RETRIED_STATUSES:
            pause_s = float(retry_after) if retry_after.isdigit() else None
            raise _TryAgain(f"The store answered with status {status}.", pause_s)
        return _data(raw, status)


def _data(raw: bytes, status: int) -> Any:
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused(f"The store answered with status {status} and no JSON.") from None
    if errors := answer.get("errors"):
        first = errors[0]
        code = first.get("extensions", {}).get("code", "")
        if code in _RETRIED_CODES:
            raise _TryAgain(f"{first['message']} ({code})", first["extensions"].get("retryAfterS"))
        raise Refused(f"{first['message']} ({code})" if code else str(first["message"]))
    if status >= 400 or "data" not in answer:
        raise Refused(str(answer.get("detail") or f"The store answered with status {status}."))
    return answer["data"]
