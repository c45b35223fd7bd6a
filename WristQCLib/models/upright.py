"""Turning a lateral image until its forearm is upright, as most training images are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from WristQCLib.models.preprocessing import FloatImage
from WristQCLib.models.shape_prior import DISTAL, PROXIMAL

Points = npt.NDArray[np.float64]

LEAST_TILT_DEG = 15.0
"""Training images are turned by up to 20 degrees either way: less tilt is left as it is."""


def forearm_tilt(points: Mapping[str, tuple[float, float]]) -> float:
    """Clockwise turn of the forearm from upright in degrees, -90 to 90, whichever end is up.

    0 where none of its distal or of its proximal points is there.
    """
    distal, proximal = (
        [points[name] for name in names if name in points] for names in (DISTAL, PROXIMAL)
    )
    if not distal or not proximal:
        return 0.0
    x, y = np.mean(proximal, axis=0) - np.mean(distal, axis=0)
    return float((np.degrees(np.arctan2(-x, y)) + 90.0) % 180.0 - 90.0)


@dataclass(frozen=True)
class Turned:
    """An image turned about its centre, on a canvas that holds all of it.

    Attributes
    ----------
    image
        (rows, columns), 0 where the original has nothing.
    matrix, offset
        Original (x, y) = matrix @ turned (x, y) + offset.
    """

    image: FloatImage
    matrix: Points
    offset: Points

    @classmethod
    def by(cls, image: FloatImage, degrees: float) -> Turned:
        """Turn an image (rows, columns) anticlockwise by an angle."""
        from scipy import ndimage  # loaded when an image is turned

        angle = np.radians(degrees)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        size = np.array(image.shape[::-1], dtype=np.float64)
        canvas = np.ceil(np.abs(matrix.T) @ size).astype(int)
        offset = (size - 1) / 2 - matrix @ ((canvas - 1) / 2)
        # scipy indexes (row, column): swap the axes of the (x, y) map.
        turned = ndimage.affine_transform(
            image, matrix[::-1, ::-1], offset[::-1], output_shape=tuple(canvas[::-1]), order=1
        )
        return cls(turned.astype(np.float32), matrix, offset)

    def back(self, position: tuple[float, float]) -> tuple[float, float]:
        """A place of the turned image, (x, y), in the original."""
        x, y = self.matrix @ position + self.offset
        return float(x), float(y)
