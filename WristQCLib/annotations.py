"""What is drawn over the image: the lines and angles that were measured, as data.

The report and the scene draw the same annotations, each in its own way. Colours follow the paper's
figure 2 (frontal alpha and lateral beta yellow, lateral alpha cyan); lengths are in the orange and
blue of the Okabe-Ito palette, which colour-blind people can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from WristQCLib.findings import View
from WristQCLib.keypoints import Keypoints, Point
from WristQCLib.measurements import ImageGeometry, Measurement, midpoint


class Form(StrEnum):
    LINE = "line"
    """Two points: a length from the first to the second."""
    REFERENCE = "reference"
    """Two points: an axis against which an angle is measured, drawn dashed."""
    ANGLE = "angle"
    """Three points: end of an arm, vertex, end of the other arm."""


YELLOW, CYAN, ORANGE, BLUE = "#F0E442", "#00E5FF", "#E69F00", "#56B4E9"


@dataclass(frozen=True)
class Annotation:
    """One drawn line or angle.

    Attributes
    ----------
    task
        Id of the task that it explains, e.g. ``"frontal_3"``.
    form
        How `points`, in pixels of the stored image, are to be read.
    label
        Short text with the value, fit to be drawn; may be empty.
    colour
        ``#RRGGBB``.
    """

    task: str
    form: Form
    points: tuple[Point, ...]
    label: str
    colour: str


def annotate(
    keypoints: Keypoints, geometry: ImageGeometry, measurements: Mapping[str, Measurement]
) -> tuple[Annotation, ...]:
    """The annotations of a view; those whose keypoints are absent are left out."""
    if keypoints.view is View.FRONTAL:
        return _annotate_frontal(keypoints, geometry, measurements)
    return _annotate_lateral(keypoints, geometry, measurements)


def _value(prefix: str, measurement: Measurement) -> str:
    if measurement.value is None:
        return prefix
    if measurement.unit == "deg":
        return f"{prefix} {measurement.value:.1f}°"
    return f"{prefix} {measurement.value:.1f} {measurement.unit}"


def _to_borders(
    task: str, point: Point, geometry: ImageGeometry, colour: str
) -> tuple[Annotation, ...]:
    """Lines from a point to the left, right, upper and lower border, labelled in cm."""
    x, y = point
    ends = (
        (-0.5, y), (geometry.width - 0.5, y), (x, -0.5), (x, geometry.height - 0.5),
    )  # fmt: skip
    lengths = geometry.border_distances_cm(point)
    labels = [f"{length:.1f} cm" for length in lengths] if lengths else [""] * 4
    return tuple(
        Annotation(task, Form.LINE, (point, end), label, colour)
        for end, label in zip(ends, labels, strict=True)
    )


def _vertical(point: Point, length: float) -> Point:
    return point[0], point[1] - length


def _annotate_frontal(
    keypoints: Keypoints, geometry: ImageGeometry, measurements: Mapping[str, Measurement]
) -> tuple[Annotation, ...]:
    radial, ulnar = (keypoints[n].position for n in ("radial_styloid", "ulnar_styloid"))
    drawn: list[Annotation] = []
    if radial and ulnar:
        centre = midpoint(radial, ulnar)
        arm = max(abs(radial[0] - ulnar[0]), abs(radial[1] - ulnar[1]), 1.0)
        left, right, top, bottom = _to_borders("frontal_4", centre, geometry, BLUE)
        distance = measurements["styloid_midpoint_to_lower_border"]
        drawn += [
            left,
            right,
            top,
            Annotation("frontal_2", Form.LINE, bottom.points, _value("D", distance), ORANGE),
            Annotation("frontal_3", Form.LINE, (radial, ulnar), "", YELLOW),
            Annotation(
                "frontal_3", Form.REFERENCE, (centre, _vertical(centre, arm)), "", YELLOW
            ),
            Annotation(
                "frontal_3",
                Form.ANGLE,
                # The higher styloid, so that the drawn angle is the measured one, 0 to 90 degrees.
                (min(radial, ulnar, key=lambda p: p[1]), centre, _vertical(centre, arm)),
                _value("α", measurements["styloid_line_angle"]),
                YELLOW,
            ),
        ]  # fmt: skip
    for name, point, measurement in (
        ("D1", radial, measurements["radial_styloid_to_side_border"]),
        ("D2", ulnar, measurements["ulnar_styloid_to_side_border"]),
    ):
        if point:
            nearer_left = point[0] + 0.5 <= geometry.width / 2
            border = (-0.5 if nearer_left else geometry.width - 0.5, point[1])
            label = _value(name, measurement)
            drawn.append(Annotation("frontal_5", Form.LINE, (point, border), label, ORANGE))
    return tuple(drawn)


def _annotate_lateral(
    keypoints: Keypoints, geometry: ImageGeometry, measurements: Mapping[str, Measurement]
) -> tuple[Annotation, ...]:
    position = {point.name: point.position for point in keypoints}
    scaphoid = position["scaphoid_centre"]
    if scaphoid is None:
        return ()
    drawn = list(_to_borders("lateral_3", scaphoid, geometry, BLUE))
    radius, ulna = position["distal_radius_centre"], position["distal_ulna_centre"]
    if radius and ulna:
        label = _value("α", measurements["radius_ulna_angle"])
        drawn.append(Annotation("lateral_1", Form.ANGLE, (radius, scaphoid, ulna), label, CYAN))
    radius, ulna = position["proximal_radius_centre"], position["proximal_ulna_centre"]
    if radius and ulna:
        proximal = midpoint(radius, ulna)
        down = (scaphoid[0], proximal[1])
        label = _value("β", measurements["long_axis_angle"])
        drawn += [
            Annotation("lateral_2", Form.LINE, (scaphoid, proximal), "", YELLOW),
            Annotation("lateral_2", Form.REFERENCE, (scaphoid, down), "", YELLOW),
            Annotation("lateral_2", Form.ANGLE, (proximal, scaphoid, down), label, YELLOW),
        ]
    return tuple(drawn)
