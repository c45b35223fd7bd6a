"""The surroundings of a candidate, cut out of the image and brought to one size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from WristQCLib.side_marker.candidates import Candidate
from WristQCLib.side_marker.letters import Floats, Mask

PATCH_LETTER_HEIGHT = 80
"""Height of the candidate in its patch, in pixels."""


@dataclass(frozen=True)
class Patch:
    """The surroundings of a candidate at `PATCH_LETTER_HEIGHT`.

    Attributes
    ----------
    grey
        (h, w), the letter bright.
    seed
        (h, w), the component of the first look.
    origin, step
        (x, y) in the image of the patch's upper left corner, and of one of its pixels.
    at_border
        Whether left, top, right, bottom are the border of the image.
    """

    grey: Floats
    seed: Mask
    origin: tuple[float, float]
    step: tuple[float, float]
    at_border: tuple[bool, bool, bool, bool]


def cut_patch(image: Floats, candidate: Candidate) -> Patch:
    """Cut out a candidate with a margin and bring it to `PATCH_LETTER_HEIGHT`."""
    from scipy import ndimage

    x0, y0, x1, y1 = candidate.box
    margin = int(np.ceil(0.35 * (y1 - y0))) + 1
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    right, bottom = min(image.shape[1], x1 + margin), min(image.shape[0], y1 + margin)
    grey = image[top:bottom, left:right]
    if candidate.dark:
        grey = 1 - grey
    if candidate.plate is not None:
        px0, py0, px1, py1 = candidate.plate
        outside = np.ones(grey.shape, bool)
        outside[max(0, py0 - top) : py1 - top, max(0, px0 - left) : px1 - left] = False
        grey = np.where(outside, np.float32(0), grey)
    scale = PATCH_LETTER_HEIGHT / (y1 - y0)
    if scale < 0.7:
        grey = ndimage.uniform_filter(grey, round(1 / scale), mode="nearest")
    shape = round(grey.shape[0] * scale), round(grey.shape[1] * scale)
    step = grey.shape[1] / shape[1], grey.shape[0] / shape[0]
    x, y = (np.arange(shape[1]) + 0.5) * step[0], (np.arange(shape[0]) + 0.5) * step[1]
    grid = np.meshgrid(y - 0.5, x - 0.5, indexing="ij")
    fine = ndimage.map_coordinates(grey, grid, order=1, mode="nearest")

    height, width = candidate.component.shape
    row = np.floor((y + top - y0) / (y1 - y0) * height).astype(int)
    column = np.floor((x + left - x0) / (x1 - x0) * width).astype(int)
    rows, columns = (row >= 0) & (row < height), (column >= 0) & (column < width)
    seed = np.zeros(shape, bool)
    seed[np.ix_(rows, columns)] = candidate.component[np.ix_(row[rows], column[columns])]
    border = (left == 0, top == 0, right == image.shape[1], bottom == image.shape[0])
    return Patch(fine, seed, (left - 0.5, top - 0.5), step, border)
