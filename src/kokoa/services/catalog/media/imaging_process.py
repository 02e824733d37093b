"""Pictures are decoded by a child process each, one at a time, so that neither their weight nor a flaw reaches us."""

import asyncio
import contextlib
import sys
from collections import Counter
from typing import Final

import msgspec
import structlog

from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.services.catalog.media.errors import (
    ImageDamaged,
    ImageEmpty,
    ImagesBusy,
    ImageTooExpensive,
    ImageTooLarge,
    ImageTruncated,
    ImagingFailed,
)
from kokoa.services.catalog.media.model import FILE_NAMES, RENDITIONS, ImageFormat
from kokoa.services.catalog.media.results import LENGTH, RESULT_BYTES_MAX, Refused, Rendered, Result

_log = structlog.get_logger(__name__)

WAITING_MAX: Final = 8
WAITING_OF_ENVIRONMENT_MAX: Final = 4
TIMEOUT_S: Final = 90.0
_MODULE = "kokoa.services.catalog.media.imaging"
_ERRORS_SHOWN_BYTES = 2_000
_DECODER: msgspec.msgpack.Decoder[Result] = msgspec.msgpack.Decoder(Result)

_REFUSALS = {
    "damaged": (ImageDamaged, "The picture cannot be decoded: its data is damaged."),
    "truncated": (ImageTruncated, "The picture ends too early: the upload is not whole. Send it again."),
    "empty": (ImageEmpty, "The picture has no pixels."),
    "large": (ImageTooLarge, "A picture has at most 50 million pixels, and 16,383 on a side."),
    "expensive": (ImageTooExpensive, "Decoding the picture takes more memory than any picture may."),
}


class Imaging:
    """Decodes uploads.  program: what is started; by default the module that does it."""

    def __init__(self, program: tuple[str, ...] = (sys.executable, "-I", "-m", _MODULE)) -> None:
        self._program = program
        self._lock = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    async def render(self, upload: bytes, image_format: ImageFormat, *, key: str) -> Rendered:
        """All renditions of an upload.  key: whose it is, for of each only so many wait.

        Raises ImageDamaged, ImageTruncated, ImageEmpty, ImageTooLarge, ImageTooExpensive, ImagesBusy, ImagingFailed.
        """
        refuse_in_transaction("decoding of a picture")
        waiting = self._waiting.total()
        if waiting >= WAITING_MAX or self._waiting[key] >= WAITING_OF_ENVIRONMENT_MAX:
            raise ImagesBusy(f"{waiting} pictures wait to be decoded; try again soon.", retry_after_s=5.0)
        self._waiting[key] += 1
        try:
            async with self._lock:
                result = await self._asked(upload, image_format)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
        if isinstance(result, Refused):
            kind, message = _REFUSALS[result.reason]
            raise kind(message, detail=result.detail)
        if {one.name for one in result.renditions} != FILE_NAMES or min(result.width, result.height) < 1:
            raise ImagingFailed("The picture could not be decoded.", detail="the answer is not whole")
        return result

    async def _asked(self, upload: bytes, image_format: ImageFormat) -> Result:
        process = await asyncio.create_subprocess_exec(
            *self._program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},  # our own holds secrets
            cwd="/",
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await _exchange(process, upload, image_format)
        except TimeoutError as error:
            raise ImageTooExpensive("Decoding the picture takes more time than any picture may.") from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _exchange(process: asyncio.subprocess.Process, upload: bytes, image_format: ImageFormat) -> Result:
    assert process.stdin is not None
    assert process.stdout is not None
    asked = msgspec.msgpack.encode((image_format, RENDITIONS))
    try:
        process.stdin.write(LENGTH.pack(len(asked)) + asked + LENGTH.pack(len(upload)))
        process.stdin.write(upload)
        await process.stdin.drain()
        process.stdin.close()
        (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        if size > RESULT_BYTES_MAX:
            raise ImagingFailed("The picture could not be decoded.", detail=f"the answer has {size} bytes")
        result: Result = _DECODER.decode(await process.stdout.readexactly(size))
        return result
    except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
        raise await _why_it_ended(process, error) from error


async def _why_it_ended(process: asyncio.subprocess.Process, error: Exception) -> Exception:
    """Killed by a limit or by a flaw in a decoder: the picture's fault. Ended otherwise: ours."""
    assert process.stderr is not None
    said = (await process.stderr.read(_ERRORS_SHOWN_BYTES)).decode(errors="replace")
    status = await process.wait()
    _log.warning("imaging_ended", status=status, said=said, error=repr(error))
    if status < 0:
        return ImageTooExpensive(
            "Decoding the picture took more than it may, or made the decoder fail.", detail=f"status {status}"
        )
    return ImagingFailed("The picture could not be decoded; try again.", detail=f"status {status}: {said}")
