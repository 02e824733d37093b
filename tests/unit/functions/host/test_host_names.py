"""The names that a sandbox can look up: well-formed questions, and everything else that may come."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from kokoa.functions.host.names import answer

ADDRESSES = {"erp.example.com": bytes((127, 0, 1, 1))}


def question(name: str, kind: int = 1, *, number: int = 7, flags: int = 0x0100, count: int = 1) -> bytes:
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".") if label)
    return struct.pack("!6H", number, flags, count, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def test_an_allowed_name_has_an_address_whatever_its_letters_size() -> None:
    reply = answer(question("ERP.example.com"), ADDRESSES)
    number, flags, questions, answers, *_ = struct.unpack_from("!6H", reply.packet)
    assert (number, flags & 0x8000, flags & 0xF, questions, answers) == (7, 0x8000, 0, 1, 1)
    assert reply.packet.endswith(bytes((127, 0, 1, 1)))
    assert reply.unknown == ""


def test_it_has_no_other_kind_of_record() -> None:
    reply = answer(question("erp.example.com", kind=28), ADDRESSES)
    assert struct.unpack_from("!6H", reply.packet)[3] == 0
    assert reply.packet[3] & 0xF == 0


def test_any_other_name_does_not_exist_and_is_named() -> None:
    reply = answer(question("evil.example.com"), ADDRESSES)
    assert reply.packet[3] & 0xF == 3
    assert reply.unknown == "evil.example.com"


def test_what_is_no_question_gets_an_error_or_nothing() -> None:
    assert answer(b"\0" * 11, ADDRESSES).packet == b""
    assert answer(question("erp.example.com", flags=0x8000), ADDRESSES).packet == b""
    for packet in (
        question("erp.example.com", count=2),
        question("a" * 64),
        question(".".join(["a" * 60] * 5)),
        question("erp.example.com")[:-3],
        struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\xc0\x0c",
    ):
        assert answer(packet, ADDRESSES).packet[3] & 0xF == 1


@given(st.binary(max_size=600))
def test_no_packet_is_answered_with_more_than_it_asked(packet: bytes) -> None:
    assert len(answer(packet, ADDRESSES).packet) <= len(packet) + 16
