"""Draws the demo shop's pictures: flat shapes (demo_pictures.json) in the colour of what is sold.

For each `picture` that src/kokoa/roles/demo/shop.json names (`chair-teal`: a kind and a colour) four small files are
written beside it. They are committed, so that a start only copies them. Run it after adding a picture:

    .venv/bin/python tools/demo_pictures.py
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor, ImageDraw

RGB = tuple[int, ...]

SIDE, THUMBNAIL_SIDE = 480, 160
FINER = 3  # drawn so much larger, then made smaller: edges come out smooth
DEMO = Path(__file__).parents[1] / "src/kokoa/roles/demo"
BOOK: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text())


def mixed(colour: RGB, other: RGB, share: float) -> RGB:
    """`colour` with this share of `other`."""
    return tuple(round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))


def palette(colour: str) -> dict[str, RGB]:
    """The colour of each role in a picture of something that has this colour."""
    fixed = {name: ImageColor.getrgb(value) for name, value in {**BOOK["colours"], **BOOK["roles"]}.items()}
    main = fixed[colour]
    return {
        **fixed,
        "main": main,
        "dark": mixed(main, (40, 36, 44), 0.28),
        "light": mixed(main, (255, 255, 255), 0.38),
        "wall": mixed(mixed(main, (226, 221, 210), 0.78), (190, 196, 200), 0.15 if sum(main) > 600 else 0),
    }


def drawn(kind: str, colour: str) -> Image.Image:
    """The picture, in its full size."""
    colours = palette(colour)
    picture = Image.new("RGB", (SIDE * FINER, SIDE * FINER), colours["wall"])
    pen = ImageDraw.Draw(picture)
    floor = mixed(colours["wall"], (70, 60, 60), 0.10)
    pen.rectangle(scaled((0, 385, SIDE, SIDE)), fill=floor)
    pen.ellipse(scaled((80, 396, 400, 432)), fill=mixed(floor, (50, 45, 50), 0.16))
    for shape, role, *numbers in BOOK["shapes"][kind]:
        fill = mixed(colours["wall"], colours[role], 0.6) if role == "glow" else colours[role]
        draw(pen, shape, fill, numbers)
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def draw(pen: ImageDraw.ImageDraw, shape: str, fill: RGB, numbers: Sequence[int]) -> None:
    """numbers: a width first of lines and arcs; a radius or two angles last of rectangles, pies and arcs."""
    match shape:
        case "ellipse":
            pen.ellipse(scaled(numbers), fill=fill)
        case "polygon":
            pen.polygon(scaled(numbers), fill=fill)
        case "rect":
            pen.rounded_rectangle(scaled(numbers[:4]), numbers[4] * FINER, fill=fill)
        case "pie":
            pen.pieslice(scaled(numbers[:4]), numbers[4], numbers[5], fill=fill)
        case "arc":
            pen.arc(scaled(numbers[1:5]), numbers[5], numbers[6], fill=fill, width=numbers[0] * FINER)
        case "line":
            width, points = numbers[0], scaled(numbers[1:])
            pen.line(points, fill=fill, width=width * FINER, joint="curve")
            for x, y in zip(points[::2], points[1::2], strict=True):
                round_end = width * FINER / 2
                pen.ellipse((x - round_end, y - round_end, x + round_end, y + round_end), fill=fill)
        case _:
            raise ValueError(f"{shape} is no shape")


def scaled(numbers: Sequence[int]) -> list[int]:
    return [number * FINER for number in numbers]


def main() -> None:
    """Write the pictures that the shop names, and remove others."""
    shop = json.loads((DEMO / "shop.json").read_text())
    folder = DEMO / "pictures"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    names = sorted({product["picture"] for product in shop["products"]})
    for name in names:
        kind, _, colour = name.rpartition("-")
        picture = drawn(kind, colour)
        thumbnail = picture.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
        for ending, one in (("", picture), (".thumbnail", thumbnail)):
            one.save(folder / f"{name}{ending}.webp", quality=70, method=6)
            one.save(folder / f"{name}{ending}.jpg", quality=68, optimize=True)
    in_all = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{len(names)} pictures, {in_all} bytes in {folder}")


if __name__ == "__main__":
    main()
