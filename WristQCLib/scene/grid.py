"""Pixels of the stored image and RAS coordinates of the scene: the only place that converts.

A radiograph lies in the plane S = 0 as Slicer's own reader puts it there: IJKToRAS is
``diag(-sx, -sy, 1)``, so that in an axial slice view x runs to the right and y down, as in the
stored image.
"""

from __future__ import annotations

from dataclasses import dataclass

from WristQCLib.keypoints import Point
from WristQCLib.measurements import ImageGeometry

Ras = tuple[float, float, float]

_DECIMALS = 9
"""Of a position in pixels that comes from RAS; what is beyond is rounding."""


@dataclass(frozen=True)
class PixelGrid:
    """Size of the pixels in the scene.

    Attributes
    ----------
    spacing
        (x, y) in mm per pixel. Where it is unknown, pixels are 1 mm wide and as high as their
        aspect tells, so that angles are right and lengths have no meaning.
    known
        Whether `spacing` is the radiograph's.
    """

    spacing: tuple[float, float]
    known: bool

    @classmethod
    def of(cls, geometry: ImageGeometry) -> PixelGrid:
        if geometry.spacing is None:
            return cls((1.0, geometry.pixel_aspect), known=False)
        return cls(geometry.spacing, known=True)

    def to_ras(self, point: Point) -> Ras:
        """RAS position in mm of (x, y) in pixels, pixel centres at integers."""
        return -point[0] * self.spacing[0], -point[1] * self.spacing[1], 0.0

    def to_pixels(self, ras: Ras) -> Point:
        """Position (x, y) in pixels of a RAS position; its S coordinate is left out."""
        x, y = -ras[0] / self.spacing[0], -ras[1] / self.spacing[1]
        return round(x, _DECIMALS), round(y, _DECIMALS)
