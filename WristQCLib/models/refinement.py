"""Where a second look is taken: boxes around groups of points of the first look.

Seen whole, a large radiograph is shrunk to about 0.8 mm per input pixel. A closer look follows at a
box around each group of points; the boxes scale with the anatomy, so that they show the bones at a
similar size whatever the image's field. Training cuts the same boxes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from WristQCLib.findings import View
from WristQCLib.models.shape_prior import PROXIMAL, STYLOIDS, THUMB

Points = Mapping[str, tuple[float, float]]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class CloseLook:
    """One box and what it is for.

    Attributes
    ----------
    points
        Keypoints that are located anew.
    shown
        Keypoints that the box must show.
    margin
        What the box shows around them at least, in the view's unit of length.
    tells_presence
        Whether this look has a say, beside the first, in whether its points are in the image:
        whether a joint at the border is still inside is a question of millimetres.
    """

    points: tuple[str, ...]
    shown: tuple[str, ...]
    margin: float
    tells_presence: bool = False


REFERENCES: Mapping[View, tuple[str, str]] = {
    View.FRONTAL: STYLOIDS,
    View.LATERAL: ("scaphoid_centre", "distal_radius_centre"),
}
"""Two keypoints whose distance is the unit of length: about 50 mm and 22 mm in an adult."""

WRIST = ("scaphoid_centre", "distal_radius_centre", "distal_ulna_centre")

CLOSE_LOOKS: Mapping[View, tuple[CloseLook, ...]] = {
    View.FRONTAL: (
        CloseLook(STYLOIDS, STYLOIDS, 0.4),
        CloseLook((THUMB,), (THUMB,), 0.75, tells_presence=True),
    ),
    # The shafts are shown with the wrist: there they can be told apart, and there the 12 cm begin
    # after which the proximal points end.
    View.LATERAL: (CloseLook(WRIST, WRIST, 1.2), CloseLook(PROXIMAL, WRIST + PROXIMAL, 0.7)),
}

MIN_REFERENCE_PX = 4.0
"""A reference shorter than this cannot be trusted as a unit of length."""


def close_box(
    points: Points, view: View, look: CloseLook, input_size: tuple[int, int], zoom: float = 1.0
) -> Box | None:
    """The box (left, top, right, bottom) of a close look, in image pixels, exclusive at the end.

    Parameters
    ----------
    points
        Positions (x, y) of the keypoints that are there.
    view, look
        The view and one of its `CLOSE_LOOKS`.
    input_size
        (rows, columns) of the network's input, whose aspect ratio the box takes.
    zoom
        Extra factor on the box's size.

    Returns
    -------
    None when the reference, or every point to be located, is missing.
    """
    first, second = (points.get(name) for name in REFERENCES[view])
    if first is None or second is None or not any(name in points for name in look.points):
        return None
    unit = float(np.hypot(first[0] - second[0], first[1] - second[1]))
    if unit < MIN_REFERENCE_PX:
        return None
    shown = np.array([points[name] for name in look.shown if name in points], dtype=np.float64)
    low, high = shown.min(axis=0), shown.max(axis=0)
    aspect = np.array([input_size[1], input_size[0]], dtype=np.float64)
    size = aspect * zoom * float(((high - low + 2.0 * look.margin * unit) / aspect).max())
    left, top = ((low + high) / 2.0 + 0.5 - size / 2.0).round().astype(int)
    width, height = np.maximum(size.round().astype(int), 1)
    return int(left), int(top), int(left + width), int(top + height)
