"""Following a shaft from its distal end, where a proximal point was taken for another bone's.

Two bones leave the field beside each other, and which of the ends belongs to which is told by
following them. The network's map of a shaft (`WristQCLib.models.gu2net`) shows its course where it
can be seen, also where the heat map of its end is drawn to the other bone's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from WristQCLib.models.heatmaps import HeatMaps
from WristQCLib.models.letterbox import Letterbox
from WristQCLib.models.preprocessing import FloatImage
from WristQCLib.models.shape_prior import DISTAL, FOREARM, PROXIMAL, SHAFTS, shown_length

Points = npt.NDArray[np.float64]

SAMPLES = 40
"""Places along a course at which the map is read."""

FIRST = 0.5
"""Share of a course that is not read: near the distal end all courses from there are alike, and
where a shaft leaves the field decides."""

WIDEST_DEG, STEP_DEG = 40, 1
"""Courses that are tried, about the direction of the other bone."""

USUAL_DEG = 15.0
"""Radius and ulna are nearly parallel: standard deviation of the angle between them."""

MUCH_BETTER, LEAST_SUPPORT = 2.0, 0.3
"""A course replaces that to the point which was found when it is supported so many times better,
and so well: of a shaft that is hardly seen any course may look better. Of 1326 simulated laterals
(316 of them not trained on) this brings 3 points nearer to their label by 2 mm and more, and none
farther off."""

LEAST_LENGTH = 0.6
"""Shortest course, in the distance from the scaphoid to the distal radius."""


def followed(
    shafts: HeatMaps,
    letterbox: Letterbox,
    image: FloatImage,
    points: Mapping[str, tuple[float, float]],
) -> dict[str, tuple[float, float]]:
    """Where the proximal points lie whose shafts take another course than the one to them.

    Parameters
    ----------
    shafts
        (2, rows, columns): probabilities of the radius' and the ulna's shaft.
    letterbox
        Of the network's input that they were seen in.
    image
        (rows, columns), normalised.
    points
        (x, y) in the image's pixels, of the keypoints that are there.

    Returns
    -------
    The proximal points that are to be moved, (x, y) in the image's pixels.
    """
    if any(name not in points for name in (*FOREARM, *DISTAL, *PROXIMAL)):
        return {}
    stride = letterbox.input_size[0] / shafts.shape[1]
    places = {n: (letterbox.to_input(p) + 0.5) / stride - 0.5 for n, p in points.items()}
    wrist = np.array(points[FOREARM[1]]) - points[FOREARM[0]]
    unit = float(np.hypot(wrist[0], wrist[1]))
    least = LEAST_LENGTH * unit * float(letterbox.scale.mean()) / stride
    bones = [places[end] - places[start] for start, end in SHAFTS]
    moved = {}
    for shaft, (start, name), along in zip(shafts, SHAFTS, bones[::-1], strict=True):
        distal = places[start]

        def shown(direction: Points, start: str = start, distal: Points = distal) -> float:
            ahead = letterbox.to_image((distal + direction + 0.5) * stride - 0.5)
            pixel = float(np.hypot(*(ahead - points[start])))
            length = shown_length(image, np.array(points[start]), ahead, unit) / pixel
            return min(length, room(distal, direction, shafts.shape[1:]))

        end = better_end(shaft, distal, places[name], along, least, shown)
        if end is not None:
            x, y = letterbox.to_image((end + 0.5) * stride - 0.5)
            moved[name] = (float(x), float(y))
    return moved


def room(start: Points, direction: Points, size: tuple[int, ...]) -> float:
    """How far (x, y) can go in a direction of length 1 within `size` (rows, columns), in pixels."""
    last = np.array(size[::-1]) - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = np.where(direction > 0, last - start, -start) / direction
    return max(float(np.where(direction != 0, lengths, np.inf).min()), 0.0)


def support(shaft: HeatMaps, start: Points, ends: Points) -> Points:
    """How well a map of a shaft shows straight courses: its mean along the far half of each.

    Parameters
    ----------
    shaft
        (rows, columns) of probabilities.
    start, ends
        (2,) and (K, 2): (x, y) in the map's pixels.

    Returns
    -------
    (K,) in [0, 1]; what lies outside of the map counts as 0.
    """
    from scipy import ndimage

    along = np.linspace(FIRST, 1.0, SAMPLES)[:, None]
    places = start + (ends - start)[:, None] * along
    values = ndimage.map_coordinates(shaft, [places[..., 1], places[..., 0]], order=1)
    return np.asarray(values.mean(axis=1), dtype=np.float64)


def better_end(
    shaft: HeatMaps,
    distal: Points,
    proximal: Points,
    along: Points,
    least: float,
    shown: Callable[[Points], float],
) -> Points | None:
    """Where a shaft ends, if its map shows a much better course than that to a point.

    Parameters
    ----------
    shaft
        (rows, columns) of probabilities.
    distal, proximal
        (x, y) of the shaft's ends as they were found, in the map's pixels.
    along
        (x, y) direction of the other bone.
    least
        Shortest course, in the map's pixels.
    shown
        How far a shaft from `distal` in a direction of length 1 can be followed, in the map's
        pixels.

    Returns
    -------
    The other end, or None where the point stands.
    """
    found = support(shaft, distal, proximal[None])[0] * _usual(_angle(proximal - distal, along))
    # No course is supported better than the map's highest value: most often that is settled here.
    if max(MUCH_BETTER * found, LEAST_SUPPORT) >= float(shaft.max()):
        return None
    angles = np.radians(np.arange(-WIDEST_DEG, WIDEST_DEG + STEP_DEG, STEP_DEG))
    course = np.arctan2(along[1], along[0]) + angles
    directions = np.stack([np.cos(course), np.sin(course)], axis=-1)
    lengths = np.array([shown(direction) for direction in directions])
    ends = distal + directions * lengths[:, None]
    scores = support(shaft, distal, ends) * _usual(angles) * (lengths >= least)
    best = int(scores.argmax())
    return ends[best] if scores[best] > max(MUCH_BETTER * found, LEAST_SUPPORT) else None


def _angle(direction: Points, other: Points) -> float:
    """Between two directions (x, y), in radians."""
    across = direction[0] * other[1] - direction[1] * other[0]
    return float(np.arctan2(across, direction @ other))


def _usual(angles: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """How usual angles (radians) between radius and ulna are, 1 when they are parallel."""
    return np.exp(-0.5 * (np.degrees(angles) / USUAL_DEG) ** 2)
