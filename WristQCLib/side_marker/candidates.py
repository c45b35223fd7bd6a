"""First look: where in the image something resembles a letter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from WristQCLib.side_marker.letters import Floats, Mask, resemblance

PixelBox = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in whole pixels of the image, x1 and y1 exclusive."""

REDUCED_HEIGHT = 11
"""Letters are 11 to 22 pixels high at the reduced resolutions."""
BRIGHT_LEVELS = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)
DARK_LEVELS = (0.25, 0.5, 0.75, 0.9)
RAISED_LEVELS = (0.1, 0.2, 0.35)
CONTRAST = 0.12
"""Smallest contrast of a component with the rest of its box."""
SIMILARITY = 0.75
"""Smallest resemblance to a letter, see `resemblance`."""
MOST_CANDIDATES = 16


@dataclass(frozen=True)
class Candidate:
    """A component of the first look.

    Attributes
    ----------
    box
        Where it lies.
    component
        (h, w), the component in its box at the reduced resolution.
    dark
        The letter is darker than its surroundings.
    contrast
        With the rest of its box.
    plate
        Box of the bright plate that the letter is cut out of, if that was what was found.
    """

    box: PixelBox
    component: Mask
    dark: bool
    contrast: float
    plate: PixelBox | None = None


def find_candidates(image: Floats, heights: tuple[float, float]) -> list[Candidate]:
    """First look: components that resemble a letter, the best for each place, best first."""
    components = list(find_components(image, heights))
    if not components:
        return []
    similarities = resemblance([c.component for c in components])
    # Lead is bright: of shapes that are equally similar, those that stand out come first.
    merit = similarities + 0.2 * np.array([c.contrast for c in components])
    merit[similarities < SIMILARITY] = 0

    kept: list[Candidate] = []
    for index in np.argsort(-merit, kind="stable"):
        if not merit[index] or len(kept) == MOST_CANDIDATES:
            break
        candidate = components[index]
        if all(
            (c.dark, c.plate is None) != (candidate.dark, candidate.plate is None)
            or overlap(c.box, candidate.box) < 0.6
            for c in kept
        ):
            kept.append(candidate)
    return kept


def find_components(image: Floats, heights: tuple[float, float]) -> Iterator[Candidate]:
    """Binarise at reduced resolutions; give every component of a letter's size and contrast.

    Parameters
    ----------
    image
        (rows, columns) in [0, 1].
    heights
        Smallest and largest height of a letter in pixels of the image.
    """
    factor = max(1, int(heights[0] // REDUCED_HEIGHT))
    while REDUCED_HEIGHT * factor <= heights[1]:
        reduced = block_mean(image, factor)
        for dark in (False, True):
            grey = 1 - reduced if dark else reduced
            for mask in binarised(grey, dark):
                yield from components_like_letters(mask, grey, dark, factor)
        factor *= 2


def components_like_letters(
    mask: Mask, grey: Floats, dark: bool, factor: int
) -> Iterator[Candidate]:
    """Give the components of a binarised image that have a letter's size, fill and contrast.

    Parameters
    ----------
    mask, grey
        (rows, columns) at reduced resolution, binarised, and the letter bright.
    dark
        Letters that are darker than their surroundings are sought; else letters in plates, too.
    factor
        How much the resolution is reduced.
    """
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        height, width = (side.stop - side.start for side in place)
        if not 0.8 * REDUCED_HEIGHT <= height <= 2.2 * REDUCED_HEIGHT:
            continue
        if not 0.3 * height <= width <= 1.8 * height:
            continue
        component = labels[place] == number
        if fills_as_letters_do(component):
            contrast = contrast_in_box(component, grey[place])
            if contrast >= CONTRAST:
                yield Candidate(scaled(place, factor), component, dark, contrast)
        if not dark and is_plate(component):
            yield from letters_in_plate(mask, grey, place, factor)


def binarised(grey: Floats, dark: bool) -> Iterator[Mask]:
    """Compare the image with every level; for bright letters its white top-hat with some more."""
    from scipy import ndimage

    for level in DARK_LEVELS if dark else BRIGHT_LEVELS:
        yield grey > level
    if not dark:
        raised = grey - ndimage.grey_opening(grey, (9, 9))
        for level in RAISED_LEVELS:
            yield raised > level


def block_mean(image: Floats, factor: int) -> Floats:
    """Reduce an image by averaging blocks; rows and columns that do not fill one are dropped."""
    if factor == 1:
        return image
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    blocks = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    means: Floats = blocks.mean((1, 3), dtype=np.float32)
    return means


def scaled(place: tuple[slice, slice], factor: int) -> PixelBox:
    """Box in the image, (x0, y0, x1, y1), of rows and columns at reduced resolution."""
    rows, columns = place
    x0, y0, x1, y1 = columns.start, rows.start, columns.stop, rows.stop
    return factor * x0, factor * y0, factor * x1, factor * y1


def fills_as_letters_do(component: Mask) -> bool:
    """Whether a component fills as much of its box as an L or an R of any weight does."""
    return bool(0.1 <= component.mean() <= 0.75)


def contrast_in_box(component: Mask, grey: Floats) -> float:
    """Mean grey of a component less that of the rest of its box."""
    return float(grey[component].mean() - grey[~component].mean())


def is_plate(component: Mask) -> bool:
    """Whether a component is an upright rectangle, up to a letter that is cut out of it."""
    edges = (component[0], component[-1], component[:, 0], component[:, -1])
    return bool(component.mean() > 0.5 and np.mean(np.concatenate(edges)) > 0.7)


def letters_in_plate(
    mask: Mask, grey: Floats, plate: tuple[slice, slice], factor: int
) -> Iterator[Candidate]:
    """Give what is dark in the box of a plate; it may reach the plate's edge.

    Parameters
    ----------
    mask, grey
        (rows, columns) at reduced resolution: binarised, and its grey values.
    plate
        Rows and columns of the plate.
    factor
        How much the resolution is reduced.
    """
    from scipy import ndimage

    (top, height), (left, width) = ((side.start, side.stop - side.start) for side in plate)
    labels, _ = ndimage.label(~mask[plate])
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        component = labels[rows, columns] == number
        if (
            component.shape[0] >= 0.5 * height
            and component.shape[1] >= 0.2 * width
            and fills_as_letters_do(component)
        ):
            place = (
                slice(top + rows.start, top + rows.stop),
                slice(left + columns.start, left + columns.stop),
            )
            contrast = contrast_in_box(component, 1 - grey[place])
            yield Candidate(scaled(place, factor), component, True, contrast, scaled(plate, factor))


def overlap(a: PixelBox, b: PixelBox) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)
