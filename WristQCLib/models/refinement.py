"""Where a second look is taken: boxes of one physical size around points of the first look.

Seen whole, a large radiograph is shrunk to about 0.8 mm per input pixel. The same network looks
again at a box around each group of points; the boxes scale with the anatomy, so that they show the
bones at a similar size whatever the image's field. Training cuts the same boxes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from WristQCLib.findings import View

Points = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Refinement:
    """How a view's boxes are made.

    Attributes
    ----------
    groups
        Keypoints that share a box, centred on their mean.
    reference
        Two keypoints whose distance is the unit of length.
    factor
        Diagonal of the box in that unit. (The diagonal, so that any aspect ratio serves.)
    """

    groups: tuple[tuple[str, ...], ...]
    reference: tuple[str, str]
    factor: float


REFINEMENTS: Mapping[View, Refinement] = {
    # The styloids lie about 50 mm apart in an adult, scaphoid and distal radius about 22 mm.
    View.FRONTAL: Refinement(
        groups=(("radial_styloid", "ulnar_styloid"), ("thumb_mcp_joint",)),
        reference=("radial_styloid", "ulnar_styloid"),
        factor=2.6,
    ),
    View.LATERAL: Refinement(
        groups=(
            ("scaphoid_centre", "distal_radius_centre", "distal_ulna_centre"),
            ("proximal_radius_centre", "proximal_ulna_centre"),
        ),
        reference=("scaphoid_centre", "distal_radius_centre"),
        factor=6.0,
    ),
}

MIN_REFERENCE_PX = 4.0
"""A reference shorter than this cannot be trusted as a unit of length."""


def refinement_box(
    points: Points,
    group: tuple[str, ...],
    refinement: Refinement,
    input_size: tuple[int, int],
    zoom: float = 1.0,
) -> tuple[int, int, int, int] | None:
    """The box (left, top, right, bottom) for one group, in image pixels, exclusive at the end.

    Parameters
    ----------
    points
        Positions (x, y) of the keypoints that are there.
    group, refinement
        As in `REFINEMENTS`.
    input_size
        (rows, columns) of the network's input, for the aspect ratio.
    zoom
        Extra factor on the box's size.

    Returns
    -------
    None when the reference or every point of the group is missing.
    """
    first, second = (points.get(name) for name in refinement.reference)
    centres = [points[name] for name in group if name in points]
    if first is None or second is None or not centres:
        return None
    unit = float(np.hypot(first[0] - second[0], first[1] - second[1]))
    if unit < MIN_REFERENCE_PX:
        return None
    size: npt.NDArray[np.float64] = np.array([input_size[1], input_size[0]], dtype=np.float64)
    size *= zoom * refinement.factor * unit / float(np.hypot(*size))
    left, top = (np.mean(centres, axis=0) + 0.5 - size / 2).round().astype(int)
    width, height = np.maximum(size.round().astype(int), 1)
    return int(left), int(top), int(left + width), int(top + height)
