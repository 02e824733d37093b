"""The child process that decodes: one upload on stdin, its renditions or a refusal on stdout. Nothing else.

Decoders read what strangers send, in C. So this process has nothing worth taking and no way out: `confine` takes all
rights and resources away before the first byte of the upload is read. What it may use is loaded before that.
"""

import copy
import ctypes
import os
import resource
import signal
import struct
import sys
from io import BytesIO

import msgspec
from PIL import AvifImagePlugin, Image, ImageCms, ImageColor, ImageFilter, ImageOps, ImagePalette, TiffImagePlugin

from kokoa.services.catalog.media.results import LENGTH, Refused, Rendered, Rendition, Result

PIXELS_MAX = 50_000_000
SIDE_MAX = 16_383  # WebP's own bound
MEMORY_BYTES_MAX = 2 * 1024**3
CPU_S_MAX = 60
NICE = 10

_UID_FIRST = 1_000_000  # plus the process's id: a user that no other process has, `nobody` may be PostgreSQL's
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_WHITE = (255, 255, 255)
# What Pillow imports within its functions: after `confine` nothing can be loaded.
_LOADED = (copy, ImageColor, ImageFilter, ImagePalette, TiffImagePlugin)
_SRGB = ImageCms.createProfile("sRGB")


def confine() -> None:
    """No other user's rights, no files, no sockets, no processes, bounded memory and time. There is no way back."""
    os.nice(NICE)
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        own = _UID_FIRST + os.getpid()
        os.setgroups([])
        os.setgid(own)
        os.setuid(own)
    for option, value in (
        (_PR_SET_PDEATHSIG, int(signal.SIGKILL)),
        (_PR_SET_NO_NEW_PRIVS, 1),
        (_PR_SET_DUMPABLE, 0),
    ):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({option})")
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES_MAX,
        resource.RLIMIT_CPU: CPU_S_MAX,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 3,  # stdin, stdout and stderr are open: nothing else can be
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def rendered(upload: bytes, image_format: str, sizes: dict[str, int | None]) -> Result:
    """The renditions of an upload, or why there are none.  image_format: the only decoder that is tried."""
    try:
        with Image.open(BytesIO(upload), formats=(image_format,)) as opened:
            refusal = _refusal(opened.size)
            if refusal is not None:
                return refusal
            opened.load()  # of an animation the first frame
            picture = _upright(opened)
    except MemoryError as error:
        return Refused("expensive", repr(error))
    except Image.DecompressionBombError as error:
        return Refused("large", str(error))
    except Exception as error:  # decoders raise whatever occurs to them
        return Refused("truncated" if "truncated" in str(error).lower() else "damaged", repr(error)[:500])
    try:
        return _renditions(picture, sizes)
    except MemoryError as error:
        return Refused("expensive", repr(error))


def _refusal(size: tuple[int, int]) -> Refused | None:
    width, height = size
    if width < 1 or height < 1:
        return Refused("empty", f"{width} x {height}")
    if width * height > PIXELS_MAX or max(size) > SIDE_MAX:
        return Refused("large", f"{width} x {height} pixels")
    return None


def _upright(opened: Image.Image) -> Image.Image:
    """As it is to be seen: turned as its EXIF says, in sRGB, and without anything that is not a pixel."""
    turned = ImageOps.exif_transpose(opened)
    profile = turned.info.get("icc_profile")
    transparent = turned.has_transparency_data
    if turned.mode.startswith("I"):  # 16 bits a pixel
        turned = turned.point(lambda value: value * (1 / 256)).convert("L")
    elif profile and turned.mode in {"RGB", "CMYK", "L"}:
        turned = _in_srgb(turned, profile)
    plain = turned.convert("RGBA" if transparent else "RGB")
    plain.info = {}
    return plain


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """The colours as they were meant; those of a profile that is damaged are taken as they are."""
    try:
        converted = ImageCms.profileToProfile(
            picture, ImageCms.ImageCmsProfile(BytesIO(profile)), _SRGB, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return converted if converted is not None else picture


def _renditions(picture: Image.Image, sizes: dict[str, int | None]) -> Rendered:
    width, height = picture.size
    found = _in_all_formats("original", picture, method=0)
    at, last = picture, found
    for name, side in sorted(_scaled(sizes), key=lambda size: size[1], reverse=True):
        if max(at.size) > side or last is found:
            at = at.copy()  # each is made of the next larger one
            at.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
            last = _in_all_formats(name, at, method=4)
        # Of a picture that is smaller than two sizes both are the same.
        found = found + [Rendition(f"{name}.{one.name.rpartition('.')[2]}", one.content) for one in last]
    return Rendered(width, height, found)


def _scaled(sizes: dict[str, int | None]) -> list[tuple[str, int]]:
    return [(name, side) for name, side in sizes.items() if side is not None]


def _in_all_formats(name: str, picture: Image.Image, *, method: int) -> list[Rendition]:
    """method: how hard WebP tries, 0 to 6; the largest pictures get the least."""
    return [
        Rendition(f"{name}.webp", _encoded(picture, "WEBP", quality=82, method=method)),
        Rendition(f"{name}.jpg", _encoded(_opaque(picture), "JPEG", quality=85)),
    ]


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    page = Image.new("RGB", picture.size, _WHITE)
    page.paste(picture, mask=picture.getchannel("A"))
    return page


def _encoded(picture: Image.Image, image_format: str, **options: int) -> bytes:
    out = BytesIO()
    picture.save(out, image_format, **options)
    return out.getvalue()


def main() -> None:
    """Asked: length, then format and sizes; length, then the upload. Answered: length, then the result."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.MAX_IMAGE_PIXELS = PIXELS_MAX
    Image.init()  # what it would load on first use; after `confine` it could not
    confine()
    image_format, sizes = msgspec.msgpack.decode(_frame(), type=tuple[str, dict[str, int | None]])
    result = rendered(_frame(), image_format, sizes)
    body = msgspec.msgpack.encode(result)
    sys.stdout.buffer.write(LENGTH.pack(len(body)) + body)
    sys.stdout.buffer.flush()


def _frame() -> bytes:
    head = sys.stdin.buffer.read(LENGTH.size)
    try:
        (size,) = LENGTH.unpack(head)
    except struct.error:
        raise SystemExit("stdin ended early") from None
    return sys.stdin.buffer.read(size)


if __name__ == "__main__":
    main()
