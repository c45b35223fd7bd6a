"""What can be seen of foreign objects in the image that is presented, and where.

An object counts only when a reader could see it: the image is rendered with and without it, and
their difference is held against what else varies in its surroundings, noise and anatomy alike.
Rendering for this is done at about 0.8 mm per pixel, near what the eye takes in of a whole image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from training.simulate.detector import Detector, expose_detector, smooth
from training.simulate.presentation import Look, enhanced, fitted_curve, grey_values

Array = NDArray[np.float32]
Polygon = NDArray[np.float64]

SEEN_AT_MM = 0.8
DETAIL_MM = 4.0
"""Contrast against surroundings of this width is what makes an edge; slower changes pass unseen."""
LEAST_GREY = 0.02
"""Grey step, of the whole range, that is never seen, however smooth the surroundings."""
LEAST_SCORE = 30.0
"""Visible area in mm2, weighted by contrast over clutter, from which an object counts."""
_MOST_POLYGONS = 12
_LEAST_AREA_MM2 = 1.5
_SMALL_HOLE_MM2 = 25.0


@dataclass(frozen=True)
class Seen:
    """How well an object is seen.

    Attributes
    ----------
    score
        Area in mm2 weighted by the contrast-to-clutter ratio beyond 1 (at most 3 each).
    polygons
        Outlines of what is seen, (n, 2) in pixels of the image (x right, y down). They enclose no
        holes: a ring is slit.
    """

    score: float
    polygons: tuple[Polygon, ...]

    @property
    def counts(self) -> bool:
        return self.score >= LEAST_SCORE and bool(self.polygons)


def seen_objects(
    parts: Sequence[Array],
    rest: Array,
    aperture: Array,
    reference: NDArray[np.bool_],
    spacing: float,
    detector: Detector,
    look: Look,
    seed: int,
) -> list[Seen]:
    """Judge each of the objects in one image.

    Parameters
    ----------
    parts
        Line integrals mu * t of each object, (rows, cols).
    rest
        Those of everything else in the beam.
    aperture
        Share of the beam that passes the collimator.
    reference
        Where the grey curve is fitted.
    spacing
        Millimetres per pixel.
    detector, look
        The exposure and its processing.
    seed
        Of the noise, which is the same with and without an object.
    """
    factor = max(1, round(SEEN_AT_MM / spacing))
    pitch = spacing * factor
    small = [_reduced(part, factor) for part in parts]
    everything = _reduced(rest, factor) + np.sum(small, axis=0)
    window, fitted = _reduced(aperture, factor), _reduced(reference.astype(np.float32), factor)

    def density(mu_t: Array) -> Array:
        noise = np.random.default_rng(seed)
        signal = expose_detector(mu_t, window, pitch, detector, noise)
        return enhanced(signal, pitch, look)

    shown = density(everything)
    curve = fitted_curve(shown, fitted > 0.5, look)
    with_all = grey_values(shown, curve, look)
    # Two rims are left out: beyond the field, and the pixel that the field's edge runs through.
    exposed = ndimage.binary_erosion(window > 0.5, border_value=1)
    found = []
    for part in small:
        without = grey_values(density(everything - part), curve, look)
        found.append(_seen(part, with_all - without, without, exposed, pitch, factor))
    return found


def _seen(
    part: Array,
    difference: Array,
    without: Array,
    exposed: NDArray[np.bool_],
    pitch: float,
    factor: int,
) -> Seen:
    clutter_of = without - smooth(without, DETAIL_MM / pitch)
    clutter = np.sqrt(np.maximum(smooth(clutter_of**2, DETAIL_MM / pitch), 0.0))
    local = np.abs(difference - smooth(difference, DETAIL_MM / pitch))
    there = exposed & (ndimage.maximum_filter(part, 3) > 0.01)
    ratio = local / np.maximum(clutter, LEAST_GREY)
    score = float(np.clip(ratio - 1.0, 0.0, 3.0)[there].sum()) * pitch**2
    # Within a sheet, enhancement makes the difference swing through zero: its surroundings tell.
    around = ndimage.maximum_filter(np.abs(difference), round(DETAIL_MM / pitch))
    extent = exposed & (part > 0.01) & (around > np.maximum(LEAST_GREY, 0.5 * clutter))
    extent = ndimage.binary_closing(np.pad(extent, 2), iterations=1)[2:-2, 2:-2]
    extent = ~_without_small(~extent, _SMALL_HOLE_MM2 / pitch**2)
    return Seen(score, outlines(extent, pitch, factor))


def outlines(mask: NDArray[np.bool_], pitch: float = 1.0, factor: int = 1) -> tuple[Polygon, ...]:
    """Outlines of a mask's parts, the largest first.

    Parameters
    ----------
    mask
        (rows, cols).
    pitch
        Millimetres per pixel of the mask.
    factor
        Image pixels per pixel of the mask; the outlines are in image pixels.
    """
    regions, count = ndimage.label(mask)
    if not count:
        return ()
    areas = np.bincount(regions.ravel())[1:] * pitch**2
    chosen = [i for i in np.argsort(-areas) if areas[i] >= _LEAST_AREA_MM2][:_MOST_POLYGONS]
    polygons = []
    boxes = ndimage.find_objects(regions)
    for index in chosen:
        rows, cols = boxes[index]
        region = _slit(np.pad(regions[rows, cols] == index + 1, 1))
        longest = max(find_contours(region.astype(float), 0.5), key=len)
        corners = approximate_polygon(longest, 0.4)[:-1, ::-1]
        corners = np.add(corners, (cols.start - 1, rows.start - 1))
        if len(corners) >= 3:
            polygons.append((corners + 0.5) * factor - 0.5)
    return tuple(polygons)


def _slit(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Open the holes of one region to its outside by cuts straight down, one pixel wide."""
    holes, count = ndimage.label(ndimage.binary_fill_holes(region) & ~region)
    for index in range(1, count + 1):
        rows, cols = np.nonzero(holes == index)
        lowest = int(rows.argmax())
        column = region[rows[lowest] + 1 :, cols[lowest]]
        solid = int(np.argmin(column))  # down to the next gap: another hole, or the outside
        column[:solid] = False
    return region


def _without_small(mask: NDArray[np.bool_], pixels: float) -> NDArray[np.bool_]:
    """A mask without its parts of fewer pixels."""
    regions, _ = ndimage.label(mask)
    large = np.bincount(regions.ravel()) >= pixels
    large[0] = False
    return np.asarray(large[regions])


def _reduced(image: Array, factor: int) -> Array:
    """Means over blocks of pixels."""
    if factor == 1:
        return image
    return np.asarray(Image.fromarray(image).reduce(factor), np.float32)
