"""The way out of a sandbox: to the destinations that the environment's owner allows, and to nothing else.

Each destination is a listening socket inside the sandbox, at a loopback address to which its name leads (or at its
own address, if it has no name); the host passes the bytes on. So it works for every protocol over TCP and for every
language, and TLS is between the function and the destination. What is not allowed has no name: looking it up fails at
once, and the function's log tells the command.
"""

import asyncio
import contextlib
import ipaddress
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import cast

import structlog

from kokoa.functions.host import names
from kokoa.functions.host.listening import Listening
from kokoa.functions.host.sandbox.orders import Endpoint
from kokoa.functions.host.shares import Shares

_log = structlog.get_logger(__name__)

CONNECTIONS_MAX = 128
NAMES_ENDPOINT = Endpoint("udp", "127.0.0.1", 53)
_CONNECT_S = 5.0
_PACKET_BYTES_MAX = 512
_TOLD_MAX = 20

Say = Callable[[str], None]
"""Writes a line into the function's log."""


def split(destination: str) -> tuple[str, int]:
    """host:port as it is kept, checked already."""
    host, _, port = destination.rpartition(":")
    return host, int(port)


class Egress:
    """The way out of one sandbox."""

    def __init__(self, say: Say, shares: Shares) -> None:
        self._say = say
        self._addresses: dict[str, str] = {}
        self._allowed = ""
        self._shares = shares
        self._names: socket.socket | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._told: set[str] = set()
        self._inside: set[_Inside] = set()
        self._listening: list[Listening] = []

    def serve_names(self, names_socket: socket.socket) -> None:
        """Answer what the sandbox looks up."""
        self._names = names_socket
        self._hear()

    def endpoints(self, destinations: Sequence[str]) -> list[Endpoint]:
        """The sockets that these destinations need; from now on their names lead there."""
        hosts = dict.fromkeys(split(destination)[0] for destination in destinations)
        self._addresses = {host: _address(host, number) for number, host in enumerate(hosts, start=1)}
        self._allowed = ", ".join(destinations)
        return [Endpoint("tcp", self._addresses[host], port) for host, port in map(split, destinations)]

    def serve(self, listeners: Sequence[socket.socket], destinations: Sequence[str]) -> None:
        """Pass on what comes to the sockets that `endpoints` asked for."""
        for listener, destination in zip(listeners, destinations, strict=True):
            self._listening.append(
                Listening(
                    listener,
                    lambda d=destination: _Inside(self, d),  # type: ignore[misc]
                    lambda: len(self._inside),
                    CONNECTIONS_MAX,
                    self._shares.visits,
                )
            )

    def begin(self) -> None:
        """Another invocation: what was told before is told again."""
        self._told.clear()

    def close(self) -> None:
        """End every connection and answer nothing more."""
        for listening in self._listening:
            listening.close()
        for inside in tuple(self._inside):
            inside.abort()
        if self._names is not None:
            asyncio.get_running_loop().remove_reader(self._names.fileno())
            self._names = None
        if self._rest is not None:
            self._rest.cancel()

    def tell(self, key: str, sentence: str) -> None:
        """Say something once in an invocation, and not too much of it."""
        if key not in self._told and len(self._told) < _TOLD_MAX:
            self._told.add(key)
            self._say(f"[kokoa] {sentence}\n")

    def note(self, inside: "_Inside", *, open: bool) -> None:
        """Keep count of the connections."""
        (self._inside.add if open else self._inside.discard)(inside)

    def spend(self, seconds: float) -> float:
        """Time of the event loop that a connection took; how long to wait before it takes more."""
        return self._shares.passing.spend(seconds)

    def _hear(self) -> None:
        self._rest = None
        if self._names is not None:
            asyncio.get_running_loop().add_reader(self._names.fileno(), self._answer)

    def _answer(self) -> None:
        assert self._names is not None
        try:
            packet, sender = self._names.recvfrom(_PACKET_BYTES_MAX)
        except OSError:
            return
        packed = {host: ipaddress.ip_address(address).packed for host, address in self._addresses.items()}
        reply = names.answer(packet, packed)
        if reply.packet:
            with contextlib.suppress(OSError):  # who asked is gone, or reads nothing
                self._names.sendto(reply.packet, sender)
        if reply.unknown:
            self._refuse(reply.unknown)
        wait_s = self._shares.questions.spend(1)
        if wait_s:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._names.fileno())
            self._rest = loop.call_later(wait_s, self._hear)

    def _refuse(self, name: str) -> None:
        allowed = f"Allowed are {self._allowed}." if self._allowed else "Nothing is allowed yet."
        shown = name if name.isprintable() else ascii(name)
        self.tell(
            name,
            f"Functions of this environment may not connect to {shown}. {allowed} "
            f"Its operator allows it with: kokoa egress allow {shown}:443 --tenant TENANT --environment ENVIRONMENT",
        )


def _address(host: str, number: int) -> str:
    """Where a host is inside the sandbox."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        return f"127.0.1.{number}"


class _Side(asyncio.Protocol):
    """One end of a connection that passes through; what one end receives the other one sends."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._resting: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._resting is not None:
            self._resting.cancel()
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            return
        started = time.perf_counter()
        self.other.transport.write(data)
        wait_s = self._egress.spend(time.perf_counter() - started)
        if wait_s and self.transport is not None and self._resting is None:
            self.transport.pause_reading()
            self._resting = asyncio.get_running_loop().call_later(wait_s, self._rested)

    def eof_received(self) -> bool:
        if self.other is not None and self.other.transport is not None and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        return True  # the other direction goes on

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None and self.other._resting is None:
            self.other.transport.resume_reading()

    def abort(self) -> None:
        """Drop it, and the other end with it."""
        if self.transport is not None:
            self.transport.abort()

    def _rested(self) -> None:
        self._resting = None
        if self.transport is not None:
            self.transport.resume_reading()


class _Inside(_Side):
    """The end inside the sandbox, which opens the other one."""

    def __init__(self, egress: Egress, destination: str) -> None:
        super().__init__(egress)
        self._destination = destination
        self._connecting: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._ended_early = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._egress.note(self, open=True)
        self._connecting = asyncio.ensure_future(self._connect())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        super().connection_lost(exc)
        self._egress.note(self, open=False)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
        elif self.transport is not None:
            # Not earlier: uvloop forgets a pause that is asked for before it has begun to read.
            self._early.append(data)
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended_early = self.other is None
        return super().eof_received()

    async def _connect(self) -> None:
        outside = _Side(self._egress)
        try:
            async with asyncio.timeout(_CONNECT_S):
                await _open_connection(self._destination, outside)
        except (OSError, TimeoutError) as error:
            self._egress.tell(self._destination, f"{self._destination} cannot be reached: {_why(error)}.")
            self.abort()
            return
        if self.transport is None:
            outside.abort()
            return
        self.other, outside.other = outside, self
        if outside.transport is not None:
            for data in self._early:
                outside.transport.write(data)
            if self._ended_early:
                outside.transport.write_eof()
        self._early.clear()
        self.transport.resume_reading()


def _why(error: OSError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


async def _open_connection(destination: str, outside: asyncio.Protocol) -> None:
    host, port = split(destination)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found if may_reach(host, str(address[0]))]
    if not addresses:
        raise OSError(None, "its name leads to this machine itself, which is only reached by its own address")
    failed: OSError | None = None
    for address in addresses:
        try:
            await loop.create_connection(lambda: outside, address, port)
        except OSError as error:
            failed = error
        else:
            return
    assert failed is not None
    raise failed


def may_reach(host: str, address: str) -> bool:
    """Whether a name may lead to this address: one that its owner points at our own machine must not open it.

    Who really means this machine allows `localhost` or the address itself.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    if host in ("localhost", str(found)):
        return True
    return not (found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast)
