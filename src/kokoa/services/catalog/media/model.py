"""Rules of pictures. Pure.

Terminology:
    upload      the bytes as a merchant sent them, kept until they are used, a day at most
    picture     what an upload shows, known by the SHA-256 of the upload
    rendition   the picture in one size; each is kept in every format
    media       a picture at its place among a product's, with its alternative text
"""

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.catalog.media.errors import (
    ImageEmpty,
    ImageFormatUnsupported,
    ImageTooLarge,
    InvalidMedia,
    TooManyMedia,
)

UPLOAD_BYTES_MAX = 20_000_000
MEDIA_OF_PRODUCT_MAX = 100
ALT_MAX = 500
UNUSED_KEPT = timedelta(days=1)

ImageFormat = Literal["JPEG", "PNG", "WEBP", "AVIF", "GIF"]

RENDITIONS: dict[str, int | None] = {"thumbnail": 160, "small": 480, "medium": 960, "large": 1920, "original": None}
"""The longer side at most, in pixels. None: as large as the upload. Nothing is made larger than it is."""
CONTENT_TYPES = {"webp": "image/webp", "jpg": "image/jpeg"}
"""The formats that renditions are kept in, by the ending of their names."""
FILE_NAMES = frozenset(f"{rendition}.{ending}" for rendition in RENDITIONS for ending in CONTENT_TYPES)

_HASH = re.compile(r"[0-9a-f]{64}")
_AVIF_BRANDS = (b"avif", b"avis")


class Media(msgspec.Struct, frozen=True):
    """width, height: of the picture as it is shown, in pixels."""

    id: str
    product_id: str
    position: int
    alt: str
    content_hash: str
    width: int
    height: int


class File(msgspec.Struct, frozen=True):
    """A stored rendition.  tag: the same as long as the content is."""

    content: bytes
    content_type: str
    tag: str


def sniffed(upload: bytes) -> ImageFormat:
    """The format by its first bytes; what a client calls it is not asked.

    Raises ImageEmpty, ImageTooLarge, ImageFormatUnsupported.
    """
    if not upload:
        raise ImageEmpty("The upload has no bytes.")
    if len(upload) > UPLOAD_BYTES_MAX:
        raise ImageTooLarge(f"The upload has {len(upload)} bytes; at most {UPLOAD_BYTES_MAX} are taken.")
    found = _by_signature(upload)
    if found is not None:
        return found
    beginning = upload[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if beginning.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")):
        raise ImageFormatUnsupported(
            "SVG is not taken: it is a document that may hold scripts, and would run them on the store's own domain. "
            "Send a PNG or WebP of it."
        )
    raise ImageFormatUnsupported("These bytes are no JPEG, PNG, WebP, AVIF or GIF, which are the formats taken.")


def _by_signature(upload: bytes) -> ImageFormat | None:
    if upload.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if upload.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if upload[:4] == b"RIFF" and upload[8:12] == b"WEBP":
        return "WEBP"
    if upload[4:8] == b"ftyp" and upload[8:12] in _AVIF_BRANDS:
        return "AVIF"
    return "GIF" if upload.startswith((b"GIF87a", b"GIF89a")) else None


def folder_of(environment_id: str, content_hash: str) -> str:
    """Where a picture's renditions are in the object storage."""
    return f"media/{environment_id}/{content_hash}"


def upload_key(environment_id: str, upload_id: str) -> str:
    """Where an upload waits in the object storage."""
    return f"uploads/{environment_id}/{upload_id}"


def path_of(content_hash: str, rendition: str, file_format: str) -> str:
    """The path of a rendition on the store's own domain.  rendition, file_format: as the graph has them."""
    ending = "jpg" if file_format == "JPEG" else "webp"
    return f"/media/{content_hash}/{rendition.lower()}.{ending}"


def is_file(content_hash: str, name: str) -> bool:
    """Whether a path may name a rendition; anything else never comes near the object storage."""
    return name in FILE_NAMES and _HASH.fullmatch(content_hash) is not None


def is_stale(moment: datetime, now: datetime) -> bool:
    """Whether what was last touched then, and is not used, may go."""
    return now - moment > UNUSED_KEPT


def require_alt(alt: str) -> None:
    """Raises InvalidMedia."""
    if len(alt) > ALT_MAX:
        raise InvalidMedia(f"alt has {len(alt)} characters; at most {ALT_MAX} are taken.", field="alt")
    if not is_plain(alt):
        raise InvalidMedia("alt holds a NUL character or half of a surrogate pair.", field="alt")


def require_room(present: int) -> None:
    """Raises TooManyMedia."""
    if present >= MEDIA_OF_PRODUCT_MAX:
        raise TooManyMedia(f"A product has at most {MEDIA_OF_PRODUCT_MAX} pictures; delete one first.")


def require_order(wanted: Sequence[str], present: Collection[str]) -> None:
    """Raises InvalidMedia unless `wanted` names each of a product's media once."""
    if len(wanted) != len(present) or set(wanted) != set(present):
        raise InvalidMedia(
            f"ids must name each of the product's {len(present)} pictures once, in the order they shall have.",
            field="ids",
        )
