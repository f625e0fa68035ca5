"""Make the pictures of the README anew from those that the operator's story has left: `make pictures`.

Each is cut to what is in the middle, ends in a gap of the page, and has so few colours that it stays small.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
TAKEN, SHOWN = ROOT / ".artifacts" / "console", ROOT / "docs"
PICTURES = {"story-event-desktop-light": "console-event", "story-now-desktop-light": "console-now"}

MARGIN, HIGHEST, GAP = 40, 1060, 8
"""Pixels: what is cut off on either side, how high a picture may be, and how high a gap is at least."""

COLOURS = 256
LARGEST = 80_000
"""Bytes."""


def cut(page: Image.Image) -> Image.Image:
    """The upper part of the page, up to the last gap in which there is hardly anything but its ground."""
    middle = page.convert("RGB").crop((MARGIN, 0, page.width - MARGIN, min(page.height, HIGHEST)))
    ground = middle.getpixel((0, middle.height - 1))
    empty = [is_empty(middle.crop((0, row, middle.width, row + 1)), ground) for row in range(middle.height)]
    for end in range(middle.height, GAP, -1):
        if all(empty[end - GAP : end]):
            return middle.crop((0, 0, middle.width, end))
    return middle


def is_empty(row: Image.Image, ground: object) -> bool:
    found = {colour: count for count, colour in row.getcolors(row.width) or ()}
    return bool(found.get(ground, 0) >= 0.99 * row.width)


def main() -> int:
    for taken, shown in PICTURES.items():
        picture = cut(Image.open(TAKEN / f"{taken}.png")).quantize(COLOURS, dither=Image.Dither.NONE)
        file = SHOWN / f"{shown}.png"
        picture.save(file, optimize=True)
        size = file.stat().st_size
        print(f"{file.relative_to(ROOT)}: {picture.width} x {picture.height}, {size:,} bytes")
        if size > LARGEST:
            print(f"that is more than {LARGEST:,}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
