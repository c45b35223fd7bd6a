"""Sheets of radiographs to be looked at: simulated ones alone, or with real ones beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from training.labels import label_paths, read_label
from WristQCLib.findings import View

CELL = (300, 380)
_GAP = 6
_BACKGROUND = (70, 70, 90)
_COLOURS = {"point": (90, 255, 90), "polygon": (255, 80, 80), "rectangle": (255, 220, 60)}


def contact_sheet(images: Sequence[Image.Image], columns: int) -> Image.Image:
    """Images shrunk to cells, row by row."""
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * CELL[0], max(rows, 1) * CELL[1]), _BACKGROUND)
    for i, image in enumerate(images):
        small = image.copy()
        small.thumbnail((CELL[0] - _GAP, CELL[1] - _GAP))
        sheet.paste(small, ((i % columns) * CELL[0] + 3, (i // columns) * CELL[1] + 3))
    return sheet


def comparison_sheet(
    simulated: Sequence[Image.Image], real: Sequence[Image.Image], columns: int
) -> Image.Image:
    """Simulated images in the left half, real ones in the right half, each `columns` wide."""
    left, right = contact_sheet(simulated, columns), contact_sheet(real, columns)
    height = max(left.height, right.height)
    sheet = Image.new("RGB", (left.width + right.width + 2 * _GAP, height), (255, 255, 255))
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + 2 * _GAP, 0))
    return sheet


def read_images(
    folder: Path,
    count: int,
    seed: int,
    *,
    view: View | None = None,
    artefact: bool | None = None,
    labels: bool = False,
) -> list[Image.Image]:
    """Up to `count` images drawn from a folder and the folders in it.

    Parameters
    ----------
    folder
        Holds Labelme files, or PNG files alone.
    count, seed
        How many, and which.
    view, artefact
        Only images of this view, and only those with (or without) a foreign object. They need
        labels.
    labels
        Whether to draw the labels.

    Raises
    ------
    FileNotFoundError
        If there is no such image.
    """
    paths = label_paths(folder)
    if paths:
        files = [
            path
            for path in paths
            for label in [read_label(path)]
            if (view is None or label.view is view)
            and (artefact is None or label.artefact is artefact)
        ]
    else:
        files = sorted(folder.rglob("*.png"))
    if not files:
        raise FileNotFoundError(f"'{folder}' holds no such images.")
    chosen = np.random.default_rng(seed).permutation(len(files))[:count]
    return [_read(files[i], labels) for i in chosen]


def _read(path: Path, labels: bool) -> Image.Image:
    if path.suffix != ".json":
        return _shown(Image.open(path))
    image = _shown(Image.open(read_label(path).image_path))
    if labels:
        _draw_labels(image, path)
    return image


def _draw_labels(image: Image.Image, path: Path) -> None:
    draw = ImageDraw.Draw(image)
    width = max(1, round(max(image.size) / 350))
    for shape in json.loads(path.read_text(encoding="utf-8"))["shapes"]:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        colour = _COLOURS.get(shape["shape_type"], (255, 255, 255))
        if shape["shape_type"] == "point":
            (x, y), r = points[0], 3 * width
            draw.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=width)
        elif shape["shape_type"] == "rectangle":
            (xs, ys) = zip(*points, strict=True)
            draw.rectangle((min(xs), min(ys), max(xs), max(ys)), outline=colour, width=width)
        elif len(points) > 1:
            draw.line([*points, points[0]], fill=colour, width=width)


def _shown(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        pixels = np.asarray(image, np.float32)
        image = Image.fromarray((pixels * (255 / max(float(pixels.max()), 1))).astype(np.uint8))
    return image.convert("RGB")
