"""The partners' API, asked by commands with the partner's own keys (Signature Version 4)."""

import os
from typing import Any
from urllib.parse import quote

import botocore.session
import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from kokoa.cli.api import StoreUnreachable
from kokoa.kernel.errors import Invalid, Unauthenticated
from kokoa.roles.settings import load_settings

_TIMEOUT_S = 120.0
_SIGNING_NAME = "kokoa"
_REGION = "us-east-1"


class KeysMissing(Unauthenticated):
    """No access key is known to sign with."""


class PublishRefused(Invalid):
    """The store refused the request; the message is the store's. problem: the store's whole answer."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem["detail"]))
        self.problem = problem


class PartnerClient:
    """url: AWS_ENDPOINT_URL, else the address of the settings. The keys: as the `aws` command finds them."""

    def __init__(self) -> None:
        session = botocore.session.get_session()
        credentials = session.get_credentials()
        if credentials is None:
            raise KeysMissing("No access key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (. .kokoa/demo.env).")
        region = session.get_config_variable("region") or _REGION
        self._url = (os.environ.get("AWS_ENDPOINT_URL") or load_settings().url).rstrip("/")
        self._signer = SigV4Auth(credentials, _SIGNING_NAME, region)
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False)

    def request(self, method: str, path: str, body: object | None = None) -> Any:
        """The decoded answer. Raises StoreUnreachable, PublishRefused with the store's own words."""
        data = b"" if body is None else orjson.dumps(body)
        url = f"{self._url}/_kokoa/partner/graph{path}"
        asked = AWSRequest(method, url, headers={"Content-Type": "application/json"}, data=data)
        self._signer.add_auth(asked)
        try:
            response = self._pool.request(method, url, body=data, headers=dict(asked.headers.items()))
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnreachable(
                f"No store answers at {self._url}. Is it up (`kokoa up`)? AWS_ENDPOINT_URL names another.",
                detail=repr(error),
            ) from error
        if response.status >= 400:
            raise PublishRefused(_problem(response.data, response.status))
        return orjson.loads(response.data)

    def subgraph(self, name: str, rest: str = "") -> str:
        """The path of a subgraph of the account."""
        return f"/{quote(name, safe='')}{rest}"


def _problem(body: bytes, status: int) -> dict[str, Any]:
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        problem = None
    if isinstance(problem, dict) and "detail" in problem:
        return problem
    return {"status": status, "detail": f"The store answered with status {status}."}
