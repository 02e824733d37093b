"""What an upload is by its first bytes, which paths name a file, and when something unused may go."""

from datetime import UTC, datetime, timedelta

import pytest

from kokoa.kernel.errors import Invalid
from kokoa.services.catalog.media.errors import ImageEmpty, ImageFormatUnsupported, ImageTooLarge, TooManyMedia
from kokoa.services.catalog.media.model import (
    FILE_NAMES,
    MEDIA_OF_PRODUCT_MAX,
    UPLOAD_BYTES_MAX,
    is_file,
    is_stale,
    path_of,
    require_alt,
    require_order,
    require_room,
    sniffed,
)


@pytest.mark.parametrize(
    ("beginning", "wanted"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"RIFF\x00\x00\x00\x00WEBP", "WEBP"),
        (b"\x00\x00\x00\x1cftypavif", "AVIF"),
        (b"GIF89a", "GIF"),
    ],
)
def test_the_bytes_say_what_an_upload_is(beginning: bytes, wanted: str) -> None:
    assert sniffed(beginning + b"\x00" * 20) == wanted


@pytest.mark.parametrize(
    "upload",
    [b"<svg xmlns='x'/>", b'\xef\xbb\xbf  <?xml version="1.0"?><svg/>', b"<!-- a --><SVG>", b"<!DOCTYPE svg>"],
)
def test_svg_is_refused_and_told_why(upload: bytes) -> None:
    with pytest.raises(ImageFormatUnsupported, match="scripts"):
        sniffed(upload)


@pytest.mark.parametrize(
    "upload", [b"x", b"%PDF-1.7", b"BM\x00\x00", b"II*\x00", b"\x00\x00\x00\x1cftypheic", b"RIFF1234WAVE"]
)
def test_other_formats_are_refused(upload: bytes) -> None:
    with pytest.raises(ImageFormatUnsupported, match="JPEG, PNG"):
        sniffed(upload)


def test_an_upload_has_some_bytes_and_not_too_many() -> None:
    with pytest.raises(ImageEmpty):
        sniffed(b"")
    with pytest.raises(ImageTooLarge):
        sniffed(b"\xff\xd8\xff" + bytes(UPLOAD_BYTES_MAX))


def test_only_the_names_of_files_name_files() -> None:
    content_hash = "0a" * 32
    for rendition in ("THUMBNAIL", "SMALL", "MEDIUM", "LARGE", "ORIGINAL"):
        for file_format in ("WEBP", "JPEG"):
            _, folder, in_path, name = path_of(content_hash, rendition, file_format).split("/")
            assert (folder, in_path) == ("media", content_hash)
            assert is_file(content_hash, name)
    for wrong in ("../x", "medium.png", "MEDIUM.webp", "medium.webp\n", "", "medium.webp/x"):
        assert not is_file(content_hash, wrong)
    for wrong in ("..", "0A" * 32, "0a" * 31, "0a" * 32 + "\n", "", "é" * 64):
        assert not is_file(wrong, "medium.webp")
    assert len(FILE_NAMES) == 10


def test_what_is_unused_stays_for_a_day() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert not is_stale(now, now)
    assert not is_stale(now - timedelta(days=1), now)
    assert is_stale(now - timedelta(days=1, microseconds=1), now)
    assert not is_stale(now + timedelta(days=9), now)  # a clock that jumped


def test_a_products_pictures_are_bounded_and_an_order_names_each_once() -> None:
    require_room(MEDIA_OF_PRODUCT_MAX - 1)
    with pytest.raises(TooManyMedia):
        require_room(MEDIA_OF_PRODUCT_MAX)
    require_order(["b", "a"], ["a", "b"])
    for wrong in (["a"], ["a", "a"], ["a", "c"], ["a", "b", "c"], []):
        with pytest.raises(Invalid):
            require_order(wrong, ["a", "b"])
    require_alt("x" * 500)
    for text in ("x" * 501, "a\x00", "\udc00"):
        with pytest.raises(Invalid):
            require_alt(text)
