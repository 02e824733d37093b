"""The operator's API, asked by commands."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import urllib3

from kokoa.kernel.errors import Invalid, KokoaError, Unauthenticated, Unavailable
from kokoa.roles.settings import load_settings

_TIMEOUT_S = 30.0


class StoreUnreachable(Unavailable):
    """Nobody answers at the store's address."""


class TokenMissing(Unauthenticated):
    """The operator's token was not found."""


class Refused(Invalid):
    """The store refused the request; the message is the store's."""


class OperatorClient:
    """url: KOKOA_URL, else the address of the settings. The token: KOKOA_OPERATOR_TOKEN, else the state folder's."""

    def __init__(self) -> None:
        settings = load_settings()
        self._url = os.environ.get("KOKOA_URL", settings.url).rstrip("/")
        self._token = _token(settings.state_dir)
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False)

    def request(self, method: str, path: str, body: object | None = None) -> Any:
        """The decoded answer. Raises StoreUnreachable, Refused with the store's own words."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else orjson.dumps(body)
        try:
            response = self._pool.request(method, f"{self._url}/_kokoa/operator{path}", body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnreachable(
                f"No store answers at {self._url}. Is it up (`kokoa up`)? KOKOA_URL names another.",
                detail=repr(error),
            ) from error
        if response.status >= 400:
            raise _refusal(response.data, response.status)
        return orjson.loads(response.data) if response.data else None

    def environment(self, tenant: str, environment: str) -> str:
        """The path of a tenant's environment."""
        return f"/tenants/{quote(tenant, safe='')}/{quote(environment, safe='')}"


def _token(state_dir: Path) -> str:
    if token := os.environ.get("KOKOA_OPERATOR_TOKEN"):
        return token
    file = state_dir / "operator.token"
    try:
        return file.read_text().strip()
    except OSError as error:
        raise TokenMissing(
            f"The operator's token is not known: {file} cannot be read ({error.strerror}). "
            "Run this in the folder of a store, or set KOKOA_OPERATOR_TOKEN."
        ) from None


def _refusal(body: bytes, status: int) -> KokoaError:
    try:
        problem = orjson.loads(body)
        return Refused(str(problem["detail"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Refused(f"The store answered with status {status}.")
