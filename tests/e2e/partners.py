"""What tests of a running store share: the operator's API, partners with their AWS clients, packages, refusals."""

import contextlib
import http.client
import io
import json
import re
import secrets
import socket
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from running import Answer, RunningStore, lowered

REGION = "eu-north-1"
ROLE = "arn:aws:iam::000000000000:role/any"
CORRELATION_ID = re.compile(r"[0-9a-f]{32}")
LIMIT_OUT_OF_REACH = 1_000_000


def package(**files: str | bytes) -> bytes:
    """A zip; `handler__py="…"` is the file handler.py."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return content.getvalue()


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, int, str]:
    """The code, status and message of the error that an AWS call ends in; it must carry a correlation id."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    metadata = response["ResponseMetadata"]
    assert CORRELATION_ID.fullmatch(metadata["HTTPHeaders"]["x-correlation-id"])
    return response["Error"]["Code"], metadata["HTTPStatusCode"], response["Error"]["Message"]


def problem(answer: Answer, status: int, code: str) -> str:
    """The detail of a problem document, which must be whole and of this status and code."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"/problems/{code.lower().replace('_', '-')}"
    assert CORRELATION_ID.fullmatch(document["correlation_id"])
    assert document["correlation_id"] == answer.headers["x-correlation-id"]
    detail: str = document["detail"]
    assert detail
    return detail


class Environment:
    """A tenant's environment, and who may do what there."""

    def __init__(self, store: RunningStore, tenant: str, name: str, tenant_secret: str, graphql_secret: str) -> None:
        self.store = store
        self.tenant = tenant
        self.name = name
        self.secrets = {
            "X-Tenant-ID": tenant,
            "X-Tenant-Secret": tenant_secret,
            "X-GraphQL-Secret": graphql_secret,
        }
        self.shopper = {"X-Tenant-ID": tenant, "X-Environment": name}

    def operate(self, method: str, path: str, body: object | None = None) -> Any:
        """The operator's API, below this environment."""
        return operate(self.store, method, f"/tenants/{self.tenant}/{self.name}{path}", body)

    def partner(self, name: str, *grants: str) -> "Partner":
        """A new partner with a key and these grants."""
        account = self.operate("POST", "/partners", {"partner": name})
        for pattern in grants:
            self.operate("POST", "/grants", {"partner": name, "pattern": pattern})
        key = self.operate("POST", f"/partners/{name}/keys", {})
        return Partner(self, name, account["account_id"], key["access_key_id"], key["secret_access_key"])

    def get(self, path: str, **headers: str) -> Answer:
        """As a shopper."""
        return self.store.request(path, headers={**self.shopper, **headers})

    def graphql(self, query: str, **variables: Any) -> Answer:
        """As a server of the tenant, with the environment's secrets."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {**self.secrets, "Content-Type": "application/json"}
        return self.store.request("/graphql", method="POST", body=body, headers=headers)

    def routes(self) -> list[dict[str, Any]]:
        """What `kokoa routes list --json` prints."""
        return list(self.operate("GET", "/routes"))


class Partner:
    """A partner's account in an environment, with AWS clients that never retry."""

    def __init__(self, environment: Environment, name: str, account_id: str, key_id: str, secret: str) -> None:
        self.environment = environment
        self.name = name
        self.account_id = account_id
        self.key_id = key_id
        self.secret = secret
        self.lambda_ = self.client("lambda")
        self.gateway = self.client("apigatewayv2")

    def client(self, service: str, *, secret: str = "", key_id: str = "", **config: Any) -> Any:
        """A boto3 client with the partner's key, or with another one."""
        return boto3.client(
            service,
            endpoint_url=self.environment.store.url,
            region_name=REGION,
            aws_access_key_id=key_id or self.key_id,
            aws_secret_access_key=secret or self.secret,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60, **config),
        )

    def deploy(self, name: str, source: str, **settings: Any) -> str:
        """A function with this handler.py; its ARN."""
        return self.deploy_package(name, package(handler__py=source), **settings)

    def deploy_package(self, name: str, content: bytes, **settings: Any) -> str:
        """A function of this package; its ARN."""
        wanted = {"Runtime": "python3.11", "Handler": "handler.handler", "Role": ROLE, **settings}
        created = self.lambda_.create_function(FunctionName=name, Code={"ZipFile": content}, **wanted)
        arn: str = created["FunctionArn"]
        return arn

    def permit(self, name: str) -> None:
        """Let API Gateway invoke the function."""
        self.lambda_.add_permission(
            FunctionName=name,
            StatementId="web",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )

    def route(self, name: str, route_key: str, arn: str, *, permit: bool = True) -> dict[str, Any]:
        """Serve a route by a function, by quick create; what create-api answers."""
        if permit:
            self.permit(name)
        answer: dict[str, Any] = self.gateway.create_api(
            Name=name, ProtocolType="HTTP", RouteKey=route_key, Target=arn
        )
        return answer

    def invoke(self, name: str, event: object = None) -> tuple[Any, str | None]:
        """What the function answered, and its FunctionError."""
        answer = self.lambda_.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    @property
    def functions(self) -> list[str]:
        """The names of its functions."""
        return [function["FunctionName"] for function in self.lambda_.list_functions()["Functions"]]


def operate(store: RunningStore, method: str, path: str, body: object | None = None) -> Any:
    """The operator's API; what it answers, which must be no error."""
    headers = {"Authorization": f"Bearer {operator_token(store)}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    answer = store.request(f"/_kokoa/operator{path}", method=method, body=data, headers=headers)
    assert answer.status < 300, answer
    return answer.json if answer.body else None


def operator_token(store: RunningStore) -> str:
    return (store.state_dir / "operator.token").read_text().strip()


def new_environment(store: RunningStore, tenant: str = "", name: str = "prod", *, limit: int = 0) -> Environment:
    """An environment of its own, with a limit that tests do not reach unless they name one."""
    tenant = tenant or f"t{secrets.token_hex(5)}"
    made = operate(store, "POST", "/tenants", {"tenant": tenant, "environment": name})
    environment = Environment(store, tenant, name, made["tenant_secret"], made["graphql_secret"])
    environment.operate("PUT", "/rate-limit", {"requests": limit or LIMIT_OUT_OF_REACH})
    return environment


class Line:
    """A kept connection to one web process.  process: its pid."""

    def __init__(self, store: RunningStore) -> None:
        address = urlsplit(store.url)
        assert address.hostname is not None
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        metrics = self.request("/readyz") and self.request("/metrics")
        self.process = re.findall(rb'process="(\d+)"', metrics.body)[0].decode()

    def request(
        self, path: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A request on this connection."""
        self._connection.request(method, quote(path, safe="/?=&%"), body, dict(headers or {}))
        response = self._connection.getresponse()
        return Answer(response.status, lowered(response.headers), response.read())

    @property
    def socket(self) -> socket.socket:
        """For what no HTTP client would send."""
        return self._connection.sock

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def line_to_each_process(store: RunningStore, count: int = 2) -> Iterator[list[Line]]:
    """Connections to as many different web processes."""
    lines: dict[str, Line] = {}
    spare: list[Line] = []
    deadline = time.monotonic() + 20
    try:
        while len(lines) < count:
            assert time.monotonic() < deadline, f"only {len(lines)} web processes take connections"
            line = Line(store)
            spare.append(line)
            lines.setdefault(line.process, line)
        yield list(lines.values())
    finally:
        for line in spare:
            line.close()
