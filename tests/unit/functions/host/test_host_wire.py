"""What travels between dispatcher and host arrives as it left, however the bytes are cut; errors stay themselves."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.functions.host import wire
from kokoa.functions.host.client import HostClient
from kokoa.functions.host.errors import (
    FunctionCodeInvalid,
    FunctionCodeUnavailable,
    HostUnavailable,
    RuntimeUnsupported,
    TooManyRequests,
)
from kokoa.functions.host.model import Invocation
from kokoa.functions.host.server import HostServer
from kokoa.kernel.errors import DeadlineExceeded, KokoaError, NotFound


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 9))
def test_frames_are_found_however_they_are_cut(payloads: list[bytes], step: int) -> None:
    answers = [
        wire.Answer(number, Invocation(payload, None, b"tail", 1.5, "$LATEST", cold_start=False))
        for number, payload in enumerate(payloads)
    ]
    data = b"".join(map(wire.frame, answers))
    reader = wire.FrameReader()
    frames = [part for at in range(0, len(data), step) for part in reader.feed(data[at : at + step])]
    assert [wire.msgspec.msgpack.decode(part, type=wire.Answer) for part in frames] == answers


def test_a_frame_over_the_bound_is_refused_before_it_arrives() -> None:
    with pytest.raises(wire.FrameTooLong):
        list(wire.FrameReader().feed((wire.FRAME_BYTES_MAX + 1).to_bytes(4, "big")))


@pytest.mark.parametrize(
    "error",
    [
        TooManyRequests("Rate Exceeded.", reason="CallerRateLimitExceeded", retry_after_s=3.0),
        RuntimeUnsupported("no such runtime", field="Runtime"),
        FunctionCodeInvalid("no zip"),
        FunctionCodeUnavailable("gone", detail="for the log"),
        DeadlineExceeded("too late"),
    ],
)
def test_errors_arrive_as_they_left(error: KokoaError) -> None:
    arrived = wire.to_error(wire.to_fault(error))
    assert type(arrived) is type(error)
    assert vars(arrived) == vars(error)


def test_an_error_that_nobody_expects_is_the_hosts_own() -> None:
    assert isinstance(wire.to_error(wire.to_fault(NotFound("what?"))), HostUnavailable)


class BrokenPool:
    """A pool with a bug."""

    async def invoke(self, request: object) -> Invocation:
        raise ZeroDivisionError

    def forget(self, arn: str) -> None:
        raise ZeroDivisionError


async def test_a_bug_in_the_host_is_answered_and_the_next_call_too(tmp_path: Path) -> None:
    server = HostServer(BrokenPool())  # type: ignore[arg-type]
    await server.listen(tmp_path / "host.sock")
    assert (tmp_path / "host.sock").stat().st_mode & 0o777 == 0o600
    client = HostClient(tmp_path / "host.sock")
    with pytest.raises(HostUnavailable, match="host failed"):
        await client.forget("arn")
    await client.ping()
    await client.close()
    await server.close(1)


async def test_nonsense_on_the_socket_ends_the_connection_only(tmp_path: Path) -> None:
    server = HostServer(BrokenPool())  # type: ignore[arg-type]
    await server.listen(tmp_path / "host.sock")
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "host.sock"))
    writer.write((5).to_bytes(4, "big") + b"hello")
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    client = HostClient(tmp_path / "host.sock")
    await client.ping()
    await client.close()
    await server.close(1)
