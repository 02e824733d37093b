"""The dispatcher: what a host is told, what is remembered, and for how long."""

import asyncio

import msgspec
import pytest

from kokoa.functions.control.access import Account
from kokoa.functions.control.credentials import LIFETIME_MS, Sessions
from kokoa.functions.control.errors import FunctionNotFound
from kokoa.functions.control.model import Code, Function, Settings
from kokoa.functions.control.names import FunctionRef
from kokoa.functions.dispatch import QUEUE_MS, Dispatcher
from kokoa.functions.host.model import Invocation, InvokeRequest
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.errors import DeadlineExceeded
from kokoa.kernel.transaction import CallInsideTransaction, open_transaction

ENVIRONMENT = "0190aaaa-0000-7000-8000-000000000001"
ACCOUNT = Account("123456789012", ENVIRONMENT, "acme", "boeing", "prod")
HELLO = FunctionRef(ACCOUNT.account_id, "hello")


class World:
    """What is around a dispatcher: functions, accounts, a host, a clock."""

    def __init__(self) -> None:
        self.revision = "r1"
        self.reads = 0
        self.lookups = 0
        self.requests: list[InvokeRequest] = []
        self.signed: list[tuple[Call, float]] = []
        self.passed_ms = 0
        self.sessions = Sessions(b"s" * 32)

    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            functions=self,  # type: ignore[arg-type]  # a fake of the store's one method
            accounts=self,
            sessions=self.sessions,
            host=self,
            sign=self.sign,
            clock=lambda: now_ms() + self.passed_ms,
        )

    async def find(self, environment_id: str, account_id: str, name: str) -> Function:
        self.reads += 1
        if (environment_id, account_id, name) != (ENVIRONMENT, ACCOUNT.account_id, "hello"):
            raise FunctionNotFound("Function not found")
        return Function(
            environment_id=environment_id,
            account_id=account_id,
            name=name,
            settings=Settings("python3.11", "handler.handler", timeout_s=5, variables={"MODE": "fast"}),
            code=Code("a" * 64, 3),
            tags={},
            state="Active",
            last_update_status="Successful",
            revision_id=self.revision,
            created_at=to_datetime(0),
            modified_at=to_datetime(0),
        )

    async def egress(self, environment_id: str) -> tuple[str, ...]:
        return ("erp.example.com:443",)

    async def account(self, environment_id: str, account_id: str) -> Account | None:
        self.lookups += 1
        return ACCOUNT if (environment_id, account_id) == (ENVIRONMENT, ACCOUNT.account_id) else None

    async def invoke(self, request: InvokeRequest) -> Invocation:
        self.requests.append(request)
        return Invocation(request.payload, None, b"", 1.0, "$LATEST", False)

    def sign(self, call: Call, ttl_s: float) -> str:
        self.signed.append((call, ttl_s))
        return f"token-{len(self.signed)}"


def shopper(deadline_ms: int = 60_000) -> Call:
    return Call(ENVIRONMENT, Caller("storefront"), "c" * 32, now_ms() + deadline_ms)


async def test_a_host_is_told_what_it_needs() -> None:
    world = World()
    call = shopper()
    answer = await world.dispatcher().invoke(call, HELLO, b"{}", log_tail=True, request_id="r-1")
    assert answer.payload == b"{}"
    [request] = world.requests
    assert request.function.arn == f"arn:aws:lambda:us-east-1:{ACCOUNT.account_id}:function:hello"
    assert request.function.environment == {"MODE": "fast"}
    assert (request.request_id, request.log_tail, request.correlation_id) == ("r-1", True, call.correlation_id)
    assert request.depth == 0
    opened = world.sessions.open(request.credentials.access_key_id, request.credentials.session_token, at_ms=now_ms())
    assert opened is not None
    assert opened.account == ACCOUNT


async def test_what_a_function_asks_is_asked_by_its_account_one_hop_deeper_and_in_its_time() -> None:
    world = World()
    await world.dispatcher().invoke(msgspec.structs.replace(shopper(), session="visitor-1"), HELLO, b"{}")
    inner, ttl_s = world.signed[0]
    assert inner.session == "visitor-1"
    assert inner.caller == Caller("account", ACCOUNT.account_id, frozenset({"storefront", "management"}))
    assert (inner.depth, inner.path) == (1, ("function hello",))
    assert inner.remaining_ms() <= 5000 + QUEUE_MS
    assert ttl_s <= (5000 + QUEUE_MS) / 1000
    assert world.requests[0].deadline_ms == inner.deadline_ms
    await world.dispatcher().invoke(inner, HELLO, b"{}")
    assert world.requests[1].depth == 1


async def test_a_callers_shorter_patience_counts() -> None:
    world = World()
    call = shopper(deadline_ms=1000)
    await world.dispatcher().invoke(call, HELLO, b"{}")
    assert world.requests[0].deadline_ms == call.deadline_ms
    with pytest.raises(DeadlineExceeded):
        await world.dispatcher().invoke(shopper(deadline_ms=-1), HELLO, b"{}")
    assert len(world.requests) == 1


async def test_a_warm_invoke_asks_nobody_but_the_host() -> None:
    world = World()
    dispatcher = world.dispatcher()
    for _ in range(50):
        await dispatcher.invoke(shopper(), HELLO, b"{}")
    assert (world.reads, world.lookups, len(world.requests)) == (1, 1, 50)


async def test_a_changed_function_serves_at_once_where_it_is_told() -> None:
    world = World()
    dispatcher = world.dispatcher()
    await dispatcher.invoke(shopper(), HELLO, b"{}")
    world.revision = "r2"
    dispatcher.forget(ENVIRONMENT, ACCOUNT.account_id, "hello")
    await dispatcher.invoke(shopper(), HELLO, b"{}")
    assert [request.function.revision_id for request in world.requests] == ["r1", "r2"]


async def test_a_changed_function_serves_within_a_second_where_nobody_tells() -> None:
    world = World()
    dispatcher = world.dispatcher()
    await dispatcher.invoke(shopper(), HELLO, b"{}")
    world.revision = "r2"
    async with asyncio.timeout(1.5):
        while world.requests[-1].function.revision_id == "r1":
            await asyncio.sleep(0.02)
            await dispatcher.invoke(shopper(), HELLO, b"{}")


async def test_credentials_are_renewed_at_half_their_life() -> None:
    world = World()
    dispatcher = world.dispatcher()
    seen = []
    for world.passed_ms in (0, LIFETIME_MS // 2 - 60_000, LIFETIME_MS // 2 + 60_000):
        await dispatcher.invoke(shopper(deadline_ms=LIFETIME_MS * 2), HELLO, b"{}")
        seen.append(world.requests[-1].credentials)
    assert seen[0] == seen[1] != seen[2]


async def test_unknown_functions_and_accounts_are_not_found() -> None:
    world = World()
    dispatcher = world.dispatcher()
    for reference in (FunctionRef(ACCOUNT.account_id, "nobody"), FunctionRef("210987654321", "hello")):
        with pytest.raises(FunctionNotFound):
            await dispatcher.invoke(shopper(), reference, b"{}")
    assert world.requests == []


async def test_no_function_is_called_inside_a_transaction() -> None:
    world = World()
    token = open_transaction.set("orders")
    try:
        with pytest.raises(CallInsideTransaction):
            await world.dispatcher().invoke(shopper(), HELLO, b"{}")
    finally:
        open_transaction.reset(token)
