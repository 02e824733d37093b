"""How dispatcher and host talk: frames of msgpack on a Unix socket, many calls at once on one connection.

A frame is its length (4 bytes, big endian) and a `Question` or an `Answer`; answers come in any order.
"""

import struct
from collections.abc import Iterator

import msgspec

from kokoa.functions.host.errors import (
    FunctionCodeInvalid,
    FunctionCodeUnavailable,
    FunctionTooLarge,
    HostUnavailable,
    InvocationTooLarge,
    RuntimeUnsupported,
    SandboxUnavailable,
    TooManyRequests,
)
from kokoa.functions.host.model import Invocation, InvokeRequest
from kokoa.kernel.errors import DeadlineExceeded, Invalid, KokoaError, Throttled

_LENGTH = struct.Struct(">I")
FRAME_BYTES_MAX = 16 * 1024 * 1024

_ERRORS: dict[str, type[KokoaError]] = {
    error.__name__: error
    for error in (
        DeadlineExceeded,
        FunctionCodeInvalid,
        FunctionCodeUnavailable,
        FunctionTooLarge,
        Invalid,
        InvocationTooLarge,
        RuntimeUnsupported,
        SandboxUnavailable,
        TooManyRequests,
    )
}


class Forget(msgspec.Struct, frozen=True, tag=True):
    """A function has changed or is gone."""

    arn: str


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Are you there?"""


class Invoke(msgspec.Struct, frozen=True, tag=True):
    """Run an invocation."""

    request: InvokeRequest


class Question(msgspec.Struct, frozen=True, array_like=True):
    """number: the asker's own, repeated in the answer."""

    number: int
    ask: Invoke | Forget | Ping


class Fault(msgspec.Struct, frozen=True):
    """An error on its way.  error: its class name."""

    error: str
    message: str
    detail: str = ""
    field: str = ""
    reason: str = ""
    retry_after_s: float = 1.0


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """Either an invocation, or a fault, or neither where there is nothing to tell."""

    number: int
    invocation: Invocation | None = None
    fault: Fault | None = None


class FrameTooLong(Exception):
    """The other side sends more than a call can need."""


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete now. Raises FrameTooLong."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > FRAME_BYTES_MAX:
                raise FrameTooLong
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            frame = bytes(memoryview(self._buffer)[_LENGTH.size : end])
            del self._buffer[:end]
            yield frame


def frame(message: Question | Answer) -> bytes:
    """The message as it goes over the wire, length first."""
    data = bytearray(_LENGTH.size)
    _encoder.encode_into(message, data, _LENGTH.size)
    _LENGTH.pack_into(data, 0, len(data) - _LENGTH.size)
    return bytes(data)


_encoder = msgspec.msgpack.Encoder()


def to_fault(error: KokoaError) -> Fault:
    """An error as it travels."""
    return Fault(
        error=type(error).__name__,
        message=error.message,
        detail=error.detail,
        field=error.field if isinstance(error, Invalid) else "",
        reason=error.reason if isinstance(error, TooManyRequests) else "",
        retry_after_s=error.retry_after_s if isinstance(error, Throttled) else 1.0,
    )


def to_error(fault: Fault) -> KokoaError:
    """The error that travelled; an unknown one is the host's own trouble."""
    kind = _ERRORS.get(fault.error, HostUnavailable)
    if kind is TooManyRequests:
        return TooManyRequests(
            fault.message, reason=fault.reason, retry_after_s=fault.retry_after_s, detail=fault.detail
        )
    if issubclass(kind, Invalid):
        return kind(fault.message, field=fault.field, detail=fault.detail)
    return kind(fault.message, detail=fault.detail)
