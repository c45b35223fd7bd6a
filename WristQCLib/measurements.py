"""Lengths and angles that the scoring protocol needs, from keypoints and the image's geometry.

Every measurement is a pure function of the keypoints and of an `ImageGeometry`; thresholds and
points are the protocol's. Formulas: specification section 2 (tables 1 and 2 of the paper).

Positions are (x right, y down) in pixels with pixel centres at integers, so the image reaches from
-0.5 to width - 0.5 and from -0.5 to height - 0.5: W and H of the paper are the whole image's width
and height, and distances to a border are measured to the outer edge of the outermost pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import Keypoints, Point, words


@dataclass(frozen=True)
class ImageGeometry:
    """Size of the stored image and of its pixels.

    Attributes
    ----------
    width, height
        Columns and rows, in pixels.
    spacing
        (x, y) millimetres per pixel, None when unknown.
    pixel_aspect
        Height of a pixel divided by its width; lets angles be measured without a spacing.

    Raises
    ------
    ValueError
        If a size, a spacing or the aspect is not positive.
    """

    width: int
    height: int
    spacing: tuple[float, float] | None = None
    pixel_aspect: float = 1.0

    def __post_init__(self) -> None:
        if min(self.width, self.height, *(self.spacing or (1.0,)), self.pixel_aspect) <= 0:
            raise ValueError(f"Sizes and spacings of an image are positive, got {self}.")

    @property
    def size_cm(self) -> tuple[float, float] | None:
        """(W, H) in cm, None when the spacing is unknown."""
        if self.spacing is None:
            return None
        return self.width * self.spacing[0] / 10.0, self.height * self.spacing[1] / 10.0

    def vector(self, start: Point, end: Point) -> tuple[float, float]:
        """Vector from `start` to `end` in isotropic units: mm, or pixel widths without spacing."""
        sx, sy = self.spacing or (1.0, self.pixel_aspect)
        return (end[0] - start[0]) * sx, (end[1] - start[1]) * sy

    def border_distances_cm(self, point: Point) -> tuple[float, float, float, float] | None:
        """Distances in cm to the left, right, upper and lower border, None without spacing."""
        if self.spacing is None:
            return None
        x, y = (point[0] + 0.5), (point[1] + 0.5)
        sx, sy = self.spacing[0] / 10.0, self.spacing[1] / 10.0
        return x * sx, (self.width - x) * sx, y * sy, (self.height - y) * sy


@dataclass(frozen=True)
class Measurement:
    """One measured quantity.

    Attributes
    ----------
    id
        Name by which the protocol refers to it.
    value
        In `unit`; None unless `finding` is FOUND.
    unit
        ``"cm"``, ``"deg"`` or ``""`` (yes or no, as 1 or 0).
    finding
        FOUND, or NOT_ASSESSABLE with the reason.
    reason
        One sentence, empty when found.
    """

    id: str
    value: float | None
    unit: str
    finding: Finding = Finding.FOUND
    reason: str = ""


class _UnavailableError(Exception):
    """A measurement cannot be made; the message is the reason."""


def angle_to_vertical(vector: tuple[float, float]) -> float:
    """Angle in degrees, 0 to 90, between an undirected line and the image's vertical axis."""
    dx, dy = vector
    if dx == 0 and dy == 0:
        raise _UnavailableError("Two keypoints coincide, so they give no direction.")
    return math.degrees(math.atan2(abs(dx), abs(dy)))


def angle_between(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Angle in degrees, 0 to 180, between two directed vectors."""
    if first == (0.0, 0.0) or second == (0.0, 0.0):
        raise _UnavailableError("Two keypoints coincide, so they give no direction.")
    cross = first[0] * second[1] - first[1] * second[0]
    dot = first[0] * second[0] + first[1] * second[1]
    return math.degrees(math.atan2(abs(cross), dot))


def midpoint(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0


def _position(keypoints: Keypoints, name: str) -> Point:
    point = keypoints[name]
    if point.position is None:
        label = words(name)
        state = (
            "is not in the image"
            if point.finding is Finding.NOT_FOUND
            else "has not been placed yet"
        )
        raise _UnavailableError(f"The {label} {state}.")
    return point.position


def _borders(geometry: ImageGeometry, point: Point) -> tuple[float, float, float, float]:
    distances = geometry.border_distances_cm(point)
    if distances is None:
        raise _UnavailableError("The pixel spacing is unknown, so lengths cannot be measured.")
    return distances


def _styloids(keypoints: Keypoints) -> tuple[Point, Point]:
    return _position(keypoints, "radial_styloid"), _position(keypoints, "ulnar_styloid")


# Frontal view -------------------------------------------------------------------------------


def thumb_mcp_joint_present(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Frontal 1: 1 when P1, the thumb's metacarpophalangeal joint, is in the image, else 0."""
    finding = keypoints["thumb_mcp_joint"].finding
    if finding is Finding.NOT_ASSESSABLE:
        raise _UnavailableError("The thumb MCP joint has not been placed yet.")
    return 1.0 if finding is Finding.FOUND else 0.0


def styloid_midpoint_to_lower_border(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Frontal 2: D, distance (cm) from the midpoint of P2P3 to the lower image border."""
    return _borders(geometry, midpoint(*_styloids(keypoints)))[3]


def styloid_line_angle(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Frontal 3: alpha (deg, 0 to 90) between the line P2P3 and the image's vertical axis."""
    return angle_to_vertical(geometry.vector(*_styloids(keypoints)))


def styloid_line_tilt(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Frontal 3: abs(alpha - 90) (deg); 0 is best."""
    return abs(styloid_line_angle(keypoints, geometry) - 90.0)


def styloid_midpoint_vertical_offset(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Frontal 4: abs(H - 2 L2) (cm), difference of the distances to top and bottom; 0 is best."""
    _, _, top, bottom = _borders(geometry, midpoint(*_styloids(keypoints)))
    return abs(top - bottom)


def styloid_midpoint_horizontal_offset(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Frontal 4: abs(W - 2 L1) (cm), difference of the distances to left and right; 0 is best."""
    left, right, _, _ = _borders(geometry, midpoint(*_styloids(keypoints)))
    return abs(left - right)


def radial_styloid_to_side_border(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Frontal 5: D1, distance (cm) from the radial styloid to the nearer side border."""
    return min(_borders(geometry, _position(keypoints, "radial_styloid"))[:2])


def ulnar_styloid_to_side_border(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Frontal 5: D2, distance (cm) from the ulnar styloid to the nearer side border."""
    return min(_borders(geometry, _position(keypoints, "ulnar_styloid"))[:2])


# Lateral view -------------------------------------------------------------------------------


def radius_ulna_angle(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Lateral 1: alpha (deg), angle P2-P1-P4 at the scaphoid centre; small when they overlap."""
    scaphoid = _position(keypoints, "scaphoid_centre")
    return angle_between(
        geometry.vector(scaphoid, _position(keypoints, "distal_radius_centre")),
        geometry.vector(scaphoid, _position(keypoints, "distal_ulna_centre")),
    )


def long_axis_angle(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Lateral 2: beta (deg) between the long axis, P1 to the midpoint of P3P5, and the vertical."""
    proximal = midpoint(
        _position(keypoints, "proximal_radius_centre"),
        _position(keypoints, "proximal_ulna_centre"),
    )
    return angle_to_vertical(geometry.vector(_position(keypoints, "scaphoid_centre"), proximal))


def scaphoid_vertical_offset(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Lateral 3: abs(H - 2 L2) (cm) of the scaphoid centre; 0 is best."""
    _, _, top, bottom = _borders(geometry, _position(keypoints, "scaphoid_centre"))
    return abs(top - bottom)


def scaphoid_horizontal_offset(keypoints: Keypoints, geometry: ImageGeometry) -> float:
    """Lateral 3: abs(W - 2 L1) (cm) of the scaphoid centre; 0 is best."""
    left, right, _, _ = _borders(geometry, _position(keypoints, "scaphoid_centre"))
    return abs(left - right)


_Function = Callable[[Keypoints, ImageGeometry], float]

MEASUREMENTS: Mapping[View, Mapping[str, tuple[_Function, str]]] = {
    view: {function.__name__: (function, unit) for function, unit in functions}
    for view, functions in {
        View.FRONTAL: (
            (thumb_mcp_joint_present, ""),
            (styloid_midpoint_to_lower_border, "cm"),
            (styloid_line_angle, "deg"),
            (styloid_line_tilt, "deg"),
            (styloid_midpoint_vertical_offset, "cm"),
            (styloid_midpoint_horizontal_offset, "cm"),
            (radial_styloid_to_side_border, "cm"),
            (ulnar_styloid_to_side_border, "cm"),
        ),
        View.LATERAL: (
            (radius_ulna_angle, "deg"),
            (long_axis_angle, "deg"),
            (scaphoid_vertical_offset, "cm"),
            (scaphoid_horizontal_offset, "cm"),
        ),
    }.items()
}
"""What can be measured in each view: name -> (function, unit). A protocol chooses among these."""


def measure(keypoints: Keypoints, geometry: ImageGeometry) -> dict[str, Measurement]:
    """All measurements of the keypoints' view, by name.

    A quantity whose keypoints are absent, or a length without a pixel spacing, is NOT_ASSESSABLE
    with the reason; nothing is guessed.
    """
    results: dict[str, Measurement] = {}
    for name, (function, unit) in MEASUREMENTS[keypoints.view].items():
        try:
            results[name] = Measurement(name, function(keypoints, geometry), unit)
        except _UnavailableError as reason:
            results[name] = Measurement(name, None, unit, Finding.NOT_ASSESSABLE, str(reason))
    return results
