"""Sockets in the network of a sandbox, made from outside: what runs inside has no hand in them."""

import fcntl
import os
import socket
import struct
from collections.abc import Sequence

from kokoa.functions.host.sandbox import mounts
from kokoa.functions.host.sandbox.orders import Endpoint

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_NS_GET_USERNS = 0xB701
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_IFREQ = struct.Struct("16sHH4s16x")
_BACKLOG = 128


def open_inside(pid: int, endpoints: Sequence[Endpoint]) -> list[socket.socket]:
    """Make the sockets in the network name space of a process, ports below 1024 included. Raises OSError.

    Moves the *calling process* into that name space: call it in a forked child that ends afterwards.
    """
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if os.geteuid() != 0:
        # Whoever made the user name space that owns the network has every right in it, once inside.
        mounts.enter(fcntl.ioctl(network, _NS_GET_USERNS), _CLONE_NEWUSER)
    mounts.enter(network, _CLONE_NEWNET)
    foreign = {endpoint.address for endpoint in endpoints if not endpoint.address.startswith("127.")}
    for number, address in enumerate(sorted(foreign)):
        _give_address(f"lo:{number}", address)
    return [_open(endpoint) for endpoint in endpoints]


def _give_address(alias: str, address: str) -> None:
    """Let an address be one of the loopback interface's own (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, "255.255.255.255")):
            wanted = _IFREQ.pack(alias.encode(), socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(any_socket, request, wanted)


def _open(endpoint: Endpoint) -> socket.socket:
    if endpoint.kind == "udp":
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind((endpoint.address, endpoint.port))
        return opened
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.bind((endpoint.address, endpoint.port))
    opened.listen(_BACKLOG)
    return opened
