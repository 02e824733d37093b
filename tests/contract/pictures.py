"""Pictures of every kind that tests send, made when they are asked for."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

RED, GREEN, BLUE = (255, 0, 0), (0, 128, 0), (0, 0, 255)


def picture(image_format: str = "PNG", size: tuple[int, int] = (40, 20), colour: Any = RED, **options: Any) -> bytes:
    mode = options.pop("mode", "RGB")
    out = BytesIO()
    Image.new(mode, size, colour).save(out, image_format, **options)
    return out.getvalue()


def halves(image_format: str, left: Any = RED, right: Any = BLUE, **options: Any) -> bytes:
    """40 × 20, the left half in one colour, the right half in another."""
    out, image = BytesIO(), Image.new("RGB", (40, 20), left)
    image.paste(right, (20, 0, 40, 20))
    image.save(out, image_format, **options)
    return out.getvalue()


def animated() -> bytes:
    """A GIF whose first frame is red and whose second is blue."""
    out = BytesIO()
    first, second = (Image.new("RGB", (40, 20), colour) for colour in (RED, BLUE))
    first.save(out, "GIF", save_all=True, append_images=[second], duration=100)
    return out.getvalue()


def with_metadata() -> bytes:
    """A JPEG, 40 × 20, left half red, that says: turn me, and where I was taken."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    exif[0x010E] = "SECRET-DESCRIPTION"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return halves("JPEG", exif=exif, icc_profile=profile, comment=b"SECRET-COMMENT", quality=95)


def png_of_size(width: int, height: int, *, data: bytes = b"") -> bytes:
    """A PNG that says that it is so large; what is in it, if anything, is compressed data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def near(pixel: Any, colour: tuple[int, int, int], by: int = 30) -> bool:
    return all(abs(one - other) <= by for one, other in zip(pixel[:3], colour, strict=True))
