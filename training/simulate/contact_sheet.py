"""A sheet of simulated images, beside real ones for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

CELL = (300, 380)
_GAP = 6


def contact_sheet(images: Sequence[Image.Image], columns: int) -> Image.Image:
    """Images shrunk to cells, row by row, on grey."""
    rows = -(-len(images) // columns)
    sheet = Image.new("L", (columns * CELL[0], max(rows, 1) * CELL[1]), 128)
    for i, image in enumerate(images):
        small = image.copy()
        small.thumbnail((CELL[0] - _GAP, CELL[1] - _GAP))
        sheet.paste(small, ((i % columns) * CELL[0] + 3, (i // columns) * CELL[1] + 3))
    return sheet


def read_images(folder: Path, count: int, seed: int) -> list[Image.Image]:
    """Up to `count` PNG files drawn from a folder and the folders in it, as 8-bit grey.

    Raises
    ------
    FileNotFoundError
        If there is no PNG file.
    """
    files = sorted(folder.rglob("*.png"))
    if not files:
        raise FileNotFoundError(f"'{folder}' holds no PNG files.")
    chosen = np.random.default_rng(seed).permutation(len(files))[:count]
    return [_grey(Image.open(files[i])) for i in chosen]


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        pixels = np.asarray(image, np.float32)
        return Image.fromarray((pixels * (255 / max(float(pixels.max()), 1))).astype(np.uint8))
    return image.convert("L")
