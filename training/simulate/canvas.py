"""A canvas of line integrals, on which foreign objects, implants and lead markers are drawn.

What is drawn is attenuation, mu * t (dimensionless), never grey values: objects add up where they
overlap, as in an X-ray beam. Positions are pixels (x right, y down, centres at integers), lengths
are millimetres.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

Array = NDArray[np.float32]
Rectangle = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""

SUPERSAMPLING = 4
"""Filled shapes are drawn this many times larger and averaged, which smooths their outlines."""


class Canvas:
    """Line integrals mu * t over an image.

    Parameters
    ----------
    shape
        Rows and columns.
    spacing
        Millimetres per pixel.
    """

    def __init__(self, shape: tuple[int, int], spacing: float) -> None:
        self.spacing = spacing
        self.mu_t: Array = np.zeros(shape, np.float32)

    def add(self, other: Canvas) -> None:
        self.mu_t += other.mu_t

    def blank(self) -> Canvas:
        """An empty canvas of the same size."""
        return Canvas(self.mu_t.shape, self.spacing)  # type: ignore[arg-type]

    def stroke(self, points: ArrayLike, radius_mm: float, mu: float, *, bore: float = 0.0) -> None:
        """Draw a round wire or tube along a polyline.

        Parameters
        ----------
        points
            (N, 2) pixel positions.
        radius_mm
            Outer radius.
        mu
            Attenuation per millimetre; the middle of a solid wire shows ``2 * radius_mm * mu``.
        bore
            Inner radius as a fraction of the outer one; 0 is solid.
        """
        path = np.asarray(points, float)
        radius = max(radius_mm / self.spacing, 0.35)
        reach = radius + 1.0
        rows, cols = self.mu_t.shape
        x0, y0, x1, y1 = _window(path, reach, (rows, cols))
        if x1 <= x0 or y1 <= y0:
            return
        distance = np.full((y1 - y0, x1 - x0), np.inf, np.float32)
        for start, end in itertools.pairwise(path):
            a0, b0, a1, b1 = _window(np.stack([start, end]), reach, (rows, cols))
            if a1 <= a0 or b1 <= b0:
                continue
            px = np.arange(a0, a1, dtype=np.float32)[None, :] - start[0]
            py = np.arange(b0, b1, dtype=np.float32)[:, None] - start[1]
            dx, dy = end - start
            length2 = max(dx * dx + dy * dy, 1e-9)
            t = np.clip((px * dx + py * dy) / length2, 0, 1)
            part = distance[b0 - y0 : b1 - y0, a0 - x0 : a1 - x0]
            np.minimum(part, np.hypot(px - t * dx, py - t * dy), out=part)
        # Half a pixel of softness stands for the area of the pixel.
        chord = _chord(distance, radius)
        if bore > 0:
            chord -= _chord(distance, radius * bore)
        self.mu_t[y0:y1, x0:x1] += chord * np.float32(mu * radius_mm / radius)

    def fill(
        self, polygons: Sequence[ArrayLike], mu_t: float, *, holes: Sequence[ArrayLike] = ()
    ) -> None:
        """Add a flat sheet of `mu_t` within the union of `polygons`, less the union of `holes`."""
        outlines = [np.asarray(p, float) for p in polygons]
        x0, y0, x1, y1 = _window(np.concatenate(outlines), 1.0, self.mu_t.shape)
        if x1 <= x0 or y1 <= y0:
            return
        n = SUPERSAMPLING
        sheet = Image.new("L", ((x1 - x0) * n, (y1 - y0) * n))
        draw = ImageDraw.Draw(sheet)
        for ink, group in ((255, outlines), (0, [np.asarray(h, float) for h in holes])):
            for outline in group:
                corners = (outline - (x0, y0) + 0.5) * n - 0.5
                draw.polygon([(float(x), float(y)) for x, y in corners], fill=ink)
        self.mu_t[y0:y1, x0:x1] += np.asarray(sheet.reduce(n), np.float32) * np.float32(mu_t / 255)

    def stamp(
        self,
        mask: NDArray[np.float32],
        centre: tuple[float, float],
        height_mm: float,
        rotation_deg: float,
        mu_t: float,
    ) -> Rectangle | None:
        """Add a mask (values 0 to 1) scaled to `height_mm`, rotated clockwise about its centre.

        Returns
        -------
        The upright rectangle around the ink, not clipped to the image; None for an empty mask.
        """
        rows, cols = mask.shape
        scale = height_mm / self.spacing / rows
        angle = math.radians(rotation_deg)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        ink = np.argwhere(mask > 0.5)[:, ::-1]
        if not len(ink):
            return None
        middle = np.array([(cols - 1) / 2, (rows - 1) / 2])
        edge = np.concatenate(
            [ink + o for o in ((-0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (0.5, -0.5))]
        )
        placed = (edge - middle) @ (turn.T * scale) + centre
        (left, top), (right, bottom) = placed.min(0), placed.max(0)
        x0, y0, x1, y1 = _window(placed, 1.0, self.mu_t.shape)
        if x1 > x0 and y1 > y0:
            # Pillow maps output pixels to input ones: the inverse turn, at supersampled size.
            n = SUPERSAMPLING
            back = turn.T / (scale * n)
            origin = np.array([(0.5 / n - 0.5) + x0 - centre[0], (0.5 / n - 0.5) + y0 - centre[1]])
            offset = turn.T @ origin / scale + middle + 0.5 - back @ (0.5, 0.5)
            source = Image.fromarray((mask * 255).astype(np.uint8))
            if scale * n < 1:
                shrink = max(1, round(1 / (scale * n)))
                source = source.reduce(shrink)
                back, offset = back / shrink, offset / shrink
            sheet = source.transform(
                ((x1 - x0) * n, (y1 - y0) * n),
                Image.Transform.AFFINE,
                (back[0, 0], back[0, 1], offset[0], back[1, 0], back[1, 1], offset[1]),
                Image.Resampling.BILINEAR,
            ).reduce(n)
            self.mu_t[y0:y1, x0:x1] += np.asarray(sheet, np.float32) * np.float32(mu_t / 255)
        return float(left), float(top), float(right), float(bottom)


def ellipse(
    centre: tuple[float, float],
    a: float,
    b: float,
    rotation_deg: float = 0.0,
    n: int = 64,
    start: float = 0.0,
    end: float = 2 * math.pi,
) -> NDArray[np.float64]:
    """(n, 2) points of an ellipse (or an arc of it) with half axes `a` and `b`, in pixels."""
    t = np.linspace(start, end, n)
    angle = math.radians(rotation_deg)
    x, y = a * np.cos(t), b * np.sin(t)
    return np.stack(
        [
            centre[0] + x * math.cos(angle) - y * math.sin(angle),
            centre[1] + x * math.sin(angle) + y * math.cos(angle),
        ],
        axis=1,
    )


def strip(start: ArrayLike, end: ArrayLike, half_width: float) -> NDArray[np.float64]:
    """The four corners of a straight strip from `start` to `end`, in pixels."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    along = (b - a) / max(float(np.hypot(*(b - a))), 1e-9)
    side = np.array([-along[1], along[0]]) * half_width
    return np.stack([a + side, b + side, b - side, a - side])


FONT_FILES: tuple[str, ...] = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansDisplay.ttf", "STIXGeneral.ttf",
    "STIXGeneralBol.ttf", "cmss10.ttf", "cmb10.ttf", "cmtt10.ttf", "cmr10.ttf",
)  # fmt: skip
"""Fonts that come with matplotlib, so that every machine draws the same letters."""


@lru_cache(maxsize=64)
def text_mask(text: str, font_file: str, height: int = 96) -> NDArray[np.float32]:
    """(rows, cols) mask of `text`, 0 to 1, cropped to its ink."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / font_file
    font = ImageFont.truetype(str(path), height)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (int(right - left) + 8, int(bottom - top) + 8))
    ImageDraw.Draw(image).text((4 - left, 4 - top), text, font=font, fill=255)
    box = image.getbbox()
    if box is None:
        return np.zeros((1, 1), np.float32)
    return (np.asarray(image.crop(box)) / 255).astype(np.float32)


def _window(
    points: NDArray[np.float64], reach: float, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 (exclusive) of the pixels within `reach` of the points' box, in the image."""
    low, high = points.min(0) - reach, points.max(0) + reach
    return (
        max(0, math.floor(low[0])),
        max(0, math.floor(low[1])),
        min(shape[1], math.ceil(high[0]) + 1),
        min(shape[0], math.ceil(high[1]) + 1),
    )


def _chord(distance: Array, radius: float) -> Array:
    """Path length through a cylinder of `radius` at `distance` from its axis, its rim soft."""
    chord: Array = 2 * np.sqrt(np.clip(radius**2 - distance**2, 0, None))
    rim = np.clip(radius + 0.5 - distance, 0, 1)
    softened: Array = (np.maximum(chord, 0.6 * radius * rim) * rim).astype(np.float32)
    return softened
