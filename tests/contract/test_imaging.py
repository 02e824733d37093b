"""The process that decodes pictures: what it makes of good ones, what it says of bad ones, and what it cannot do."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from contract.pictures import BLUE, GREEN, RED, animated, halves, near, opened, picture, png_of_size, with_metadata
from kokoa.kernel.errors import KokoaError
from kokoa.services.catalog.media import imaging_process
from kokoa.services.catalog.media.errors import (
    ImageDamaged,
    ImagesBusy,
    ImageTooExpensive,
    ImageTooLarge,
    ImageTruncated,
    ImagingFailed,
)
from kokoa.services.catalog.media.imaging_process import WAITING_MAX, WAITING_OF_ENVIRONMENT_MAX, Imaging
from kokoa.services.catalog.media.model import FILE_NAMES, sniffed


async def rendered(upload: bytes) -> tuple[tuple[int, int], dict[str, Image.Image]]:
    """The size of the original, and every rendition opened."""
    result = await Imaging().render(upload, sniffed(upload), key="a")
    return (result.width, result.height), {one.name: opened(one.content) for one in result.renditions}


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
async def test_every_format_becomes_every_rendition(image_format: str) -> None:
    size, found = await rendered(halves(image_format))
    assert size == (40, 20)
    assert found.keys() == FILE_NAMES
    assert {name.rpartition(".")[2]: image.format for name, image in found.items()} == {"webp": "WEBP", "jpg": "JPEG"}
    for name, image in found.items():
        assert image.size == (40, 20), name  # nothing is made larger than it is
        assert near(image.getpixel((5, 10)), RED, 40), name
        assert near(image.getpixel((35, 10)), BLUE, 40), name


async def test_renditions_are_bounded_by_their_longer_side() -> None:
    size, found = await rendered(picture("JPEG", (1000, 2500)))
    assert size == (1000, 2500)
    sizes = {name.partition(".")[0]: image.size for name, image in found.items()}
    assert sizes == {
        "thumbnail": (64, 160),
        "small": (192, 480),
        "medium": (384, 960),
        "large": (768, 1920),
        "original": (1000, 2500),
    }


async def test_a_picture_is_turned_as_it_says_and_tells_nothing_else() -> None:
    upload = with_metadata()
    assert b"SECRET-DESCRIPTION" in upload
    assert b"SECRET-COMMENT" in upload
    result = await Imaging().render(upload, "JPEG", key="a")
    assert (result.width, result.height) == (20, 40)
    for one in result.renditions:
        image = opened(one.content)
        assert image.size == (20, 40)
        assert near(image.getpixel((10, 5)), RED, 40), one.name  # what was left is on top
        assert near(image.getpixel((10, 35)), BLUE, 40), one.name
        assert not image.getexif()
        assert not {"exif", "icc_profile", "comment", "xmp"} & image.info.keys(), one.name
        assert b"SECRET" not in one.content


async def test_of_an_animation_the_first_frame_is_shown() -> None:
    _, found = await rendered(animated())
    assert near(found["original.webp"].getpixel((20, 10)), RED, 40)


async def test_colours_of_print_and_of_sixteen_bits_become_those_of_screens() -> None:
    _, cmyk = await rendered(picture("JPEG", mode="CMYK", colour=(255, 0, 255, 0)))
    assert near(cmyk["original.jpg"].getpixel((5, 5)), (0, 255, 0), 60)
    _, deep = await rendered(picture("PNG", mode="I;16", colour=32_768))
    assert near(deep["original.jpg"].getpixel((5, 5)), (128, 128, 128), 10)
    _, grey = await rendered(picture("PNG", mode="L", colour=200))
    assert near(grey["medium.webp"].getpixel((5, 5)), (200, 200, 200), 10)
    _, palette = await rendered(picture("PNG", mode="P", colour=0))
    assert palette["medium.webp"].mode == "RGB"


async def test_what_is_transparent_stays_so_in_webp_and_is_white_in_jpeg() -> None:
    _, found = await rendered(picture("PNG", mode="RGBA", colour=(*GREEN, 0)))
    seen = found["medium.webp"].getpixel((5, 5))
    assert isinstance(seen, tuple)
    assert seen[3] == 0
    assert near(found["medium.jpg"].getpixel((5, 5)), (255, 255, 255), 3)


def bad_pictures() -> dict[str, tuple[bytes, type[KokoaError]]]:
    noise = bytes(n * n * 31 % 251 for n in range(4_000))  # the same each time
    jpeg = halves("JPEG", quality=95)
    return {
        "a bomb by its header": (png_of_size(50_000, 50_000), ImageTooLarge),
        "a bomb by its data": (png_of_size(60_000, 60_000, data=bytes(20_000_000)), ImageTooLarge),
        "one pixel too many": (png_of_size(10_001, 5_000), ImageTooLarge),
        "too long a side": (png_of_size(16_384, 1), ImageTooLarge),
        "no width": (png_of_size(0, 10), ImageDamaged),
        "cut in the middle": (jpeg[: len(jpeg) // 2 + 100], ImageTruncated),
        "only a header": (jpeg[:20], ImageDamaged),
        "noise behind a signature": (b"\xff\xd8\xff" + noise, ImageDamaged),
        "noise behind WebP's": (b"RIFF\xff\xff\xff\x7fWEBP" + noise, ImageDamaged),
        "noise behind AVIF's": (b"\x00\x00\x00\x1cftypavif" + noise, ImageDamaged),
        "noise behind GIF's": (b"GIF89a\x0a\x00\x0a\x00" + noise, ImageDamaged),
        "a PNG that says it is a JPEG": (b"\xff\xd8\xff" + picture("PNG"), ImageDamaged),
        "data of another size": (png_of_size(100, 100, data=b"few"), ImageTruncated),
    }


@pytest.mark.parametrize("name", bad_pictures())
async def test_every_bad_picture_has_its_error(name: str) -> None:
    upload, error = bad_pictures()[name]
    with pytest.raises((error, ImageDamaged) if error is ImageTruncated else error) as caught:
        await Imaging().render(upload, sniffed(upload), key="a")
    assert "Traceback" not in caught.value.message


PROBES = {
    "a user that others have": f"[0, 65_534].index(os.getuid() if {os.geteuid()} == 0 else -1)",
    "a file to read": "open('/etc/passwd')",
    "a file to write": "open('{folder}/out', 'w')",
    "a socket": "__import__('socket').socket()",
    "another process": "os.fork() or os._exit(0)",
    "its parent's signals": "os.kill(os.getppid(), 0)",
    "more memory": "bytes(3 * 1024**3)",
    "its limits back": "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
    "our secrets": "os.environ['PATH']",
}


@pytest.mark.parametrize("name", PROBES)
async def test_a_decoder_that_was_taken_over_gets(name: str, tmp_path: Path) -> None:
    """Code where the decoder's would run: after `confine`, in a child that was started like the real one."""
    if name == "its parent's signals" and os.geteuid() != 0:
        pytest.skip("without root a child has its parent's user; its signals are the one thing left")
    attempt = PROBES[name].format(folder=tmp_path)
    program = (
        "import os, resource, socket, sys\n"
        "from kokoa.services.catalog.media.imaging import confine\n"
        f"confine()\ntry:\n    {attempt}\nexcept BaseException as error:\n"
        "    sys.stdout.write('refused')\nelse:\n    sys.stdout.write('done')\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", program, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, env={}
    )
    said, _ = await process.communicate()
    assert said == b"refused"


def fake(program: str) -> Imaging:
    """Imaging whose child is something else."""
    return Imaging((sys.executable, "-I", "-c", program))


async def test_what_a_child_does_wrong_is_told_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    upload = picture()
    with pytest.raises(ImagingFailed):
        await fake("raise SystemExit(3)").render(upload, "PNG", key="a")
    with pytest.raises(ImageTooExpensive):
        await fake("import os; os.kill(os.getpid(), 11)").render(upload, "PNG", key="a")
    huge = "import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write(b'\\xff\\xff\\xff\\xff'); sys.stdout.flush()"
    with pytest.raises(ImagingFailed):
        await fake(huge).render(upload, "PNG", key="a")
    nonsense = "import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write(b'\\0\\0\\0\\x02ab'); sys.stdout.flush()"
    with pytest.raises(ImagingFailed):
        await fake(nonsense).render(upload, "PNG", key="a")
    monkeypatch.setattr(imaging_process, "TIMEOUT_S", 0.2)
    with pytest.raises(ImageTooExpensive):
        await fake("import signal; signal.pause()").render(upload, "PNG", key="a")


async def test_few_wait_fewer_of_one_store_and_the_next_is_told_to_come_again() -> None:
    imaging, upload = Imaging(), picture()
    keys = ["a"] * (WAITING_OF_ENVIRONMENT_MAX + 2) + ["b"] * WAITING_OF_ENVIRONMENT_MAX + ["c"]
    asked = [asyncio.create_task(imaging.render(upload, "PNG", key=key)) for key in keys]
    done = await asyncio.gather(*asked, return_exceptions=True)
    refused = [key for key, one in zip(keys, done, strict=True) if isinstance(one, ImagesBusy)]
    assert refused == ["a", "a", "c"]
    assert sum(not isinstance(one, BaseException) for one in done) == WAITING_MAX
    assert await imaging.render(upload, "PNG", key="c")
