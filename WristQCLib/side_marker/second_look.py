"""Second look: a candidate binarised again at full resolution, and read as a letter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from WristQCLib.side_marker.candidates import Candidate
from WristQCLib.side_marker.letters import Floats, Mask, Match, compare
from WristQCLib.side_marker.patch import Patch, cut_patch
from WristQCLib.side_marker.reading import Box, Reading

LEVELS = (0.25, 0.4, 0.55, 0.7, 0.85)
"""Levels of binarisation between the ground's grey, 0, and the letter's, 1."""
SEPARABILITY = 0.55
"""Smallest share of the grey values' variance that binarisation explains (Otsu's criterion)."""
CONTRAST = 0.12
"""Smallest contrast with the brightest of the surroundings."""
EDGE = (4, 10)
"""The surroundings begin and end so many pixels from the letter; nearer lies its blurred edge."""


@dataclass(frozen=True)
class Shape:
    """A candidate binarised at one level; see `Reading` for what the fields mean."""

    component: Mask
    box: Box
    contrast: float
    separability: float
    cut: bool


def read_candidate(image: Floats, candidate: Candidate) -> Reading | None:
    """Binarise a candidate again at full resolution and compare it with the prepared letters."""
    found: dict[tuple[str, str], list[tuple[Match, Shape]]] = {}
    for shape in shapes(cut_patch(image, candidate), candidate.dark):
        for match in compare(shape.component):
            found.setdefault((match.letter, match.orientation), []).append((match, shape))
    for matches in found.values():
        matches.sort(key=lambda pair: -pair[0].similarity)
    ranked = sorted(found.values(), key=lambda matches: -matches[0][0].similarity)
    if not ranked or not ranked[0][0][0].letter:
        return None
    (match, shape), *at_other_levels = ranked[0]
    return Reading(
        letter=match.letter,
        orientation=match.orientation,
        turn=match.turn,
        similarity=match.similarity,
        others=ranked[1][0][0].similarity if len(ranked) > 1 else 0.0,
        steady=at_other_levels[0][0].similarity if at_other_levels else 0.0,
        box=shape.box,
        contrast=shape.contrast,
        separability=shape.separability,
        cut=shape.cut,
    )


def shapes(patch: Patch, dark: bool) -> Iterator[Shape]:
    """Binarise a patch between the candidate's grey and that of its surroundings."""
    from scipy import ndimage

    near = ndimage.binary_dilation(patch.seed, iterations=3)
    rows, columns = (np.flatnonzero(patch.seed.any(axis)) for axis in (1, 0))
    place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    ground = patch.grey[place][~near[place]]
    if not ground.size:
        return
    low, high = np.median(ground), np.percentile(patch.grey[patch.seed], 60)
    height, width = patch.grey.shape
    (x, y), (dx, dy) = patch.origin, patch.step

    for level in LEVELS:
        mask = patch.grey > low + level * (high - low)
        mask = ndimage.binary_erosion(ndimage.binary_dilation(mask), border_value=1)  # closing
        labels, _ = ndimage.label(mask)
        shared = np.bincount(labels[patch.seed], minlength=2)[1:]
        if not shared.any():
            continue  # nothing of the candidate is as bright as that
        number = int(shared.argmax()) + 1
        rows, columns = place = ndimage.find_objects(labels)[number - 1]
        reaches = (columns.start == 0, rows.start == 0, columns.stop == width, rows.stop == height)
        if any(r and not border for r, border in zip(reaches, patch.at_border, strict=True)):
            continue  # it has run into its surroundings
        if sum(reaches) > 1:
            continue  # a corner of the image outside the exposed field
        # A plate may end close to the letter, so only what it shows within the letter's box counts.
        margin = 0 if dark else EDGE[1]
        wide = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in place)
        contrast, separability = stand_out(patch.grey[wide], labels[wide] == number)
        if contrast > CONTRAST and separability > SEPARABILITY:
            box = (
                x + columns.start * dx,
                y + rows.start * dy,
                x + columns.stop * dx,
                y + rows.stop * dy,
            )
            yield Shape(labels[place] == number, box, contrast, separability, any(reaches))


def stand_out(grey: Floats, component: Mask) -> tuple[float, float]:
    """Tell how a component stands out from what surrounds it.

    Parameters
    ----------
    grey, component
        (h, w), the component with some margin.

    Returns
    -------
    contrast
        Grey of the component less that of the brightest of its surroundings.
    separability
        Share of the variance of the grey values that lies between component and surroundings, in
        [0, 1] (Otsu, IEEE Transactions on Systems, Man and Cybernetics 9, 62, 1979).
    """
    from scipy import ndimage

    outside = ndimage.distance_transform_cdt(~component)
    inside = ndimage.distance_transform_cdt(component)
    ground = grey[(outside > EDGE[0]) & (outside <= EDGE[1])]
    letter = grey[inside > min(2, inside.max() - 1)]
    if not ground.size:
        return 0.0, 0.0
    contrast = np.percentile(letter, 25) - np.percentile(ground, 85)
    between = (letter.mean() - ground.mean()) ** 2 / 4
    within = (letter.var() + ground.var()) / 2
    return float(contrast), float(between / max(between + within, 1e-9))
