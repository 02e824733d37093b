"""The AWS endpoint as clients meet it: the real app behind a real HTTP server and a real PostgreSQL, with real boto3.

What stands behind seams is faked: the function host, the directory of keys, the placement on the store's domain.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from clients import DEADLINE_S, ROLE, zipped
from granian.constants import Interfaces
from granian.server.embed import Server

from kokoa.functions.aws.app import create_aws_app
from kokoa.functions.aws.services import aws_services
from kokoa.functions.control.access import AccessKey, Account
from kokoa.functions.control.code_store import ObjectCodeStore
from kokoa.functions.control.credentials import Sessions
from kokoa.functions.control.placement import Placement
from kokoa.functions.control.service import control_plane
from kokoa.functions.control.store import MIGRATIONS, SERVICE, FunctionStore
from kokoa.functions.dispatch import Dispatcher
from kokoa.functions.host.model import Invocation, InvokeRequest
from kokoa.kernel.errors import Conflict, KokoaError
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, ServiceSchema, migrate, service_dsn
from kokoa.postgres.vault import Vault
from kokoa.web.tokens import CallTokens


class RouteTaken(Conflict):
    """Another extension holds the route."""


def echo(request: InvokeRequest) -> Invocation:
    """What a function that returns its event would answer."""
    return Invocation(
        payload=b'{"echo":' + request.payload + b"}",
        function_error=None,
        log_tail=b"START\nEND\n" if request.log_tail else b"",
        duration_ms=1.0,
        executed_version="$LATEST",
        cold_start=False,
    )


class FakeHost:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[InvokeRequest] = []
        self.answer: Callable[[InvokeRequest], Invocation | KokoaError] = echo

    def reset(self) -> None:
        self.requests = []
        self.answer = echo

    async def invoke(self, request: InvokeRequest) -> Invocation:
        self.requests.append(request)
        answer = self.answer(request)
        if isinstance(answer, KokoaError):
            raise answer
        return answer


class FakeDirectory:
    """Keys and accounts in memory."""

    def __init__(self) -> None:
        self.keys: dict[str, AccessKey] = {}

    async def find(self, access_key_id: str) -> AccessKey | None:
        return self.keys.get(access_key_id)

    async def egress(self, environment_id: str) -> tuple[str, ...]:
        return ("erp.example.com:443",)

    async def account(self, environment_id: str, account_id: str) -> Account | None:
        for key in self.keys.values():
            if (key.environment_id, key.account_id) == (environment_id, account_id):
                return key.account
        return None

    def add(self, partner: str, *, environment_id: str = "") -> AccessKey:
        """A new account with a key."""
        key = AccessKey(
            access_key_id="AKIA" + secrets.token_hex(8).upper(),
            secret=secrets.token_urlsafe(30),
            account_id=str(secrets.randbelow(900_000_000_000) + 100_000_000_000),
            environment_id=environment_id or new_id(),
            partner=partner,
            tenant="boeing",
            environment="prod",
        )
        self.keys[key.access_key_id] = key
        return key


class FakePlacement:
    """Every API gets a URL; routes that are taken are refused."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.taken: dict[str, str] = {}
        self.note = ""

    async def place(self, account: Account, api_id: str, api_name: str, route_keys: Sequence[str]) -> Placement:
        for route_key in route_keys:
            if route_key in self.taken:
                raise RouteTaken(f"{route_key} is held by {self.taken[route_key]}")
        return Placement(f"http://{account.tenant}.example/ext/{api_name}", (), self.note)


class Endpoint:
    """A running endpoint, and what stands behind it."""

    def __init__(self, url: str, database: Database, code_folder: Path) -> None:
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.database = database
        self.host, self.directory, self.placement = FakeHost(), FakeDirectory(), FakePlacement()
        self.calls = CallTokens(secrets.token_bytes(32))
        self.sessions = Sessions(secrets.token_bytes(32))
        self.code = ObjectCodeStore.in_folder(code_folder)
        vault = Vault(secrets.token_bytes(32))
        self.dispatcher = Dispatcher(
            functions=FunctionStore(database, vault),
            accounts=self.directory,
            sessions=self.sessions,
            host=self.host,
            sign=self.calls.sign,
        )
        self.plane = control_plane(database, vault, self.code, self.placement, changed=self.dispatcher.forget)

    def client(self, service: str, key: AccessKey, *, token: str = "", secret: str = "") -> "Client":
        return Client(self.url, service, key, token, secret)


class Client:
    """boto3 without waiting on the loop that serves it: `await client.create_function(...)`."""

    def __init__(self, url: str, service: str, key: AccessKey, token: str, secret: str) -> None:
        self.boto: Any = BOTO.client(
            service,
            endpoint_url=url,
            region_name="eu-west-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=secret or key.secret,
            aws_session_token=token or None,
            config=Config(retries={"max_attempts": 0}, read_timeout=20),
        )

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        method = getattr(self.boto, operation)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call

    async def wait_for(self, name: str, **kwargs: Any) -> None:
        waiter = self.boto.get_waiter(name)
        await asyncio.to_thread(waiter.wait, WaiterConfig={"Delay": 1, "MaxAttempts": 3}, **kwargs)


BOTO = boto3.Session()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
async def running(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoint]:
    """One endpoint for all tests; each test has an environment and an account of its own in it."""
    await migrate(postgres, [ServiceSchema(SERVICE, MIGRATIONS, "for-tests-only")])
    dsn = service_dsn(postgres, SERVICE, "for-tests-only")
    database = await Database.connect(dsn, service=SERVICE, pool_size=4)
    parts = Endpoint(f"http://127.0.0.1:{free_port()}", database, tmp_path_factory.mktemp("code"))
    app = create_aws_app(
        aws_services(parts.plane, parts.dispatcher),
        keys=parts.directory,
        sessions=parts.sessions,
        calls=parts.calls,
    )
    server = Server(app, port=parts.port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    await listening(parts.port)
    yield parts
    server.stop()
    await serving
    await database.close()


@pytest.fixture
def endpoint(running: Endpoint) -> Endpoint:
    running.host.reset()
    running.placement.reset()
    return running


async def listening(port: int) -> None:
    """Wait until somebody answers on the port."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            return


@pytest.fixture
def key(endpoint: Endpoint) -> AccessKey:
    return endpoint.directory.add("acme")


@pytest.fixture
def lambda_(endpoint: Endpoint, key: AccessKey) -> Client:
    return endpoint.client("lambda", key)


@pytest.fixture
def other(endpoint: Endpoint, key: AccessKey) -> AccessKey:
    """Another partner of the same environment."""
    return endpoint.directory.add("globex", environment_id=key.environment_id)


@pytest.fixture
def package() -> bytes:
    return zipped(handler__py="def handler(event, context):\n    return event\n")


@pytest.fixture
async def function_arn(lambda_: Client, package: bytes) -> str:
    """The ARN of a function called hello."""
    created = await lambda_.create_function(
        FunctionName="hello",
        Runtime="python3.11",
        Handler="handler.handler",
        Role=ROLE,
        Code={"ZipFile": package},
    )
    arn: str = created["FunctionArn"]
    return arn
