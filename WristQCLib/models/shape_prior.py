"""What anatomy says about where keypoints can lie relative to each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from WristQCLib.findings import View
from WristQCLib.models.preprocessing import FloatImage

Points = npt.NDArray[np.float64]
Positions = Mapping[str, tuple[float, float]]

FOREARM = ("scaphoid_centre", "distal_radius_centre")
"""The direction from the first to the second points along the forearm, away from the hand."""

PROXIMAL = ("proximal_radius_centre", "proximal_ulna_centre")
DISTAL = ("distal_radius_centre", "distal_ulna_centre")

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
    for proximal, distal in zip(PROXIMAL, DISTAL, strict=True):
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
