"""What the process that decodes pictures answers. Plain data: its reader believes none of it beyond its types."""

import struct
from typing import Final, Literal

import msgspec

LENGTH: Final = struct.Struct(">I")
RESULT_BYTES_MAX: Final = 128 * 1024 * 1024

Reason = Literal["damaged", "truncated", "empty", "large", "expensive"]


class Rendition(msgspec.Struct, frozen=True):
    """name: with the ending of its format."""

    name: str
    content: bytes


class Rendered(msgspec.Struct, frozen=True, tag=True):
    """width, height: of the upload as it is seen, in pixels."""

    width: int
    height: int
    renditions: list[Rendition]


class Refused(msgspec.Struct, frozen=True, tag=True):
    """detail: for our log."""

    reason: Reason
    detail: str


Result = Rendered | Refused
