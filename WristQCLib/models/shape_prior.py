"""What anatomy says about where keypoints can lie relative to each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from WristQCLib.findings import View

Points = npt.NDArray[np.float64]

FOREARM = ("scaphoid_centre", "distal_radius_centre")
"""The direction from the first to the second points along the forearm, away from the hand."""

PROXIMAL = ("proximal_radius_centre", "proximal_ulna_centre")


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
