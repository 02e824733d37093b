"""Calls between our own processes: typed both ways, errors keep their kind and code, strangers are refused."""

from typing import Any, Protocol

import msgspec
import pytest
from asgi_client import SessionOfApp, ask
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded, KokoaError, NotFound
from kokoa.kernel.transaction import CallInsideTransaction, open_transaction
from kokoa.web.rpc import PREFIX, TOKEN_HEADER, RpcClient, RpcServer
from kokoa.web.tokens import CallTokens

TOKENS = CallTokens(bytes(range(32)))


class Thing(msgspec.Struct, frozen=True):
    name: str
    size: int = 1


class ThingNotFound(NotFound):
    """An error for these tests."""


class Things(Protocol):
    async def find(self, name: str, *, larger: bool = False) -> Thing | None: ...
    async def names(self, things: list[Thing]) -> list[str]: ...


class Shelf:
    """Implements Things."""

    async def find(self, name: str, *, larger: bool = False) -> Thing | None:
        if name == "missing":
            raise ThingNotFound("There is no such thing.", detail="the shelf is empty")
        if name == "late":
            raise DeadlineExceeded("Too late.")
        return None if name == "nothing" else Thing(name, 2 if larger else 1)

    async def names(self, things: list[Thing]) -> list[str]:
        return [thing.name for thing in things]


def app() -> ASGIApp:
    server = RpcServer(TOKENS, {"things": (Things, Shelf())})
    return Starlette(routes=[Route(PREFIX + "{seam}/{method}", server.handle, methods=["POST"])])


def things(tokens: CallTokens = TOKENS) -> Things:
    client = RpcClient(SessionOfApp(app()), tokens, "http://peer", caller="test")  # type: ignore[arg-type]  # a fake
    proxy: Things = client.proxy("things", Things)
    return proxy


async def test_arguments_and_results_travel_with_their_types() -> None:
    assert await things().find("cup") == Thing("cup", 1)
    assert await things().find(name="cup", larger=True) == Thing("cup", 2)
    assert await things().find("nothing") is None
    assert await things().names([Thing("a"), Thing("b")]) == ["a", "b"]


async def test_an_error_keeps_its_kind_code_and_message_but_not_its_detail() -> None:
    with pytest.raises(NotFound, match="There is no such thing") as caught:
        await things().find("missing")
    assert caught.value.code == "THING_NOT_FOUND"
    assert caught.value.detail == ""


async def test_an_error_of_the_kernel_is_caught_by_its_own_class() -> None:
    with pytest.raises(DeadlineExceeded, match="Too late"):
        await things().find("late")


async def test_a_foreign_secret_is_refused() -> None:
    with pytest.raises(KokoaError) as caught:
        await things(CallTokens(bytes(32))).find("cup")
    assert caught.value.code == "CALL_TOKEN_INVALID"


@pytest.mark.parametrize("kind", ["storefront", "server", "account", "operator"])
async def test_only_our_own_processes_may_call(kind: Any) -> None:
    token = TOKENS.sign(Call("e", Caller(kind), "c" * 32, now_ms() + 1000), 60)
    for headers in ({}, {TOKEN_HEADER: token}):
        answer = await ask(app(), "POST", f"{PREFIX}things/find", headers=headers, body=b"")
        assert answer.status == 422
        assert b"RpcRefused" in answer.body


@pytest.mark.parametrize(
    ("target", "body", "error"),
    [
        ("things/steal", b"\x80", b"RpcNotFound"),
        ("others/find", b"\x80", b"RpcNotFound"),
        ("things/__init__", b"\x80", b"RpcNotFound"),
        ("things/find", b"\x80", b"RpcInvalid"),
        ("things/find", b"garbage", b"RpcInvalid"),
        ("things/find", msgspec.msgpack.encode({"name": 7}), b"RpcInvalid"),
    ],
)
async def test_what_does_not_fit_is_refused(target: str, body: bytes, error: bytes) -> None:
    token = TOKENS.sign(Call("e", Caller("service"), "c" * 32, now_ms() + 1000), 60)
    answer = await ask(app(), "POST", PREFIX + target, headers={TOKEN_HEADER: token}, body=body)
    assert answer.status == 422
    assert error in answer.body


async def test_no_call_leaves_while_a_transaction_is_open() -> None:
    token = open_transaction.set("catalog")
    try:
        with pytest.raises(CallInsideTransaction):
            await things().find("cup")
    finally:
        open_transaction.reset(token)
