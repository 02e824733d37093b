"""The names that a sandbox can look up: a DNS server for one sandbox, which knows the destinations it may reach.

RFC 1035, questions of one name only. Whatever else a function asks for does not exist for it, and its log says how
that is changed.
"""

import struct
from collections.abc import Mapping

import msgspec

_HEAD = struct.Struct("!6H")
_TAIL = struct.Struct("!2H")
_ANSWER = struct.Struct("!HHHIH4s")
_RESPONSE = 0x8480  # an answer, authoritative; recursion is offered, so that no resolver doubts it
_RECURSION_DESIRED = 0x0100
_FORMAT_ERROR = 1
_NO_SUCH_NAME = 3
_TYPE_A = 1
_CLASS_IN = 1
_TTL_S = 5
_NAME_POINTER = 0xC00C
_LABEL_MAX = 63
_NAME_MAX = 253


class Reply(msgspec.Struct, frozen=True):
    """packet: what to send back; empty = nothing.  unknown: the name that was asked for and does not exist here."""

    packet: bytes
    unknown: str = ""


def answer(question: bytes, addresses: Mapping[str, bytes]) -> Reply:
    """The answer to a packet.  addresses: lower-case name → IPv4 address, four bytes."""
    if len(question) < _HEAD.size:
        return Reply(b"")
    number, flags, count, *_ = _HEAD.unpack_from(question)
    if flags & 0x8000:
        return Reply(b"")  # an answer, to which nobody answers
    reply = _RESPONSE | (flags & _RECURSION_DESIRED)
    read = _read_name(question)
    if count != 1 or read is None or len(question) < read[1] + _TAIL.size:
        return Reply(_HEAD.pack(number, reply | _FORMAT_ERROR, 0, 0, 0, 0))
    name, end = read
    kind, of_class = _TAIL.unpack_from(question, end)
    asked = question[_HEAD.size : end + _TAIL.size]
    address = addresses.get(name)
    if address is None:
        return Reply(_HEAD.pack(number, reply | _NO_SUCH_NAME, 1, 0, 0, 0) + asked, name)
    if (kind, of_class) != (_TYPE_A, _CLASS_IN):
        return Reply(_HEAD.pack(number, reply, 1, 0, 0, 0) + asked)
    record = _ANSWER.pack(_NAME_POINTER, _TYPE_A, _CLASS_IN, _TTL_S, len(address), address)
    return Reply(_HEAD.pack(number, reply, 1, 1, 0, 0) + asked + record)


def _read_name(question: bytes) -> tuple[str, int] | None:
    """The name in lower case, and where it ends; None when it is none."""
    labels: list[str] = []
    at = _HEAD.size
    while at < len(question):
        length = question[at]
        if length == 0:
            name = ".".join(labels)
            return (name, at + 1) if len(name) <= _NAME_MAX else None
        label = question[at + 1 : at + 1 + length]
        if length > _LABEL_MAX or len(label) < length or not label.isascii():
            return None
        labels.append(label.decode("ascii").lower())
        at += 1 + length
        if at > _HEAD.size + _NAME_MAX + 2:
            return None
    return None
