"""What anatomy says about where keypoints can lie relative to each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from WristQCLib.findings import View
from WristQCLib.models.preprocessing import FloatImage

Points = npt.NDArray[np.float64]
Positions = Mapping[str, tuple[float, float]]

FOREARM = ("scaphoid_centre", "distal_radius_centre")
"""The direction from the first to the second points along the forearm, away from the hand."""

THUMB = "thumb_mcp_joint"
STYLOIDS = ("radial_styloid", "ulnar_styloid")

PROXIMAL = ("proximal_radius_centre", "proximal_ulna_centre")
DISTAL = ("distal_radius_centre", "distal_ulna_centre")

SHAFTS = tuple(zip(DISTAL, PROXIMAL, strict=True))
"""The keypoints at the ends of each of the forearm's shafts: the radius', then the ulna's."""

PROXIMAL_LIMIT_MM = 120.0
"""The proximal centres lie not more than 12 cm from the wrist (specification, section 2)."""


def forearm_axis(view: View, points: Mapping[str, tuple[float, float]]) -> Points | None:
    """Where the forearm begins and which way it goes, in pixels: ((x, y), (dx, dy)).

    None in a frontal view, which has no proximal points, and without both points of `FOREARM`.
    """
    if view is not View.LATERAL or any(name not in points for name in FOREARM):
        return None
    hand, forearm = (np.array(points[name]) for name in FOREARM)
    return np.stack([forearm, forearm - hand])


def beyond(axis: Points, positions: Points) -> npt.NDArray[np.bool_]:
    """Which positions (..., 2) lie beyond the axis's start in its direction.

    Both ends of the image show bones that leave it; the proximal points lie at the forearm's.
    """
    start, direction = axis
    return np.asarray((positions - start) @ direction > 0.0)


def on_ulnar_side(points: Positions) -> bool:
    """Whether what was taken for the thumb's joint lies on the hand's ulnar side: a finger's does.

    Each side of the line that stands at right angles on the middle between the styloids is one of
    the hand's. Of 1430 labelled thumbs, 60 of them real, the nearest to it lies on the radial side
    by 0.18 of the styloids' distance. False where one of the three points is missing.
    """
    if any(name not in points for name in (THUMB, *STYLOIDS)):
        return False
    thumb, radial, ulnar = (np.array(points[name]) for name in (THUMB, *STYLOIDS))
    return bool((thumb - (ulnar + radial) / 2.0) @ (radial - ulnar) < 0.0)


UNIT_MM = (15.0, 25.0)
"""From the scaphoid's centre to the distal radius', whatever the age and the projection."""

FIELD_HALF_WIDTH = 0.5
"""Half width of the strip along a shaft that tells exposed from collimated, in that unit: a shaft
and the soft tissue on its sides, which are never of one grey as a shutter is."""

SHUTTER_BAND, EXPOSED_SHARE = 0.05, 0.25
"""Grey values this near to the shutter's are its own; a step of the strip with a larger share of
others is exposed."""

SHUTTER_NOISE = 0.2
"""... or this near, as a share of what the distal bone differs from the shutter by: what was
collimated away is bright and of uneven grey with some detectors."""

SHUTTER_WIDTH = 0.3
"""Least width of a shutter, in that unit: what lies beyond (burnt-in text) is not of the field."""

NEAR_END = 0.1
"""A point that ends its shaft within this share of the shaft's length is left where it was seen."""

CLEARLY_NEAR = 0.45
"""A point that is clearly seen to end its shaft is not that far from the end, in that unit: it is
the shutter that is of uneven grey. Of 1150 simulated laterals that were not trained on, 97 points
were rightly moved farther, all with peaks lower than 0.4; of 21 that were wrongly moved so far, 14
had higher ones."""


def shown_length(image: FloatImage, start: Points, towards: Points, unit: float) -> float:
    """How far a shaft is shown: from `start` in a direction, to where the exposed field ends.

    Parameters
    ----------
    image
        (rows, columns), normalised.
    start, towards
        (x, y) in pixels: a point in the field, and another one in the direction.
    unit
        Of `FIELD_HALF_WIDTH` and `SHUTTER_WIDTH`, in pixels.

    Returns
    -------
    Pixels. Where no shutter follows, the field ends with the image.
    """
    rows, columns = image.shape
    direction = (towards - start) / max(float(np.hypot(*(towards - start))), 1e-9)
    steps = np.arange(int(np.hypot(rows, columns)) + 1)
    centres = start + steps[:, None] * direction
    inside = ((centres > -0.5) & (centres < np.array([columns, rows]) - 0.5)).all(axis=1)
    length = int(np.argmin(inside)) if not inside.all() else len(steps)
    if length < 2:
        return 0.0
    half_width = FIELD_HALF_WIDTH * unit
    across = np.linspace(-half_width, half_width, 21)[:, None] * (-direction[1], direction[0])
    strip = (centres[:length, None] + across).round().astype(int)
    x, y = strip[..., 0].clip(0, columns - 1), strip[..., 1].clip(0, rows - 1)
    grey = image[y, x]
    shutter = np.median(grey[-1])
    contrast = abs(np.median(grey[: max(int(unit), 1)]) - shutter)
    other = np.abs(grey - shutter) > max(SHUTTER_BAND, SHUTTER_NOISE * contrast)
    exposed = np.flatnonzero(other.mean(axis=1) > EXPOSED_SHARE)
    if not len(exposed):
        return 0.0
    shutters = np.flatnonzero(np.diff(exposed) > max(SHUTTER_WIDTH * unit, 2.0))
    return float(exposed[shutters[0]] if len(shutters) else exposed[-1])


def to_end_of_shaft(
    image: FloatImage,
    points: Positions,
    spacing: tuple[float, float] | None,
    clear: Collection[str] = (),
) -> dict[str, tuple[float, float]]:
    """The points, with proximal ones that do not end their shaft moved along it to its end.

    A watch, a plate or an unusual size of the wrist can make a network end a shaft too early.

    Parameters
    ----------
    image
        (rows, columns), normalised.
    points
        (x, y) in pixels.
    spacing
        (x, y) in mm per pixel. Without it a shaft is followed only where it surely ends within the
        limit.
    clear
        Names of the points that were clearly seen, see `CLEARLY_NEAR`.
    """
    moved = dict(points)
    if any(name not in points for name in FOREARM):
        return moved
    unit = float(np.hypot(*np.subtract(points[FOREARM[0]], points[FOREARM[1]])))
    for distal, proximal in SHAFTS:
        if proximal not in points or distal not in points:
            continue
        start, end = np.array(points[distal]), np.array(points[proximal])
        length = float(np.hypot(*(end - start)))
        if length < unit:  # too short to tell the shaft's direction
            continue
        shown = shown_length(image, start, end, unit)
        if spacing is None:
            if shown * UNIT_MM[1] / unit > PROXIMAL_LIMIT_MM:
                continue
            limit = shown
        else:
            limit = PROXIMAL_LIMIT_MM * length / float(np.hypot(*((end - start) * spacing)))
        if proximal in clear and min(shown, limit) > length + CLEARLY_NEAR * unit:
            continue
        if limit < shown or length < shown * (1.0 - NEAR_END):
            x, y = start + (end - start) * (min(shown, limit) / length)
            moved[proximal] = (float(x), float(y))
    return moved


def within_limit(points: Positions, spacing: tuple[float, float]) -> dict[str, tuple[float, float]]:
    """The points, with the proximal ones drawn back along their bones to the limit.

    Parameters
    ----------
    points
        (x, y) in pixels.
    spacing
        (x, y) in mm per pixel.
    """
    kept = dict(points)
    for distal, proximal in SHAFTS:
        if proximal in points and distal in points:
            start = np.array(points[distal])
            bone = np.array(points[proximal]) - start
            length = float(np.hypot(*(bone * spacing)))
            x, y = start + bone * min(1.0, PROXIMAL_LIMIT_MM / max(length, 1e-9))
            kept[proximal] = (float(x), float(y))
    return kept


def end_at_limit(
    image: FloatImage, points: Positions, axis: Points, spacing: tuple[float, float]
) -> FloatImage:
    """The image without what lies beyond the limit: shafts leave the field there, as it were.

    Parameters
    ----------
    image
        (rows, columns).
    points
        (x, y) in pixels; the limit begins at the distal ones.
    axis
        From `forearm_axis`.
    spacing
        (x, y) in mm per pixel.
    """
    ends = [points[name] for name in DISTAL if name in points]
    if not ends:
        return image
    corners = np.array([(x, y) for y in (0, image.shape[0]) for x in (0, image.shape[1])])
    start = np.mean(ends, axis=0)
    if (np.hypot(*((corners - start) * spacing).T) <= PROXIMAL_LIMIT_MM).all():
        return image
    rows, columns = np.indices(image.shape, dtype=np.float32)
    far = np.hypot((columns - start[0]) * spacing[0], (rows - start[1]) * spacing[1])
    cut = (far > PROXIMAL_LIMIT_MM) & beyond(axis, np.stack([columns, rows], axis=-1))
    return np.where(cut, np.float32(0.0), image)
